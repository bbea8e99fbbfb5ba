//! Is the source known: has it shown that it takes part in conversations?

use super::{PacketContext, source::Source};
use crate::{
    source::{self, ENTERED_SHIFT, Key},
    traits::Traits,
    wire::{History, Settings, SourceSet, WAYS, knowledge, standing},
};

/// Time after which a source is known even in times that are not calm, in units of [`History::entered`]: half a minute.
const ACQUAINTANCE: u16 = 28;

/// Whether a source is known that the packet at hand has not entered yet. It is not entered for being asked after.
#[inline(always)]
pub(super) fn is_known(sources: &SourceSet, key: Key) -> bool {
    let Some(number) = source::find(sources, key) else { return false };
    let history = History::unpack(sources.ways[number as usize % WAYS].history.load());
    history.standing & standing::KNOWN != 0
}

/// Notes whether the source was known before this packet.
#[inline(always)]
pub(super) fn recognise(context: &mut PacketContext, source: Source<'_>) {
    context.known = source.history.standing & standing::KNOWN != 0;
}

/// Makes a source known that has by now shown enough.
#[inline(always)]
pub(super) fn learn(settings: &Settings, context: &PacketContext, source: Source<'_>) {
    if !context.known && is_acquainted(settings, context, source) {
        source::make_known(source.way);
    }
}

/// Whether a source has by now shown that it takes part in conversations: TCP goes on after it has asked for a
/// connection, anything else after a second. In times that are not calm it takes longer, whatever it sends.
#[inline(always)]
fn is_acquainted(settings: &Settings, context: &PacketContext, source: Source<'_>) -> bool {
    let Source { was_there, history, .. } = source;
    let age = ((context.time_ns >> ENTERED_SHIFT) as u16).wrapping_sub(history.entered);
    let talks = if context.traits.meets(Traits::TCP) {
        context.traits.meets(Traits::SEGMENT) && history.syns > 0
    } else {
        age > 1
    };
    let calm = settings.knowledge.load() & knowledge::CALM != 0;
    was_there && talks && (calm || age > ACQUAINTANCE)
}
