//! The order of the stages.

mod listed;
mod rate;

use crate::{
    frame::Frame,
    parse::{self, Packet, Parsed},
    tables::Tables,
    wire::{Reason, Settings},
};

/// What was decided, and about what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why, and thereby whether the packet passes.
    pub reason: Reason,
    /// The packet, unless it is not IP or malformed.
    pub packet: Option<Packet>,
    /// The time it was decided at, ns.
    pub time_ns: u64,
    /// Whether that time was the controller's word and not the clock's.
    pub clock_was_told: bool,
}

/// Judges one frame.
///
/// Malformed → listed (trusted, then blocked) → rate → clean: the first stage with a reason decides. A stage
/// is a function from the packet to `Some(reason)` or "go on"; time is read once, here.
#[inline(always)]
pub fn decide<T: Tables, F: Frame>(tables: &T, frame: &F) -> Decision {
    let Some(settings) = tables.settings() else {
        return Decision { reason: Reason::Fault, packet: None, time_ns: 0, clock_was_told: false };
    };
    let told = settings.clock.load();
    let clock_was_told = told != 0;
    let time_ns = if clock_was_told { told } else { tables.clock() };
    let (reason, packet) = match parse::parse(frame) {
        Parsed::NotIp => (Reason::NotIp, None),
        Parsed::Malformed => (Reason::Malformed, None),
        Parsed::Packet(packet) => match tables.settle(packet) {
            Some(packet) => (judge(tables, settings, &packet, time_ns), Some(packet)),
            None => (Reason::Fault, None),
        },
    };
    Decision { reason, packet, time_ns, clock_was_told }
}

#[inline(always)]
fn judge<T: Tables>(tables: &T, settings: &Settings, packet: &Packet, time_ns: u64) -> Reason {
    if let Some(reason) = listed::judge(tables, settings, packet) {
        return reason;
    }
    if let Some(reason) = rate::judge(tables, settings, packet, time_ns) {
        return reason;
    }
    Reason::Clean
}
