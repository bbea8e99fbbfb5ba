//! Is it a later fragment, and has the first one passed?

use super::{CONTINUE, PacketContext, Step, found, suspects};
use crate::{
    memo,
    parse::{Fragment, Packet},
    tables::{FRAGMENT_LINES, Tables},
    wire::{Line, Reason, Settings, Suspicion},
};

/// Objects to later fragments whose first one was dropped or not seen, if they are too many.
#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    if context.packet.fragment as u8 != Fragment::Later as u8 {
        return CONTINUE;
    }
    let hash = hash(settings, &context.packet);
    if memo::recalls(line(tables, hash)?, hash) {
        return CONTINUE;
    }
    context.judgement.unsolicited = true;
    suspects::judge(settings, context, Suspicion::Fragment, Reason::Fragment)
}

/// Notes a first fragment that no stage has objected to: the later ones of its packet may pass, too.
#[inline(always)]
pub(super) fn first_passes<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step {
    if context.packet.fragment as u8 == Fragment::First as u8 {
        let hash = hash(settings, &context.packet);
        memo::note(line(tables, hash)?, hash, context.time_ns);
    }
    CONTINUE
}

#[inline(always)]
fn line<T: Tables>(tables: &T, hash: u64) -> Step<&Line> {
    found(tables.fragment_line(memo::line(hash, FRAGMENT_LINES)))
}

/// A hash of what all fragments of one packet share.
#[inline(always)]
fn hash(settings: &Settings, packet: &Packet) -> u64 {
    let seed = memo::seed(settings);
    let which = u64::from(packet.protocol) << 32 | u64::from(packet.identification);
    let near = memo::hash(seed, packet.destination.high, packet.destination.low ^ which);
    memo::hash(seed, packet.source.high ^ near, packet.source.low)
}
