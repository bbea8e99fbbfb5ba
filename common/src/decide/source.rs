//! The entry of the packet's source in the source table.

use super::PacketContext;
use crate::{
    prefix::Family,
    source,
    wire::{History, SourceSet, Way, standing},
};

/// The entry of a packet's source.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    /// The entry itself.
    pub(super) way: &'t Way,
    /// Whether it was there before this packet.
    pub(super) was_there: bool,
    /// What was known of the source before this packet.
    pub(super) history: History,
}

/// Finds the source in its set, or enters it there.
#[inline(always)]
pub(super) fn enter<'t>(context: &mut PacketContext, sources: &'t SourceSet) -> Source<'t> {
    let v6 = context.packet.source.family as u32 == Family::V6 as u32;
    let family = if v6 { standing::IPV6 } else { 0 };
    let (way, was_there) = source::visit(sources, context.key, family, context.time_ns);
    context.judgement.new_source = !was_there;
    Source { way, was_there, history: History::unpack(way.history.load()) }
}
