//! Echo replies: has somebody here asked for them?
//!
//! A gateway has many behind it that look whether the same address answers, and who measures a path asks often: by what
//! limits hold the pings of one source to, their answers would be lost.

use super::{CONTINUE, PacketContext, Step, found};
use crate::{
    flow::{self, Flow},
    tables::Tables,
    token_bucket,
    traits::Traits,
    wire::{BucketSpec, Settings, knowledge},
};

/// Replies/s that are taken for what they say, and later fragments/s of pings, all services together. Who knows whom the host
/// asks, and forges its replies, gets no more through.
const ASKED: BucketSpec = match BucketSpec::new(1_000, 2_000) {
    Some(spec) => spec,
    None => BucketSpec::UNTOUCHED,
};

/// Says in the context whether somebody here has sent echo requests to where an echo reply comes from: limits of ICMP are not
/// for it then. Against one that nobody asked for nothing is held but these.
#[inline(always)]
pub fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    context.belongs = false;
    if settings.knowledge.load() & knowledge::FLOWS == 0 {
        return CONTINUE;
    }
    let hash = Flow::answered_by(&context.packet).without_ports().hash(settings);
    let asked =
        found(flow::recall(tables, settings, context.packet.protocol, hash, context.time_ns))?.is_some();
    context.belongs = asked && is_within_bounds(settings, context.time_ns);
    if context.belongs {
        context.traits = context.traits.without(Traits::ICMP);
    }
    CONTINUE
}

/// Whether there are few enough of what limits of ICMP are not for.
#[inline(always)]
pub(super) fn is_within_bounds(settings: &Settings, now_ns: u64) -> bool {
    token_bucket::take_long(&settings.echoes, ASKED, ASKED.increment, now_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::{
            decide_on,
            testing::{HOST, Memory, NOW, SECOND, SOURCE, bucket, frame, limit_per_source, udp},
        },
        frame::Captured,
        outgoing::{Route, learn},
        parse::{Fragment, Packet, protocol},
        prefix::Address,
        wire::{Reason, Unproven},
    };

    /// A host that sees what leaves, and lets one ping of a source pass.
    fn strict() -> Memory {
        let memory = Memory::new();
        memory.set().knowledge.store(knowledge::PORTS | knowledge::FLOWS);
        memory.rule(bucket(1, 1), limit_per_source(Traits::ICMP.bits()));
        memory
    }

    fn reply() -> Packet {
        Packet { protocol: protocol::ICMP, source_port: 0, destination_port: 0, ..udp() }
    }

    fn ask(memory: &Memory, at: Address) {
        let request = Packet { source: HOST, destination: at, destination_port: 8 << 8, ..reply() };
        learn(memory, &request, Route { from: 0, to: 2 }, |_, _| ()).expect("the tables are there");
    }

    fn judged(memory: &Memory, packet: &Packet) -> PacketContext {
        let mut context = PacketContext::default();
        decide_on(memory, &Captured::whole(&frame(packet)), &mut context);
        context
    }

    /// How many of so many pass.
    fn passing(memory: &Memory, packet: &Packet, count: usize) -> usize {
        (0..count).filter(|_| judged(memory, packet).reason() == Reason::Clean).count()
    }

    #[test]
    fn replies_that_were_asked_for_are_no_matter_of_limits_of_icmp() {
        let memory = strict();
        assert_eq!(passing(&memory, &reply(), 10), 1, "nobody has asked");
        ask(&memory, SOURCE);
        assert_eq!(passing(&memory, &reply(), 1_000), 1_000);
        let judgement = judged(&memory, &reply()).judgement;
        assert_eq!((judgement.answers, judgement.unproven), (true, Unproven::No));
        memory.set().clock.store(NOW + 200 * SECOND);
        assert_eq!(passing(&memory, &reply(), 10), 1, "its life is over");
    }

    #[test]
    fn what_was_asked_elsewhere_or_is_no_reply_is_held_to_them() {
        let memory = strict();
        ask(&memory, Address::v4(0x0808_0808));
        assert_eq!(passing(&memory, &reply(), 10), 1);
        let memory = strict();
        ask(&memory, SOURCE);
        let request = Packet { destination_port: 8 << 8, ..reply() };
        assert_eq!(passing(&memory, &request, 10), 1);
    }

    #[test]
    fn forged_replies_of_whom_the_host_asks_are_bounded() {
        let memory = strict();
        ask(&memory, SOURCE);
        let passed = |millisecond: u64| {
            memory.set().clock.store(NOW + millisecond * SECOND / 1_000);
            passing(&memory, &reply(), 20)
        };
        let passed: usize = (0..1_000).map(passed).sum();
        assert!((2_900..3_100).contains(&passed), "{passed} of 20000 in a second");
    }

    #[test]
    fn types_are_those_of_both_families() {
        let of = |protocol, kind: u16| Packet { protocol, destination_port: kind << 8, ..reply() };
        for (packet, request, reply) in [
            (of(protocol::ICMP, 8), true, false),
            (of(protocol::ICMP, 0), false, true),
            (of(protocol::ICMPV6, 128), true, false),
            (of(protocol::ICMPV6, 129), false, true),
            (of(protocol::ICMPV6, 0), false, false),
            (of(protocol::ICMP, 129), false, false),
            (of(protocol::UDP, 0), false, false),
            (Packet { fragment: Fragment::Later, ..of(protocol::ICMP, 0) }, false, false),
        ] {
            assert_eq!((packet.is_echo_request(), packet.is_echo_reply()), (request, reply), "{packet:?}");
        }
    }
}
