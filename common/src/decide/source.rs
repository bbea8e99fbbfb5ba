//! The entry of the packet's source in the source table.

use super::PacketContext;
use crate::{
    prefix::Family,
    source,
    wire::{History, SourceSet, Way, standing},
};

/// The entry of a packet's source.
#[derive(Clone, Copy)]
pub(crate) struct Source<'t> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, SOURCE6, syn},
        parse::Packet,
        source::Key,
    };

    #[test]
    fn a_source_is_entered_once() {
        for (source, bit) in [(syn().source, 0), (SOURCE6, standing::IPV6)] {
            let memory = Memory::new();
            let (context, entry) = memory.entered(Packet { source, ..syn() });
            assert!(context.judgement.new_source && !entry.was_there);
            assert_eq!(entry.history.standing, bit);
            assert_eq!(Key(entry.way.key.load()), Key::of(memory.set(), source));
            let (context, again) = memory.entered(Packet { source, ..syn() });
            assert!(!context.judgement.new_source && again.was_there);
            assert!(std::ptr::eq(entry.way, again.way));
            assert_eq!(memory.sources_entered(), 1);
        }
    }
}
