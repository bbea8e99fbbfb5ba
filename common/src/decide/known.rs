//! Is the source known: has it shown that it takes part in conversations?

use super::{PacketContext, source::Source};
use crate::{
    source::{self, ENTERED_SHIFT, Key},
    traits::Traits,
    wire::{History, Settings, SourceSet, WAYS, standing},
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
    context.entered = source.history.entered;
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
    let calm = !settings.is_attacked(context.judgement.service);
    was_there && talks && (calm || age > ACQUAINTANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, SECOND, syn, tcp, udp},
        decide::{Direct, rates},
        frame::Captured,
        parse::{Packet, tcp_flag},
    };

    /// Whether the source is known after these packets, each at its second.
    fn known_after(calm: bool, packets: &[(u64, Packet)]) -> bool {
        let memory = Memory::new();
        memory.set().attacked.store(u64::from(!calm));
        for &(second, packet) in packets {
            let (mut context, source) = memory.entered_at(packet, NOW + second * SECOND);
            recognise(&mut context, source);
            learn(memory.set(), &context, source);
            assert!(
                rates::judge(
                    memory.set(),
                    &Direct(&memory, &Captured::NONE),
                    &mut context,
                    source,
                    &memory.services[0]
                )
                .is_continue()
            );
        }
        let (mut context, source) = memory.entered(syn());
        recognise(&mut context, source);
        assert_eq!(context.known, is_known(memory.set_of(&context), context.key));
        context.known
    }

    #[test]
    fn tcp_makes_known_by_going_on_after_a_request() {
        let segment = tcp(tcp_flag::ACK);
        assert!(known_after(true, &[(0, syn()), (0, segment)]));
        assert!(!known_after(true, &[(0, segment), (0, segment)]), "never asked");
        assert!(!known_after(true, &[(0, syn()), (40, syn())]), "never went on");
    }

    #[test]
    fn anything_else_makes_known_after_a_second() {
        assert!(!known_after(true, &[(0, udp()), (1, udp())]));
        assert!(known_after(true, &[(0, udp()), (3, udp())]));
    }

    #[test]
    fn in_an_attack_it_takes_longer() {
        let segment = tcp(tcp_flag::ACK);
        for packet in [segment, udp()] {
            assert!(!known_after(false, &[(0, syn()), (20, packet)]), "{packet:?}");
            assert!(known_after(false, &[(0, syn()), (40, packet)]), "{packet:?}");
        }
    }

    #[test]
    fn a_source_that_was_never_seen_is_not_known() {
        let memory = Memory::new();
        let context = memory.classified(syn());
        assert!(!is_known(memory.set_of(&context), context.key));
        assert_eq!(memory.sources_entered(), 0);
    }
}
