//! Parts of the decision that are functions of their own.
//!
//! The verifier looks at a global function once, knowing nothing of who calls it, where it would walk through an
//! ordinary one again for each state it is called in. They find the packet in its context, and answer a step as a number.

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    programs::XdpContext,
};
use floodwall_common::{
    busy,
    decide::{
        CONTINUE, End, OutOfLine, PacketContext, Step, admission, challenge as challenges, dns_names,
        dns_question, echo, found, fruitless, icmp_errors, offences, rules, second_try,
        step::{from_code, to_code},
        suspects, unproven,
    },
    prefix::Family,
    tables::Tables as _,
    truncation::question_sum,
    wire::Suspicion,
};

use crate::{
    bans,
    frame::XdpFrame,
    maps::{Maps, packet_context, settings},
    record::record,
    reply::{send, send_truncated_v4, send_truncated_v6},
    show::show,
};

/// The functions, called for the packet of a context.
pub struct Calls(pub *mut xdp_md);

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn read_features(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    if let Some(context) = packet_context() {
        context.read_features(&frame);
    }
    to_code(CONTINUE)
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_suspect(ctx: *mut xdp_md, suspicion: u32) -> u32 {
    let maps = Maps(ctx);
    let suspicion = match suspicion {
        0 => Suspicion::Tcp,
        1 => Suspicion::Udp,
        _ => Suspicion::OutOfState,
    };
    to_code((|| suspects::judge(&maps, found(maps.settings())?, found(packet_context())?, suspicion))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn read_quotation(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    if let Some(context) = packet_context() {
        context.read_quotation(&frame);
    }
    to_code(CONTINUE)
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_icmp_error(ctx: *mut xdp_md) -> u32 {
    read_quotation(ctx);
    let maps = Maps(ctx);
    to_code((|| icmp_errors::judge(&maps, found(maps.settings())?, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_echo_reply() -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| echo::judge(&maps, found(maps.settings())?, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn count_busy() -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    let count = || {
        let (settings, context) = (found(maps.settings())?, found(packet_context())?);
        found(busy::count(&maps, settings, context.key, context.packet.length, context.time_ns))
    };
    to_code(count())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn count_unproven() -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| unproven::count_marked(&maps, found(maps.settings())?, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn follow_connection(ctx: *mut xdp_md) -> u32 {
    let maps = Maps(ctx);
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    to_code((|| fruitless::follow(&maps, found(maps.settings())?, &frame, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn measure_name(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    if let Some(context) = packet_context() {
        context.measure_name(&frame);
    }
    to_code(CONTINUE)
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_name(ctx: *mut xdp_md) -> u32 {
    let maps = Maps(ctx);
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    to_code((|| dns_names::look_up(&maps, found(maps.settings())?, &frame, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn ask_flow() -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| suspects::ask_flow(&maps, found(maps.settings())?, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn ask_again() -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| second_try::ask_again(&maps, found(maps.settings())?, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_question(ctx: *mut xdp_md, number: u32, asks_all: u32) -> u32 {
    measure_name(ctx);
    let maps = Maps(ctx);
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    let judge = || {
        let (settings, context) = (found(maps.settings())?, found(packet_context())?);
        dns_question::judge(&maps, settings, &frame, context, number, asks_all != 0)
    };
    to_code(judge())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn hear_answer(ctx: *mut xdp_md) -> u32 {
    let maps = Maps(ctx);
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    to_code((|| challenges::hear(&maps, found(maps.settings())?, &frame, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn admit(ctx: *mut xdp_md) -> u32 {
    if packet_context().is_some_and(|context| dns_question::is_asked(context)) {
        measure_name(ctx);
    }
    let maps = Maps(ctx);
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    to_code((|| admission::admit(&maps, found(maps.settings())?, &frame, found(packet_context())?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn charge_offence(limit: u32) -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| offences::charge(&maps, found(maps.settings())?, found(packet_context())?, limit))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn place_rule(number: u32) -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| rules::place(&maps, found(maps.settings())?, found(packet_context())?, number))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn apply_rule(number: u32) -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    to_code((|| rules::apply(&maps, found(maps.settings())?, found(packet_context())?, number))())
}

/// Answers the question of the context with a truncated answer. Says what becomes of it.
///
/// Three functions: one and what it calls have 512 bytes of stack between them.
#[inline(always)]
pub fn truncate(ctx: *mut xdp_md, context: &PacketContext) -> u32 {
    let sum = sum_question(ctx);
    let v4 = context.packet.source.family as u32 == Family::V4 as u32;
    if v4 { truncate_v4(ctx, sum) } else { truncate_v6(ctx, sum) }
}

/// The sum of the context's question. One that can't be read has been found to be no question.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn sum_question(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    let sum = packet_context().and_then(|context| question_sum(&frame, &context.packet, context.name_end));
    sum.unwrap_or(0)
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn truncate_v4(ctx: *mut xdp_md, sum: u32) -> u32 {
    match packet_context() {
        Some(context) => send_truncated_v4(&XdpContext::new(ctx), context, sum),
        None => xdp_action::XDP_DROP,
    }
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn truncate_v6(ctx: *mut xdp_md, sum: u32) -> u32 {
    match packet_context() {
        Some(context) => send_truncated_v6(&XdpContext::new(ctx), context, sum),
        None => xdp_action::XDP_DROP,
    }
}

/// Answers the request of the context with a challenge. Says what becomes of it.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn challenge(ctx: *mut xdp_md) -> u32 {
    let (Some(settings), Some(context)) = (settings(), packet_context()) else {
        return xdp_action::XDP_DROP;
    };
    send(&XdpContext::new(ctx), settings, context)
}

/// What is told to the controller: drops and faults, bans, and samples.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn tell(ctx: *mut xdp_md, on_record: u32) -> u32 {
    let Some(context) = packet_context() else { return to_code(Step::Break(End::Fault)) };
    let xdp = XdpContext::new(ctx);
    let frame = XdpFrame::new(&xdp);
    if on_record != 0 {
        record(&xdp, &frame, context);
    }
    bans::tell(context);
    if context.sampled && !context.virtual_time {
        show(&xdp, &frame, context);
    }
    to_code(CONTINUE)
}

impl OutOfLine for Calls {
    #[inline(always)]
    fn read_features(&self, _context: &mut PacketContext) {
        read_features(self.0);
    }

    #[inline(always)]
    fn judge_suspect(&self, _context: &mut PacketContext, suspicion: Suspicion) -> Step {
        from_code(judge_suspect(self.0, suspicion as u32))
    }

    #[inline(always)]
    fn judge_icmp_error(&self, _context: &mut PacketContext) -> Step {
        from_code(judge_icmp_error(self.0))
    }

    #[inline(always)]
    fn judge_echo_reply(&self, _context: &mut PacketContext) -> Step {
        from_code(judge_echo_reply())
    }

    #[inline(always)]
    fn count_busy(&self, _context: &mut PacketContext) -> Step {
        from_code(count_busy())
    }

    #[inline(always)]
    fn count_unproven(&self, _context: &mut PacketContext) -> Step {
        from_code(count_unproven())
    }

    #[inline(always)]
    fn follow_connection(&self, _context: &mut PacketContext) -> Step {
        from_code(follow_connection(self.0))
    }

    #[inline(always)]
    fn measure_name(&self, _context: &mut PacketContext) {
        measure_name(self.0);
    }

    #[inline(always)]
    fn judge_name(&self, _context: &mut PacketContext) -> Step {
        from_code(judge_name(self.0))
    }

    #[inline(always)]
    fn ask_flow(&self, _context: &mut PacketContext) -> Step {
        from_code(ask_flow())
    }

    #[inline(always)]
    fn ask_again(&self, _context: &mut PacketContext) -> Step {
        from_code(ask_again())
    }

    #[inline(always)]
    fn judge_question(&self, _context: &mut PacketContext, number: u32, asks_all: bool) -> Step {
        from_code(judge_question(self.0, number, asks_all as u32))
    }

    #[inline(always)]
    fn hear_answer(&self, _context: &mut PacketContext) -> Step {
        from_code(hear_answer(self.0))
    }

    #[inline(always)]
    fn admit(&self, _context: &mut PacketContext) -> Step {
        from_code(admit(self.0))
    }

    #[inline(always)]
    fn charge_offence(&self, _context: &mut PacketContext, limit: u32) -> Step {
        from_code(charge_offence(limit))
    }

    #[inline(always)]
    fn place_rule(&self, _context: &mut PacketContext, number: u32) -> Step {
        from_code(place_rule(number))
    }

    #[inline(always)]
    fn apply_rule(&self, _context: &mut PacketContext, number: u32) -> Step {
        from_code(apply_rule(number))
    }
}
