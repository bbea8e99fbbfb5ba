//! Is the source known: has it shown that it takes part in conversations?

use super::{PacketContext, source::Source};
use crate::{
    parse::tcp_flag,
    source::{self, ENTERED_SHIFT, Key},
    traits::Traits,
    wire::{History, Settings, SourceSet, WAYS, standing},
};

/// The longest TCP header, bytes.
const LONGEST_HEADER: u32 = 60;

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
pub(super) fn learn(settings: &Settings, context: &mut PacketContext, source: Source<'_>) {
    if context.known {
        return;
    }
    if is_acquainted(settings, context, source) {
        source::make_known(source.way);
        context.acquainted = true;
    } else if source.history.standing & standing::SPOKE == 0 && speaks(context, source) {
        source::mark(source.way, standing::SPOKE);
    }
}

/// Whether a source has by now shown that it takes part in conversations: by TCP, it has completed a handshake and sent
/// data, and goes on; by anything else, after a second, unless nothing tells that the packet goes on with anything. In times that
/// are not calm it takes longer, whatever it sends.
/// Who completes handshakes and sends nothing becomes known by these: see [`crate::fruitless_sources::complete`].
///
/// Of connections that the host carries for others, handshakes are not followed: there it is enough that the source has asked
/// for one, and goes on.
#[inline(always)]
fn is_acquainted(settings: &Settings, context: &PacketContext, source: Source<'_>) -> bool {
    const CONVERSES: u16 = standing::PROVEN | standing::SPOKE;
    let Source { was_there, history, .. } = source;
    let age = ((context.time_ns >> ENTERED_SHIFT) as u16).wrapping_sub(history.entered);
    let talks = if context.traits.meets(Traits::TCP) {
        context.traits.meets(Traits::SEGMENT)
            && history.syns > 0
            && (context.port.carried || history.standing & CONVERSES == CONVERSES)
    } else {
        age > 1 && !context.stands_alone
    };
    let calm = !context.is_attacked(settings);
    was_there && talks && (calm || age > ACQUAINTANCE)
}

/// Whether this is data in a connection that the source has asked for. Senders set PSH with the last of what they have; what
/// is longer than any header is data as well.
#[inline(always)]
fn speaks(context: &PacketContext, source: Source<'_>) -> bool {
    let packet = &context.packet;
    context.traits.meets(Traits::SEGMENT)
        && source.history.syns > 0
        && (packet.tcp_flags & tcp_flag::PSH != 0
            || packet.end.wrapping_sub(packet.transport) > LONGEST_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, SECOND, syn, tcp, udp},
        decide::{Direct, rates},
        frame::Captured,
        parse::{Packet, protocol},
        wire::Port,
    };

    /// Whether the source is known after these packets, each at its second; none: a handshake of its is seen to be completed.
    fn known_after(memory: &Memory, packets: &[(u64, Option<Packet>)]) -> bool {
        for &(second, packet) in packets {
            let (mut context, source) = memory.entered_at(packet.unwrap_or(syn()), NOW + second * SECOND);
            if packet.is_none() {
                source::complete(source.way, 1);
                continue;
            }
            recognise(&mut context, source);
            learn(memory.set(), &mut context, source);
            assert!(
                rates::judge(
                    memory.set(),
                    &Direct(memory, &Captured::NONE),
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

    const COMPLETED: Option<Packet> = None;

    fn data() -> Option<Packet> {
        Some(tcp(tcp_flag::ACK | tcp_flag::PSH))
    }

    fn segment() -> Option<Packet> {
        Some(tcp(tcp_flag::ACK))
    }

    #[test]
    fn tcp_makes_known_by_data_in_a_connection_that_was_completed() {
        let known = |packets: &[_]| {
            let at_once: Vec<_> = packets.iter().map(|packet| (0, *packet)).collect();
            known_after(&Memory::new(), &at_once)
        };
        let request = Some(syn());
        assert!(known(&[request, segment(), data(), COMPLETED, segment()]));
        assert!(known(&[request, segment(), COMPLETED, data(), segment()]), "the host spoke first");
        let long = Some(Packet { transport: 34, end: 34 + 200, ..tcp(tcp_flag::ACK) });
        assert!(known(&[request, long, COMPLETED, segment()]), "more than a header, and not the last of it");
        assert!(!known(&[request, segment(), COMPLETED, segment(), segment()]), "no data");
        assert!(
            !known(&[request, segment(), data(), segment(), data()]),
            "never completed: it may be forged"
        );
        assert!(!known(&[request, segment(), data(), COMPLETED]), "it did not go on");
        assert!(!known(&[segment(), data(), COMPLETED, data()]), "it never asked");
    }

    #[test]
    fn where_handshakes_are_not_followed_going_on_is_enough() {
        let mut memory = Memory::new();
        memory.assign(protocol::TCP, 80, Port { service: 0, offered: true, carried: true });
        assert!(known_after(&memory, &[(0, Some(syn())), (0, segment())]));
        assert!(!known_after(&Memory::new(), &[(0, Some(syn())), (0, segment())]));
    }

    #[test]
    fn anything_else_makes_known_after_a_second() {
        assert!(!known_after(&Memory::new(), &[(0, Some(udp())), (1, Some(udp()))]));
        assert!(known_after(&Memory::new(), &[(0, Some(udp())), (3, Some(udp()))]));
    }

    #[test]
    fn in_an_attack_it_takes_longer() {
        for [first, last] in [[data(), segment()], [Some(udp()), Some(udp())]] {
            let known = |second| {
                let memory = Memory::new();
                memory.set().attacked.store(1);
                known_after(&memory, &[(0, Some(syn())), (0, first), (0, COMPLETED), (second, last)])
            };
            assert!(!known(20), "{last:?}");
            assert!(known(40), "{last:?}");
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
