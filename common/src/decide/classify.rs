//! What kind of packet is it, whose, and what for?

use super::{PacketContext, Step, found};
use crate::{
    service,
    source::{self, Key},
    tables::Tables,
    traits::Traits,
    wire::{Service, Settings, SourceSet},
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
    context.port = found(service::port(tables, settings, &context.packet))?;
    context.traits = Traits::of(&context.packet);
    context.judgement.service = u32::from(context.port.service);
    let service = found(tables.service(context.judgement.service))?;
    if needs_its_source(settings, context) {
        // It arrives while other stages are at work.
        sources.prefetch();
    }
    Step::Continue(Classified { sources, service })
}

/// Whether nearly all packets like this one get as far as to their source. In an attack those that a signature is held against
/// do not, nor those for ports where nothing listens; and where each has another source, waiting for a line that is not needed
/// costs more than all the rest.
#[inline(always)]
fn needs_its_source(settings: &Settings, context: &PacketContext) -> bool {
    !settings.is_attacked(context.judgement.service)
        || context.port.offered && settings.signatures.load() == 0
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
    fn in_an_attack_a_source_is_asked_for_where_most_packets_get_as_far_as_to_it() {
        let needs = |attacked: u64, signatures: u64, offered: bool| {
            let memory = Memory::new();
            memory.set().attacked.store(attacked);
            memory.set().signatures.store(signatures);
            let mut context = memory.context(syn());
            context.judgement.service = 3;
            context.port.offered = offered;
            needs_its_source(memory.set(), &context)
        };
        assert!(needs(0, 0, false) && needs(0, 1, true), "in peace");
        assert!(needs(1 << 4, 1, false), "another service is attacked");
        assert!(needs(1 << 3, 0, true), "nothing was found");
        assert!(!needs(1 << 3, 1, true) && !needs(1 << 3, 0, false));
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
