//! Tables in plain memory, and packets, for tests of what is decided over them.

use std::{cell::Cell, collections::BTreeMap};

use super::{
    PacketContext,
    classify::classify,
    source::{Source, enter},
};
use crate::{
    bloom,
    busy::BUSY_SLOTS,
    parse::{Packet, protocol, tcp_flag},
    prefix::Address,
    service, source,
    tables::{
        AGGREGATE_SETS, CLIENT_LINES, COUNTED_LINES, FRAGMENT_LINES, NAME_LINES, OFFERED_LINES,
        REQUEST_LINES, RETRANSMISSION_LINES, Tables,
    },
    wire::{
        BucketSpec, BusySource, Counter, Destination, Leaf, Line, MAX_DESTINATIONS, MAX_RULES, MAX_SERVICES,
        MONITOR_COUNTERS, Per, Port, Reason, Rule, Service, ServiceCounter, Settings, Shape, Slot, SourceSet,
        Spares, TailWord, Terms, Then, Word, bitmap_base, root_base, signature,
    },
};

/// A second, ns.
pub(crate) const SECOND: u64 = 1_000_000_000;
/// When tests take place, ns: well after boot, as bucket times are compared with what was.
pub(crate) const NOW: u64 = 1_000 * SECOND;

/// A limit for each source of packets with one of these [`Traits`](crate::traits::Traits), that drops what is over it.
pub(crate) const fn limit_per_source(traits: u32) -> Terms {
    Terms {
        traits,
        per: Per::Source,
        then: Then::Limit,
        monitor: false,
        lapses: false,
        spares: Spares::Nobody,
        bytes: false,
        v4_length: 24,
        v6_length: 48,
    }
}

/// The host's address.
pub(crate) const HOST: Address = Address::v4(0xc000_020a);
/// The address that packets come from.
pub(crate) const SOURCE: Address = Address::v4(0xcb00_7107);
/// The IPv6 address that packets come from.
pub(crate) const SOURCE6: Address = Address::v6(0x2001_0db8_0bad_0001, 7);

/// Lines of the table of flows.
const FLOW_LINES: u32 = 1_024;

/// What stands where nothing was written.
static NOTHING: Word = Word::new(0);

/// What is emptied is out of reach.
pub(crate) struct Memory {
    pub(crate) settings: Vec<Settings>,
    pub(crate) prefix_roots: BTreeMap<u32, Word>,
    pub(crate) prefix_bitmaps: BTreeMap<u32, Word>,
    pub(crate) prefix_lines: Vec<Line>,
    pub(crate) sources: Vec<SourceSet>,
    pub(crate) aggregates: Vec<SourceSet>,
    pub(crate) ports: BTreeMap<u32, Word>,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) services: Vec<Service>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) signatures: Vec<Box<signature::Half>>,
    pub(crate) flows: Vec<Line>,
    pub(crate) offered: Vec<Line>,
    pub(crate) retransmissions: Vec<Line>,
    pub(crate) names: Vec<Line>,
    pub(crate) requests: Vec<Line>,
    pub(crate) counted: Vec<Line>,
    pub(crate) clients: Vec<Line>,
    pub(crate) fragments: Vec<Line>,
    pub(crate) reason_counters: Vec<Counter>,
    pub(crate) monitor_counters: Vec<Counter>,
    pub(crate) rule_counters: Vec<Counter>,
    pub(crate) signature_counters: Vec<Counter>,
    pub(crate) service_counters: Vec<ServiceCounter>,
    pub(crate) sample_meter: Word,
    pub(crate) busy_sources: [BusySource; BUSY_SLOTS as usize],
    /// Whether the host has a socket for whatever comes.
    pub(crate) socket: Cell<bool>,
}

fn filled<T: Default>(length: u32) -> Vec<T> {
    (0..length).map(|_| T::default()).collect()
}

impl Memory {
    /// Nothing is listed, limited, or known; the time is [`NOW`].
    pub(crate) fn new() -> Self {
        let settings = Settings::default();
        for (seed, value) in
            settings.seed.iter().zip([0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x1234_5677])
        {
            seed.store(value);
        }
        for (seed, value) in
            settings.client_seed.iter().zip([0xa5a5_1234_5678_9abd, 0xc3c3_4321_8765_cba9, 0x77])
        {
            seed.store(value);
        }
        settings.clock.store(NOW);
        settings.source_mask.store(15);
        settings.flow_mask.store(u64::from(FLOW_LINES - 1));
        Self {
            settings: vec![settings],
            prefix_roots: BTreeMap::new(),
            prefix_bitmaps: BTreeMap::new(),
            prefix_lines: Vec::new(),
            sources: filled(16),
            aggregates: filled(AGGREGATE_SETS),
            ports: BTreeMap::new(),
            destinations: filled(MAX_DESTINATIONS),
            services: filled(MAX_SERVICES),
            rules: filled(MAX_RULES),
            signatures: Vec::new(),
            flows: filled(FLOW_LINES),
            offered: filled(OFFERED_LINES),
            retransmissions: filled(RETRANSMISSION_LINES),
            names: filled(NAME_LINES),
            requests: filled(REQUEST_LINES),
            counted: filled(COUNTED_LINES),
            clients: filled(CLIENT_LINES),
            fragments: filled(FRAGMENT_LINES),
            reason_counters: filled(Reason::COUNT),
            monitor_counters: filled(MONITOR_COUNTERS),
            rule_counters: filled(MAX_RULES),
            signature_counters: filled(signature::MAX_SIGNATURES),
            service_counters: filled(MAX_SERVICES),
            sample_meter: Word::default(),
            busy_sources: Default::default(),
            socket: Cell::new(false),
        }
    }

    /// What the controller has set.
    pub(crate) fn set(&self) -> &Settings {
        &self.settings[0]
    }

    /// Only monitors a reason from now on.
    pub(crate) fn monitor(&self, reason: Reason) {
        self.set().monitored.store(self.set().monitored.load() | reason.bit());
    }

    /// Lets so many suspects of each kind pass, and then none.
    pub(crate) fn tolerate(&self, suspects: u64) {
        // At 0 of them, a bucket that takes longer to fill than any test lasts has been used up before.
        self.set().suspect_bucket.store(bucket(1, suspects.max(1)).pack());
        let used_up = if suspects == 0 { u64::from(u32::MAX) } else { 0 };
        for suspect in self.services.iter().flat_map(|service| &service.suspects) {
            suspect.store((NOW >> BucketSpec::UNIT_SHIFT) + used_up);
        }
    }

    /// Lists the /24 of an IPv4 address, or the /32 of an IPv6 one; no two of the same 19, or 16, bits.
    pub(crate) fn list(&mut self, address: Address, leaf: Leaf) {
        let line = self.prefix_lines.len() as u32;
        let words = Line::default();
        let (family, high) = (address.family as u32, address.high);
        let (bitmap, root) = (bitmap_base(0, family), root_base(0, family));
        if family == 0 {
            let block = (high >> 40) as u8 & 31;
            words[0].store(Shape { first: block, last: block, value: 0, open: 8 }.pack());
            words[1].store(leaf.pack());
            self.mark(bitmap + (high >> 46) as u32, high >> 40 & 63);
            self.prefix_roots
                .insert(root + (high >> 45) as u32, Word::new(Slot::Tile { line, starts: 0 }.pack()));
        } else {
            let mask = u64::MAX << 32;
            words[TailWord::High as usize].store(high & mask);
            words[TailWord::MaskHigh as usize].store(mask);
            words[TailWord::Inside as usize].store(leaf.pack());
            for bit in bloom::bits_of(high, bloom::SHORTEST) {
                self.mark(bitmap + bloom::word_of(high, bloom::SHORTEST), u64::from(bit));
            }
            self.prefix_roots.insert(root + (high >> 48) as u32, Word::new(Slot::Tail { line }.pack()));
        }
        self.prefix_lines.push(words);
    }

    fn mark(&mut self, word: u32, bit: u64) {
        let word = self.prefix_bitmaps.entry(word).or_default();
        word.store(word.load() | 1 << bit);
    }

    /// Says what a port is for, where nothing was said of it; of all destinations, if there are no ranges of them.
    pub(crate) fn assign(&mut self, protocol: u8, port: u16, to: Port) {
        self.assign_at(0, protocol, port, to);
    }

    /// Says what a port is for where the ports of a class start at this word.
    pub(crate) fn assign_at(&mut self, first: u32, protocol: u8, port: u16, to: Port) {
        let byte = service::byte_of(protocol, port);
        let word = self.ports.entry(first + byte / 8).or_default();
        word.store(word.load() | u64::from(to.pack()) << (byte % 8 * 8));
    }

    /// Puts rule number 0 in force, and no other, for the service of number 0.
    pub(crate) fn rule(&self, bucket: BucketSpec, terms: Terms) -> &Rule {
        self.rules[0].bucket.store(bucket.pack());
        self.rules[0].terms.store(terms.pack());
        self.services[0].rules.store(1);
        self.services[0].traits.store(u64::from(terms.traits));
        &self.rules[0]
    }

    /// Puts signature number 0 in force, and no other: it enforces, or only watches, and matches all packets of a
    /// protocol.
    pub(crate) fn sign(&mut self, protocol: u8, enforced: bool, new_sources: bool) {
        let half: Vec<Word> = filled(signature::HALF_WORDS);
        let Ok(half) = Box::<signature::Half>::try_from(half.into_boxed_slice()) else { unreachable!() };
        half[signature::OCTETS as usize..].iter().for_each(|word| word.store(1));
        half[signature::DIRECTORIES as usize..signature::PAGES as usize]
            .iter()
            .for_each(|word| word.store(0));
        half[signature::OCTETS as usize..][..signature::PAGE_WORDS as usize]
            .iter()
            .for_each(|word| word.store(0));
        half[signature::OCTETS as usize + usize::from(protocol)].store(1);
        half[signature::ENFORCED as usize].store(u64::from(enforced));
        half[signature::WATCHED as usize].store(u64::from(!enforced));
        half[signature::NEW_SOURCES as usize].store(u64::from(new_sources));
        self.signatures = vec![half];
        self.set().signatures.store(1);
    }

    /// A packet before it is classified, at the time that is set.
    pub(crate) fn context(&self, packet: Packet) -> PacketContext {
        PacketContext {
            packet,
            is_packet: true,
            time_ns: self.set().clock.load(),
            virtual_time: true,
            ..PacketContext::default()
        }
    }
}

impl Memory {
    /// A packet that is classified.
    pub(crate) fn classified(&self, packet: Packet) -> PacketContext {
        let mut context = self.context(packet);
        assert!(classify(self, self.set(), &mut context).is_continue(), "the tables are there");
        context
    }

    /// The set that the source of a packet belongs to.
    pub(crate) fn set_of(&self, context: &PacketContext) -> &SourceSet {
        source::set_of(self, self.set(), context.key).expect("the tables are there")
    }

    /// A packet that is classified, and its source's entry.
    pub(crate) fn entered(&self, packet: Packet) -> (PacketContext, Source<'_>) {
        self.entered_at(packet, self.set().clock.load())
    }

    /// The same at another time.
    pub(crate) fn entered_at(&self, packet: Packet, time_ns: u64) -> (PacketContext, Source<'_>) {
        let mut context = self.classified(packet);
        context.time_ns = time_ns;
        let sources = self.set_of(&context);
        let source = enter(&mut context, sources);
        (context, source)
    }

    /// Has the source of a packet completed a handshake.
    pub(crate) fn prove(&self, packet: Packet) {
        source::complete(self.entered(packet).1.way, 1);
    }

    /// Sources that the source table holds.
    pub(crate) fn sources_entered(&self) -> usize {
        self.sources.iter().flat_map(|set| &set.ways).filter(|way| way.key.load() != 0).count()
    }
}

impl Tables for Memory {
    fn settings(&self) -> Option<&Settings> {
        self.settings.first()
    }

    fn clock(&self) -> u64 {
        NOW
    }

    fn has_socket(&self, _packet: &Packet) -> bool {
        self.socket.get()
    }

    fn prefix_root(&self, index: u32) -> Option<&Word> {
        Some(self.prefix_roots.get(&index).unwrap_or(&NOTHING))
    }

    fn prefix_bitmap(&self, index: u32) -> Option<&Word> {
        Some(self.prefix_bitmaps.get(&index).unwrap_or(&NOTHING))
    }

    fn prefix_line(&self, index: u32) -> Option<&Line> {
        self.prefix_lines.get(index as usize)
    }

    fn source_set(&self, index: u32) -> Option<&SourceSet> {
        self.sources.get(index as usize)
    }

    fn aggregate_set(&self, index: u32) -> Option<&SourceSet> {
        self.aggregates.get(index as usize)
    }

    fn ports(&self, index: u32) -> Option<&Word> {
        Some(self.ports.get(&index).unwrap_or(&NOTHING))
    }

    fn destination(&self, index: u32) -> Option<&Destination> {
        self.destinations.get(index as usize)
    }

    fn service(&self, number: u32) -> Option<&Service> {
        self.services.get(number as usize)
    }

    fn rule(&self, number: u32) -> Option<&Rule> {
        self.rules.get(number as usize)
    }

    fn signature_half(&self, number: u32) -> Option<&signature::Half> {
        self.signatures.get(number as usize).map(|half| &**half)
    }

    fn flow_line(&self, index: u32) -> Option<&Line> {
        self.flows.get(index as usize)
    }

    fn offered_line(&self, index: u32) -> Option<&Line> {
        self.offered.get(index as usize)
    }

    fn client_line(&self, index: u32) -> Option<&Line> {
        self.clients.get(index as usize)
    }

    fn name_line(&self, index: u32) -> Option<&Line> {
        self.names.get(index as usize)
    }

    fn retransmission_line(&self, index: u32) -> Option<&Line> {
        self.retransmissions.get(index as usize)
    }

    fn request_line(&self, index: u32) -> Option<&Line> {
        self.requests.get(index as usize)
    }

    fn counted_line(&self, index: u32) -> Option<&Line> {
        self.counted.get(index as usize)
    }

    fn fragment_line(&self, index: u32) -> Option<&Line> {
        self.fragments.get(index as usize)
    }

    fn reason_counter(&self, reason: Reason) -> Option<&Counter> {
        self.reason_counters.get(reason as usize)
    }

    fn monitor_counter(&self, reason: Reason, known: bool) -> Option<&Counter> {
        self.monitor_counters.get(reason.monitor_index(known) as usize)
    }

    fn rule_counter(&self, number: u32) -> Option<&Counter> {
        self.rule_counters.get(number as usize)
    }

    fn signature_counter(&self, number: u32) -> Option<&Counter> {
        self.signature_counters.get(number as usize)
    }

    fn service_counter(&self, number: u32) -> Option<&ServiceCounter> {
        self.service_counters.get(number as usize)
    }

    fn sample_meter(&self) -> Option<&Word> {
        Some(&self.sample_meter)
    }

    fn busy_source(&self, index: u32) -> Option<&BusySource> {
        self.busy_sources.get(index as usize)
    }
}

/// The bucket of a rate and a burst that there can be.
pub(crate) fn bucket(rate: u64, burst: u64) -> BucketSpec {
    BucketSpec::new(rate, burst).expect("a rate and a burst that the arithmetic holds")
}

/// A TCP packet to port 80, with these flags.
pub(crate) fn tcp(flags: u8) -> Packet {
    Packet {
        source: SOURCE,
        destination: HOST,
        length: 60,
        source_port: 40_000,
        destination_port: 80,
        protocol: protocol::TCP,
        tcp_flags: flags,
        hop_limit: 64,
        ..Packet::default()
    }
}

/// A request for a TCP connection to port 80.
pub(crate) fn syn() -> Packet {
    tcp(tcp_flag::SYN)
}

/// A UDP packet from port 53 to port 40,000.
pub(crate) fn udp() -> Packet {
    Packet { source_port: 53, destination_port: 40_000, protocol: protocol::UDP, ..tcp(0) }
}

/// The frame of an IPv4 packet of TCP, UDP, or with nothing above, in as many bytes as its length says; not a fragment.
pub(crate) fn frame(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0; packet.length as usize];
    let network = 14;
    bytes[12..14].copy_from_slice(&[0x08, 0x00]);
    bytes[network] = 0x45;
    bytes[network + 2..][..2].copy_from_slice(&(packet.length as u16 - network as u16).to_be_bytes());
    bytes[network + 8] = packet.hop_limit;
    bytes[network + 9] = packet.protocol;
    bytes[network + 12..][..4].copy_from_slice(&packet.source.high.to_be_bytes()[..4]);
    bytes[network + 16..][..4].copy_from_slice(&packet.destination.high.to_be_bytes()[..4]);
    let transport = network + 20;
    if packet.protocol == protocol::ICMP {
        bytes[transport..][..2].copy_from_slice(&packet.destination_port.to_be_bytes());
    }
    if matches!(packet.protocol, protocol::TCP | protocol::UDP) {
        bytes[transport..][..2].copy_from_slice(&packet.source_port.to_be_bytes());
        bytes[transport + 2..][..2].copy_from_slice(&packet.destination_port.to_be_bytes());
    }
    if packet.protocol == protocol::TCP {
        bytes[transport + 8..][..4].copy_from_slice(&packet.acknowledged.to_be_bytes());
        bytes[transport + 12] = 5 << 4;
        bytes[transport + 13] = packet.tcp_flags;
    } else if packet.protocol == protocol::UDP {
        bytes[transport + 4..][..2].copy_from_slice(&(packet.length as u16 - transport as u16).to_be_bytes());
    }
    bytes
}

/// What is counted: packets and bytes.
pub(crate) fn counted(counter: &Counter) -> (u64, u64) {
    (counter.packets.load(), counter.bytes.load())
}
