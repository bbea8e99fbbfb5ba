//! Parts of the decision that are functions of their own.
//!
//! The verifier looks at a global function once, knowing nothing of who calls it, where it would walk through an
//! ordinary one again for each state it is called in. They find the packet in its context, and say: go on (0), decided
//! (1), or that the tables are out of reach (2).

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use floodwall_common::{
    decide::{self, OutOfLine, PacketContext},
    tables::Tables as _,
};

use crate::{
    bans,
    frame::XdpFrame,
    maps::{Maps, packet_context},
    record::record,
    show::show,
};

/// The functions, called for the packet of a context.
pub struct Calls(pub *mut xdp_md);

const GO_ON: u32 = 0;
const DECIDED: u32 = 1;
const FAULT: u32 = 2;

#[inline(always)]
fn told(outcome: Option<bool>) -> u32 {
    match outcome {
        Some(true) => DECIDED,
        Some(false) => GO_ON,
        None => FAULT,
    }
}

#[inline(always)]
fn heard(code: u32) -> Option<bool> {
    if code == FAULT { None } else { Some(code == DECIDED) }
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn read_features(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    if let Some(context) = packet_context() {
        context.read_features(&frame);
    }
    GO_ON
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn place_rule(number: u32) -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    told((|| decide::rules::place(&maps, maps.settings()?, packet_context()?, number).map(|()| false))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn apply_rule(number: u32) -> u32 {
    let maps = Maps::WITHOUT_CONTEXT;
    told((|| decide::rules::judge(&maps, maps.settings()?, packet_context()?, number))())
}

/// What is told to the controller: drops and faults, bans, and samples.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn tell(ctx: *mut xdp_md, on_record: u32) -> u32 {
    let Some(context) = packet_context() else { return FAULT };
    let xdp = XdpContext::new(ctx);
    let frame = XdpFrame::new(&xdp);
    if on_record != 0 {
        record(&xdp, &frame, context);
    }
    bans::tell(context);
    if context.sampled && !context.virtual_time {
        show(&xdp, &frame, context);
    }
    GO_ON
}

impl OutOfLine for Calls {
    #[inline(always)]
    fn read_features(&self, _context: &mut PacketContext) {
        read_features(self.0);
    }

    #[inline(always)]
    fn place_rule(&self, _context: &mut PacketContext, number: u32) -> Option<()> {
        heard(place_rule(number)).map(drop)
    }

    #[inline(always)]
    fn apply_rule(&self, _context: &mut PacketContext, number: u32) -> Option<bool> {
        heard(apply_rule(number))
    }
}
