//! Is it a later fragment, and has the first one passed?

use super::{CONTINUE, PacketContext, Step, echo, found, suspects};
use crate::{
    memo,
    parse::{Fragment, Packet},
    tables::{FRAGMENT_LINES, Tables},
    traits::Traits,
    wire::{Line, Reason, Service, Settings, Suspicion, Unproven},
};

/// Tells the hash of a first fragment that answers what the host has asked from that of another one; it chooses no line.
const ANSWER: u64 = 1 << 48;

/// Times in this memory are told 2¹⁰ times as finely as in others, in ticks of a millisecond: later fragments come at once, and
/// of the first ones that a flood brings meanwhile those have to make room that came before.
const FINER: u32 = 10;

/// Objects to later fragments whose first one was dropped or not seen, if they are too many.
#[inline(always)]
pub(super) fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    service: &Service,
    context: &mut PacketContext,
) -> Step {
    if context.packet.fragment as u8 != Fragment::Later as u8 {
        return CONTINUE;
    }
    let hash = hash(settings, &context.packet);
    let line = line(tables, hash)?;
    if memo::recalls(line, hash ^ ANSWER) {
        context.judgement.answers = true;
        context.traits = context.traits.without(Traits::ICMP);
        return CONTINUE;
    }
    if memo::recalls(line, hash) {
        // What limits hold pings to is charged for the first one, as a long ping is one ping; but one that has no end is not.
        if context.traits.meets(Traits::ICMP) && echo::is_within_bounds(settings, context.time_ns) {
            context.traits = context.traits.without(Traits::ICMP);
        }
        return CONTINUE;
    }
    context.judgement.unsolicited = true;
    context.judgement.unproven = Unproven::Other;
    suspects::object_to_many(settings, service, context, Suspicion::Fragment, Reason::Fragment)
}

/// Notes a first fragment that no stage has objected to: the later ones of its packet may pass, too.
#[inline(always)]
pub(super) fn first_passes<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Step {
    if context.packet.fragment as u8 == Fragment::First as u8 {
        let hash = hash(settings, &context.packet);
        let noted = if context.judgement.answers { hash ^ ANSWER } else { hash };
        memo::note(line(tables, hash)?, noted, context.time_ns << FINER);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, NOW, udp},
        decide::{DECIDED, End},
        parse::protocol,
    };

    fn part(fragment: Fragment, identification: u32) -> Packet {
        Packet { fragment, identification, ..udp() }
    }

    fn judged(memory: &Memory, packet: Packet) -> (Step, PacketContext) {
        let mut context = memory.context(packet);
        (judge(memory, memory.set(), &memory.services[0], &mut context), context)
    }

    #[test]
    fn later_fragments_pass_behind_a_first_one_that_has() {
        let memory = Memory::new();
        memory.tolerate(0);
        let first = memory.context(part(Fragment::First, 7));
        assert_eq!(first_passes(&memory, memory.set(), &first), CONTINUE);
        let (step, context) = judged(&memory, part(Fragment::Later, 7));
        assert_eq!((step, context.judgement.unsolicited), (CONTINUE, false));
        let (step, context) = judged(&memory, part(Fragment::Later, 8));
        assert_eq!(
            (step, context.reason(), context.judgement.unsolicited),
            (DECIDED, Reason::Fragment, true)
        );
    }

    #[test]
    fn what_follows_an_answer_is_a_part_of_it() {
        let memory = Memory::new();
        memory.tolerate(0);
        for (identification, answers) in [(7, true), (8, false)] {
            let mut first = memory.classified(part(Fragment::First, identification));
            first.judgement.answers = answers;
            assert_eq!(first_passes(&memory, memory.set(), &first), CONTINUE);
            let mut context = memory.classified(part(Fragment::Later, identification));
            assert_eq!(judge(&memory, memory.set(), &memory.services[0], &mut context), CONTINUE);
            assert_eq!(context.judgement.answers, answers);
        }
    }

    #[test]
    fn a_flood_of_first_fragments_makes_room_by_those_that_came_before() {
        let memory = Memory::new();
        memory.tolerate(0);
        // So many of a line within half a second.
        let of_a_line = |number: &u32| {
            let hash = hash(memory.set(), &part(Fragment::First, *number));
            memo::line(hash, FRAGMENT_LINES) == 7
        };
        let numbers: Vec<u32> = (0..u32::MAX).filter(of_a_line).take(40).collect();
        for (at, number) in numbers.iter().enumerate() {
            let mut context = memory.context(part(Fragment::First, *number));
            context.time_ns = NOW + at as u64 * 10_000_000;
            assert_eq!(first_passes(&memory, memory.set(), &context), CONTINUE);
        }
        for number in &numbers[33..] {
            assert_eq!(judged(&memory, part(Fragment::Later, *number)).0, CONTINUE);
        }
    }

    #[test]
    fn a_long_ping_is_one_ping() {
        for answers in [true, false] {
            let memory = Memory::new();
            memory.tolerate(1);
            let ping = |fragment| Packet { protocol: protocol::ICMP, ..part(fragment, 9) };
            let later = || {
                let mut context = memory.classified(ping(Fragment::Later));
                assert_eq!(judge(&memory, memory.set(), &memory.services[0], &mut context), CONTINUE);
                context.traits
            };
            assert!(later().meets(Traits::ICMP), "its first one has not passed");
            let mut first = memory.classified(ping(Fragment::First));
            first.judgement.answers = answers;
            assert_eq!(first_passes(&memory, memory.set(), &first), CONTINUE);
            assert!(!later().meets(Traits::ICMP), "limits of ICMP are not for it");
            let exempt = (0..10_000).filter(|_| !later().meets(Traits::ICMP)).count();
            assert_eq!(exempt, if answers { 10_000 } else { 1_999 }, "but one that has no end is none");
            assert!(later().meets(Traits::FRAGMENT), "those of fragments are");
        }
    }

    #[test]
    fn others_pass_as_long_as_they_are_few() {
        let memory = Memory::new();
        memory.tolerate(2);
        let steps = [1, 2, 3].map(|number| judged(&memory, part(Fragment::Later, number)).0);
        assert_eq!(steps, [CONTINUE, CONTINUE, DECIDED]);
        memory.monitor(Reason::Fragment);
        let (step, context) = judged(&memory, part(Fragment::Later, 4));
        assert_eq!((step, context.judgement.would), (CONTINUE, Reason::Fragment));
    }

    #[test]
    fn what_is_no_later_fragment_is_not_asked_about() {
        let memory = Memory::new();
        memory.tolerate(0);
        for fragment in [Fragment::Whole, Fragment::First] {
            assert_eq!(judged(&memory, part(fragment, 7)).0, CONTINUE);
        }
        // Nor is a whole packet noted.
        assert_eq!(first_passes(&memory, memory.set(), &memory.context(part(Fragment::Whole, 7))), CONTINUE);
        assert_eq!(judged(&memory, part(Fragment::Later, 7)).0, DECIDED);
    }

    #[test]
    fn a_memory_that_is_out_of_reach_is_a_fault() {
        let memory = Memory { fragments: Vec::new(), ..Memory::new() };
        assert_eq!(judged(&memory, part(Fragment::Later, 7)).0, Step::Break(End::Fault));
        let first = memory.context(part(Fragment::First, 7));
        assert_eq!(first_passes(&memory, memory.set(), &first), Step::Break(End::Fault));
    }
}
