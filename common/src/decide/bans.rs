//! Is the source banned, as it has crossed a limit? And how it comes to be.

use super::{CONTINUE, NONE, PacketContext, Step, source::Source};
use crate::{
    source,
    wire::{Reason, Settings, Way},
};

/// Objects to a source that is banned.
#[inline(always)]
pub(super) fn judge(settings: &Settings, context: &mut PacketContext, source: Source<'_>) -> Step {
    if source::is_banned(source.way, context.time_ns) {
        return context.judgement.object(settings, Reason::Banned, NONE);
    }
    CONTINUE
}

/// Bans a source for so many ns from now on, for this very packet. Not one that is spared, nor for no time at all.
#[inline(always)]
pub(super) fn impose(context: &mut PacketContext, way: &Way, ban_ns: u64) {
    let until_ns = context.time_ns + ban_ns;
    if ban_ns != 0 && source::ban(way, until_ns) {
        context.judgement.banned_until = until_ns;
    }
}

/// Asks the controller for a ban of so many ns: it bans what is not a single source.
#[inline(always)]
pub(super) fn request(context: &mut PacketContext, ban_ns: u64) {
    if ban_ns != 0 {
        context.judgement.banned_until = context.time_ns + ban_ns;
    }
}
