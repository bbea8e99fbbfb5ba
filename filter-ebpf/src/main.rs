//! The XDP program, and the one that looks at what goes out. They decide nothing: [`floodwall_common::decide`] and
//! [`floodwall_common::outgoing`] do, over the packet and the maps that
//! the modules here adapt; then the verdict is counted and, within a budget, told.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unreachable_pub, reason = "what the XDP macro and the map statics export has no Rust caller")
)]

#[cfg(target_arch = "bpf")]
mod bans;
#[cfg(target_arch = "bpf")]
mod egress;
#[cfg(target_arch = "bpf")]
mod frame;
#[cfg(target_arch = "bpf")]
mod functions;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod record;
#[cfg(target_arch = "bpf")]
mod reply;
#[cfg(target_arch = "bpf")]
mod show;
#[cfg(target_arch = "bpf")]
mod sockets;

#[cfg(target_arch = "bpf")]
mod program {
    use aya_ebpf::{
        bindings::xdp_action,
        helpers::generated::bpf_ktime_get_coarse_ns,
        macros::{classifier, xdp},
        programs::{TcContext, XdpContext},
    };
    use floodwall_common::{
        challenge::is_possible,
        decide::decide,
        frame::{Frame, WithoutLink},
        parse::{self, Kind, protocol},
        truncation,
        wire::Verdict,
    };

    use crate::{
        egress,
        frame::XdpFrame,
        functions::{Calls, challenge, measure_name, tell, truncate},
        maps::{Maps, packet_context},
        record,
    };

    /// `frags`: so that interfaces with jumbo frames can be protected, too.
    #[xdp(frags)]
    pub fn floodwall(xdp: XdpContext) -> u32 {
        filter(&xdp, &XdpFrame::new(&xdp))
    }

    /// For interfaces whose frames begin with the IP header.
    #[xdp(frags)]
    pub fn floodwall_ip(xdp: XdpContext) -> u32 {
        filter(&xdp, &WithoutLink(XdpFrame::new(&xdp)))
    }

    #[inline(always)]
    fn filter<F: Frame>(xdp: &XdpContext, frame: &F) -> u32 {
        let Some(context) = packet_context() else { return xdp_action::XDP_PASS };
        decide(&Maps(xdp.ctx), frame, &Calls(xdp.ctx), context);
        let on_record = record::is_due(context);
        // In a test run, who runs it has the frame.
        if on_record || context.judgement.banned_until != 0 || context.sampled && !context.virtual_time {
            tell(xdp.ctx, on_record as u32);
        }
        let action = match context.reason().verdict() {
            Verdict::Pass => xdp_action::XDP_PASS,
            Verdict::Drop if F::ETHERNET && context.challenged && !context.virtual_time => {
                if context.packet.protocol == protocol::UDP {
                    truncate(xdp.ctx, context)
                } else {
                    challenge(xdp.ctx)
                }
            }
            Verdict::Drop => xdp_action::XDP_DROP,
        };
        // Where the clock is the controller's, this is a test run that wants to know the reason, too.
        if context.virtual_time { action | context.code() << 8 } else { action }
    }

    /// Challenges whatever asks for a TCP connection, answers questions for name servers with truncated answers, and drops all
    /// else: shown one of each at the start, it proves that it can be done. It is on no interface.
    #[xdp(frags)]
    pub fn floodwall_challenge(xdp: XdpContext) -> u32 {
        let Some(context) = packet_context() else { return xdp_action::XDP_ABORTED };
        let frame = XdpFrame::new(&xdp);
        match parse::parse_network(&frame, &mut context.packet) {
            Kind::Ip if parse::parse_transport(&frame, &mut context.packet).is_some() => {}
            _ => return xdp_action::XDP_DROP,
        }
        if context.packet.protocol == protocol::UDP {
            measure_name(xdp.ctx);
            if !truncation::is_possible(&frame, &context.packet, context.name_end) {
                return xdp_action::XDP_DROP;
            }
            return truncate(xdp.ctx, context);
        }
        if !context.packet.opens_connection() || !is_possible(&context.packet) {
            return xdp_action::XDP_DROP;
        }
        // SAFETY: a helper without arguments.
        context.time_ns = unsafe { bpf_ktime_get_coarse_ns() };
        challenge(xdp.ctx)
    }

    /// `TC_ACT_UNSPEC`, which is also `TCX_NEXT`: whoever comes after this program is asked as if it were not there.
    const GO_ON: i32 = -1;

    /// At the egress of interfaces.
    #[classifier]
    pub fn floodwall_egress(context: TcContext) -> i32 {
        egress::see::<true>(&context);
        GO_ON
    }

    /// At the egress of interfaces whose frames begin with the IP header.
    #[classifier]
    pub fn floodwall_ip_out(context: TcContext) -> i32 {
        egress::see::<false>(&context);
        GO_ON
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }

    /// Dual, since ring buffers and the coarse clock ask for a licence the kernel calls GPL compatible.
    /// It is `MIT OR GPL-2.0-only` in `Cargo.toml`; the two change together.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

/// The host has no packets to filter; this lets the workspace be built and linted as a whole.
#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("floodwall-filter runs in the kernel; start `floodwall run` instead");
}
