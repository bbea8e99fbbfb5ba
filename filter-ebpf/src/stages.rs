//! The stages as functions of their own.
//!
//! The verifier looks at a global function once, knowing nothing of who calls it, where it would walk through an
//! ordinary one again for each state it is called in. They find the packet on the desk, and say: go on (0), decided
//! (1), or that the tables are out of reach (2).

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use floodwall_common::{
    decide::{self, Desk, Stages},
    tables::Tables as _,
};

use crate::{
    bans,
    frame::XdpFrame,
    maps::{Maps, desk},
    record::record,
    show::show,
};

/// The stages, called for the packet of a context.
pub struct Calls(pub *mut xdp_md);

const DECIDED: u32 = 1;
const FAULT: u32 = 2;

#[inline(always)]
fn told(outcome: Option<bool>) -> u32 {
    match outcome {
        Some(decided) => decided as u32,
        None => FAULT,
    }
}

#[inline(always)]
fn heard(code: u32) -> Option<bool> {
    if code == FAULT { None } else { Some(code == DECIDED) }
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_transport(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    told((|| desk()?.parse_transport(&frame).map(|()| true))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_listed() -> u32 {
    told((|| decide::listed(&Maps::WITHOUT_CONTEXT, Maps::WITHOUT_CONTEXT.settings()?, desk()?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_suspect(ctx: *mut xdp_md) -> u32 {
    let maps = Maps(ctx);
    told((|| decide::suspect(&maps, maps.settings()?, desk()?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn read_features(ctx: *mut xdp_md) -> u32 {
    let frame = XdpFrame::new(&XdpContext::new(ctx));
    if let Some(desk) = desk() {
        desk.read_features(&frame);
    }
    0
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_signed() -> u32 {
    told((|| decide::signed(&Maps::WITHOUT_CONTEXT, Maps::WITHOUT_CONTEXT.settings()?, desk()?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_sender(ctx: *mut xdp_md) -> u32 {
    let maps = Maps(ctx);
    told((|| decide::sender(&maps, maps.settings()?, desk()?))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn place_ruled(number: u32) -> u32 {
    told((|| decide::place(&Maps::WITHOUT_CONTEXT, Maps::WITHOUT_CONTEXT.settings()?, desk()?, number))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_ruled(number: u32) -> u32 {
    told((|| decide::ruled(&Maps::WITHOUT_CONTEXT, Maps::WITHOUT_CONTEXT.settings()?, desk()?, number))())
}

#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn tally(length: u32) -> u32 {
    told((|| decide::tally(&Maps::WITHOUT_CONTEXT, Maps::WITHOUT_CONTEXT.settings()?, desk()?, length))())
}

/// What is told to the controller: drops and faults within their budget, bans, and samples.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn tell(ctx: *mut xdp_md) -> u32 {
    let Some(desk) = desk() else { return FAULT };
    let ctx = XdpContext::new(ctx);
    let frame = XdpFrame::new(&ctx);
    record(&ctx, &frame, desk);
    bans::tell(desk);
    if desk.sampled && !desk.clock_was_told {
        show(&ctx, &frame, desk);
    }
    0
}

impl Stages for Calls {
    #[inline(always)]
    fn transport(&self, _desk: &mut Desk) -> Option<()> {
        heard(parse_transport(self.0)).map(drop)
    }

    #[inline(always)]
    fn listed(&self, _desk: &mut Desk) -> Option<bool> {
        heard(judge_listed())
    }

    #[inline(always)]
    fn suspect(&self, _desk: &mut Desk) -> Option<bool> {
        heard(judge_suspect(self.0))
    }

    #[inline(always)]
    fn read_features(&self, _desk: &mut Desk) {
        read_features(self.0);
    }

    #[inline(always)]
    fn signed(&self, _desk: &mut Desk) -> Option<bool> {
        heard(judge_signed())
    }

    #[inline(always)]
    fn sender(&self, _desk: &mut Desk) -> Option<bool> {
        heard(judge_sender(self.0))
    }

    #[inline(always)]
    fn place(&self, _desk: &mut Desk, number: u32) -> Option<bool> {
        heard(place_ruled(number))
    }

    #[inline(always)]
    fn ruled(&self, _desk: &mut Desk, number: u32) -> Option<bool> {
        heard(judge_ruled(number))
    }

    #[inline(always)]
    fn tally(&self, _desk: &mut Desk, length: u32) -> Option<bool> {
        heard(tally(length))
    }
}
