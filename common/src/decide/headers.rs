//! Is the frame IP, and do its headers make sense?

use super::{CONTINUE, DECIDED, NONE, PacketContext, Step};
use crate::{
    frame::Frame,
    parse::{self, Kind},
    wire::{Reason, Settings},
};

/// Reads the headers. Passes what is not IP, and objects to what is malformed.
#[inline(always)]
pub(super) fn judge<F: Frame>(settings: &Settings, frame: &F, context: &mut PacketContext) -> Step {
    match parse::parse_network(frame, &mut context.packet) {
        Kind::NotIp => context.judgement.pass(Reason::NotIp),
        Kind::Ip if context.parse_transport(frame).is_some() => CONTINUE,
        Kind::Ip | Kind::Malformed => {
            // Even where that is only monitored, there is no packet that the other stages could judge.
            let _ = context.judgement.object(settings, Reason::Malformed, NONE);
            DECIDED
        }
    }
}
