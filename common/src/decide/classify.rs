//! What kind of packet is it, whose, and what for?

use super::{PacketContext, Step, found};
use crate::{
    service,
    source::{self, Key},
    tables::Tables,
    traits::Traits,
    wire::{Service, Settings, SourceSet, WAYS},
};

/// What the tables hold for a packet, looked up once.
pub(super) struct Classified<'t> {
    /// The set of the source table that its source belongs to.
    pub(super) sources: &'t SourceSet,
    /// The service that it is for.
    pub(super) service: &'t Service,
}

/// Finds the packet's source, port, service and traits.
#[inline(always)]
pub(super) fn classify<'t, T: Tables>(
    tables: &'t T,
    settings: &Settings,
    context: &mut PacketContext,
) -> Step<Classified<'t>> {
    context.key = Key::of(settings, context.packet.source);
    let sources = found(source::set_of(tables, settings, context.key))?;
    // Asks memory for both of its cache lines: they arrive while other stages are at work.
    sources.ways[0].key.load();
    sources.ways[WAYS / 2].key.load();
    context.port = found(service::port(tables, settings, &context.packet))?;
    context.traits = Traits::of(&context.packet);
    context.judgement.service = u32::from(context.port.service);
    let service = found(tables.service(context.judgement.service))?;
    Step::Continue(Classified { sources, service })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::End,
        decide::testing::{HOST, Memory, SOURCE, syn, udp},
        parse::{Fragment, Packet, protocol},
        wire::{PORT_WORDS, Port},
    };

    #[test]
    fn a_packet_gets_its_source_its_port_its_service_and_its_traits() {
        let mut memory = Memory::new();
        let web = Port { service: 3, offered: true, carried: false };
        memory.assign(protocol::TCP, 80, web);
        let mut context = memory.context(syn());
        let Step::Continue(classified) = classify(&memory, memory.set(), &mut context) else {
            panic!("a fault")
        };
        assert_eq!((context.port, context.judgement.service), (web, 3));
        assert!(std::ptr::eq(classified.service, &raw const memory.services[3]));
        assert_eq!(context.key.address(memory.set(), SOURCE.family), SOURCE);
        let set = context.key.set(memory.set(), 15);
        assert!(std::ptr::eq(classified.sources, &raw const memory.sources[set as usize]));
        assert_eq!(context.traits, Traits::ANY.and(Traits::TCP).and(Traits::SYN));
    }

    #[test]
    fn a_later_fragment_is_for_its_protocol() {
        let mut memory = Memory::new();
        memory.assign(protocol::UDP, 40_000, Port { service: 3, offered: true, carried: false });
        let mut context = memory.context(Packet { fragment: Fragment::Later, ..udp() });
        assert!(classify(&memory, memory.set(), &mut context).is_continue());
        assert_eq!(context.port, Port::default());
        assert_eq!(context.traits, Traits::ANY.and(Traits::UDP).and(Traits::FRAGMENT));
    }

    #[test]
    fn the_destination_says_which_ports_are_meant() {
        let mut memory = Memory::new();
        memory.assign(protocol::TCP, 80, Port { service: 3, offered: true, carried: false });
        let (high, low) = service::mapped(HOST);
        for range in &memory.destinations {
            range.high.store(u64::MAX);
            range.low.store(u64::MAX);
        }
        let zero = &memory.destinations[0];
        zero.high.store(0);
        zero.low.store(0);
        let own = &memory.destinations[1];
        own.high.store(high);
        own.low.store(low);
        own.class.store(1);
        memory.set().destinations.store(2);
        let mut context = memory.context(syn());
        assert!(classify(&memory, memory.set(), &mut context).is_continue());
        assert_eq!(context.port, Port::default(), "nothing was said of ports of class 1");
        memory.assign_at(PORT_WORDS, protocol::TCP, 80, Port { service: 4, offered: false, carried: false });
        assert!(classify(&memory, memory.set(), &mut context).is_continue());
        assert_eq!(context.judgement.service, 4);
    }

    #[test]
    fn tables_that_are_out_of_reach_are_a_fault() {
        let fails = |memory: &Memory| {
            let mut context = memory.context(syn());
            matches!(classify(memory, memory.set(), &mut context), Step::Break(End::Fault))
        };
        assert!(!fails(&Memory::new()));
        assert!(fails(&Memory { sources: Vec::new(), ..Memory::new() }));
        assert!(fails(&Memory { services: Vec::new(), ..Memory::new() }));
    }
}
