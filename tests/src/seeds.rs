//! Experiments that a fuzzer begins with: frames that reach every corner of the core that is known.

use floodwall::{kernel::LEAVES_BY, tables::Table};
use floodwall_common::{
    traits::Traits,
    wire::{
        BucketSpec, Destination, Lockdown, PORT_WORDS, Per, Port, Service, Settings, Spares, Terms, Then,
        knowledge, service_flag, signature,
    },
};
use floodwall_lab::frame::{Frame, Network};

use crate::experiment::{CAME_IN_BY, Experiment, Poke, Shown};

const HOST: &str = "192.0.2.10";
const HOST6: &str = "2001:db8:5::10";
/// The port that something listens on.
const HTTP: u32 = 80;
/// What the ports say of it: that it is service 1's.
const OFFERED: u8 = Port { service: 1, offered: true, carried: false }.pack();
const MILLISECOND: u64 = 1_000_000;

/// Frames of every kind, each with a name.
pub fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let v4 = |source: &str| Frame::ipv4(source, HOST);
    let good = || v4("198.51.100.7");
    let bad = || v4("203.0.113.7");
    let good6 = || Frame::ipv6("2001:db8:900d::7", HOST6);
    let bad6 = || Frame::ipv6("2001:db8:bad::7", HOST6);
    vec![
        ("tcp-syn", good().tcp(40_000, 80).syn().build()),
        ("tcp-ack", good().tcp(40_000, 80).build()),
        ("tcp-syn-blocked", bad().tcp(40_000, 80).syn().build()),
        ("tcp-syn-allowed", v4("203.0.113.200").tcp(40_000, 80).syn().build()),
        ("udp-dns-query", good().udp(40_000, 53).payload(&[0x12, 0x34, 1, 0, 0, 1]).build()),
        ("udp-dns-answer", good().udp(53, 40_000).payload(&[0x12, 0x34, 0x81, 0x80]).build()),
        ("icmp-echo", good().icmp(8, 0).payload(b"ping").build()),
        ("icmp-unreachable", good().icmp(3, 4).payload(&[0x45; 28]).build()),
        (
            "icmp-unreachable-flow",
            v4("198.51.100.1")
                .icmp(3, 1)
                .payload(&Frame::ipv4(HOST, "198.51.100.7").tcp(50_000, 443).ip_bytes())
                .build(),
        ),
        (
            "icmpv6-too-big",
            Frame::ipv6("2001:db8:900d::1", HOST6)
                .icmpv6(2, 0)
                .payload(
                    &Frame::ipv6(HOST6, "2001:db8:900d::7").fragment(1, 0, true).udp(50_000, 53).ip_bytes(),
                )
                .build(),
        ),
        ("gre", good().gre(0x0800).build()),
        ("esp", good().esp(1, 1).build()),
        ("options", good().options(&[1, 1, 1, 1, 1, 1, 1, 0]).tcp(40_000, 80).syn().build()),
        ("first-fragment", good().fragment(0, true).udp(1, 2).payload(&[0; 64]).build()),
        ("later-fragment", good().fragment(64, false).raw(17, &[0; 64]).build()),
        ("vlan", bad().vlan(7).tcp(40_000, 80).syn().build()),
        ("two-vlans", bad().service_vlan(7).vlan(8).udp(1, 2).build()),
        ("three-vlans", good().vlan(1).vlan(2).vlan(3).udp(1, 2).build()),
        ("version-9", good().version(9).udp(1, 2).build()),
        ("ihl-1", good().ihl(1).udp(1, 2).build()),
        ("tcp6-syn", good6().tcp(40_000, 80).syn().build()),
        ("udp6-blocked", bad6().udp(40_000, 53).build()),
        ("neighbour-solicitation", good6().ttl(255).icmpv6(135, 0).payload(&[0; 20]).build()),
        ("hop-by-hop", bad6().hop_by_hop(&[]).tcp(1, 2).syn().build()),
        ("routing", good6().routing(4, 0, &[0; 16]).tcp(1, 2).syn().build()),
        ("first-fragment6", good6().fragment(1, 0, true).udp(1, 2).payload(&[0; 64]).build()),
        ("later-fragment6", good6().fragment(1, 64, false).raw(17, &[0; 64]).build()),
        ("authentication", bad6().authentication(1, 1, &[0; 12]).tcp(1, 2).syn().build()),
        (
            "long-chain6",
            good6().hop_by_hop(&[]).destination_options(&[]).fragment(1, 0, false).tcp(1, 2).syn().build(),
        ),
        ("arp", Frame::arp_request([2, 0, 0, 0, 0, 1], "192.0.2.1", HOST).build()),
        ("lldp", Frame::ethernet(0x88cc, &[1; 60]).build()),
    ]
}

/// Experiments, each with a name: every frame alone, and a burst of all of them under busy rules.
pub fn experiments() -> Vec<(String, Experiment)> {
    let alone = frames().into_iter().map(|(name, bytes)| {
        let frames = (0..3).map(|_| coming(MILLISECOND, &bytes)).collect();
        (name.to_owned(), Experiment { about: name.to_owned(), pokes: rules(), frames })
    });
    let crowd: Vec<_> = frames().iter().map(|(_, bytes)| coming(MILLISECOND, bytes)).collect();
    let signed = Experiment { about: "signatures".to_owned(), pokes: signatures(), frames: crowd.clone() };
    let unlisted = Experiment { about: "without lists".to_owned(), pokes: unlisted(), frames: crowd.clone() };
    let busy = Experiment { about: "every rule".to_owned(), pokes: rules(), frames: crowd };
    let crowds = [("signatures", signed), ("unlisted", unlisted), ("busy", busy)];
    let talks = [
        ("spared", new_sources(u64::MAX)),
        ("unspared", new_sources(0)),
        ("limited", limited()),
        ("destinations", divided()),
    ];
    let talks = talks
        .map(|(name, pokes)| (name, Experiment { about: name.to_owned(), pokes, frames: conversation() }));
    let asked = [
        ("lockdown", Experiment { about: "lockdown".to_owned(), pokes: closed(), frames: knocks() }),
        (
            "truncation",
            Experiment { about: "truncation".to_owned(), pokes: closed_to_questions(), frames: questions() },
        ),
        ("names", Experiment { about: "names".to_owned(), pokes: limited_names(), frames: questions() }),
    ];
    let both_ways = [("both-ways", rules()), ("routed", routed())];
    let both_ways = both_ways
        .map(|(name, pokes)| (name, Experiment { about: name.to_owned(), pokes, frames: dialogue() }));
    let named = |(name, experiment): (&str, _)| (name.to_owned(), experiment);
    alone.chain(crowds.into_iter().chain(talks).chain(both_ways).chain(asked).map(named)).collect()
}

fn coming(after_ns: u64, bytes: &[u8]) -> Shown {
    Shown { leaves: None, after_ns, length: bytes.len() as u32, bytes: bytes.to_vec() }
}

/// The host asks, is answered, and says goodbye; somebody asks it, and is answered; it opens what it offers. All of it is
/// said by itself, and then by somebody for whom it forwards.
fn dialogue() -> Vec<Shown> {
    let (remote, remote6) = ("198.51.100.7", "2001:db8:900d::7");
    let said = [
        said_by(Frame::ipv4(HOST, remote), Frame::ipv4(remote, HOST)),
        said_by(Frame::ipv6(HOST6, remote6), Frame::ipv6(remote6, HOST6)),
    ]
    .concat();
    let from = |from| {
        move |(leaves, bytes): &(bool, Vec<u8>)| Shown {
            leaves: leaves.then_some(from),
            ..coming(MILLISECOND, bytes)
        }
    };
    said.iter().map(from(0)).chain(said.iter().map(from(CAME_IN_BY))).collect()
}

/// Frames, and whether each leaves.
fn said_by<N: Network + Clone>(out: Frame<N>, back: Frame<N>) -> Vec<(bool, Vec<u8>)> {
    let (out, back) = (|| out.clone(), || back.clone());
    vec![
        (true, out().tcp(50_000, 443).syn().build()),
        (false, back().tcp(443, 50_000).syn().ack().build()),
        (true, out().tcp(50_000, 443).ack().build()),
        (false, back().tcp(443, 50_000).ack().payload(b"hello").build()),
        (true, out().tcp(50_000, 443).fin().ack().build()),
        (false, back().tcp(443, 50_000).ack().build()),
        (false, back().tcp(40_000, 8_080).syn().build()),
        (true, out().tcp(8_080, 40_000).syn().ack().build()),
        (false, back().tcp(40_000, 8_080).ack().build()),
        (true, out().tcp(8_080, 40_000).rst().build()),
        (true, out().udp(50_000, 53).build()),
        (false, back().udp(53, 50_000).build()),
        (false, back().udp(40_000, 5_353).build()),
        (true, out().udp(5_353, 40_000).build()),
        (true, out().udp(5_353, 40_001).build()),
        (true, out().raw(47, &[0; 8]).build()),
        // A router speaks of each, and of what was never sent.
        (false, error(back(), &out().tcp(50_000, 443).ip_bytes())),
        (false, error(back(), &out().udp(50_000, 53).ip_bytes())),
        (false, error(back(), &out().udp(5_353, 40_000).ip_bytes())),
        (false, error(back(), &out().tcp(50_001, 443).ip_bytes())),
        (false, error(back(), &out().tcp(50_001, 443).ip_bytes())),
        (false, error(back(), &out().tcp(50_001, 443).ip_bytes())),
    ]
}

/// An error about what was sent: a destination that cannot be reached, of the same family.
fn error<N: Network>(back: Frame<N>, sent: &[u8]) -> Vec<u8> {
    let (protocol, kind) = if sent[0] >> 4 == 6 { (58, 1) } else { (1, 3) };
    back.raw(protocol, &[&[kind, 0, 0, 0, 0, 0, 0, 0], sent].concat()).build()
}

/// Four times, in both families: a source that asks for a connection and goes on becomes known, another one does not;
/// then both send what the signatures are about.
fn conversation() -> Vec<Shown> {
    let said = [
        talk(|last| Frame::ipv4([198, 51, 100, last], HOST)),
        talk(|last| Frame::ipv6(0x2001_0db8_u128 << 96 | u128::from(last) << 64, HOST6)),
    ]
    .concat();
    // By the last round, bans and buckets of the first ones have run out.
    let rounds = [MILLISECOND, MILLISECOND, 64 * MILLISECOND, 8_192 * MILLISECOND];
    rounds.into_iter().flat_map(|after_ns| said.iter().map(move |bytes| coming(after_ns, bytes))).collect()
}

fn talk<N: Network>(from: impl Fn(u8) -> Frame<N>) -> [Vec<u8>; 5] {
    [
        from(7).tcp(40_000, 80).syn().build(),
        from(7).tcp(40_000, 80).payload(b"GET /").build(),
        from(8).tcp(40_001, 80).syn().build(),
        from(7).udp(40_000, 80).build(),
        from(8).udp(40_000, 80).build(),
    ]
}

const fn setting(offset: usize, value: u64) -> Poke {
    Poke { table: Table::Settings, index: (offset / 8) as u32, value }
}

/// The same, where what comes in by an interface comes from outside, and leaves to the outside again.
fn routed() -> Vec<Poke> {
    let mut pokes = rules();
    let outside = u64::from(CAME_IN_BY) << 32 | u64::from(LEAVES_BY);
    pokes.push(setting(std::mem::offset_of!(Settings, outside), outside));
    pokes
}

/// Tight limits, a rule, and ports that are known.
fn rules() -> Vec<Poke> {
    let tight = BucketSpec::new(1, 2).unwrap_or_default().pack();
    let known = knowledge::PORTS | knowledge::FLOWS;
    let word = |table, index, value| Poke { table, index, value };
    vec![
        setting(std::mem::offset_of!(Settings, knowledge), known),
        setting(std::mem::offset_of!(Settings, suspect_bucket), tight),
        setting(std::mem::offset_of!(Settings, syn_bucket), tight),
        setting(std::mem::offset_of!(Settings, syn_ban), 1_000 * MILLISECOND),
        setting(std::mem::offset_of!(Settings, sample_interval), MILLISECOND),
        word(Table::Ports, HTTP / 8, u64::from(OFFERED) << (HTTP % 8 * 8)),
        // Service 1: its first rule, about everything, one packet in two sampled.
        of_service(std::mem::offset_of!(Service, rules), 1),
        of_service(std::mem::offset_of!(Service, traits), u64::from(u32::MAX)),
        of_service(std::mem::offset_of!(Service, sample_every), 2),
        // Rule 0: per prefix of 24 and 48 bits, limit.
        word(Table::Rules, 0, tight),
        word(Table::Rules, 1, u64::from(u32::MAX) | 1 << 32 | 1 << 34 | 24 << 40 | 48 << 48),
    ]
}

/// A word of service 1.
const fn of_service(offset: usize, value: u64) -> Poke {
    Poke { table: Table::Services, index: ((size_of::<Service>() + offset) / 8) as u32, value }
}

/// A web server that is closed to all but known clients: every second other one is on trial, the rest is challenged.
fn closed() -> Vec<Poke> {
    let lockdown = Lockdown { by_operator: true, by_itself: false, admitted: u32::MAX / 2 };
    vec![
        setting(std::mem::offset_of!(Settings, knowledge), knowledge::PORTS | knowledge::CHALLENGES),
        Poke { table: Table::Ports, index: HTTP / 8, value: u64::from(OFFERED) << (HTTP % 8 * 8) },
        of_service(std::mem::offset_of!(Service, lockdown), lockdown.pack()),
    ]
}

/// From a hundred sources: a request, an RST, a datagram, and the request again.
fn knocks() -> Vec<Shown> {
    let from = |last: u8| {
        let source = || Frame::ipv4([198, 51, 100, last], HOST);
        let request = source().tcp(40_000, 80).syn().client_options().build();
        [request.clone(), source().tcp(40_000, 80).rst().build(), source().udp(40_000, 80).build(), request]
    };
    (0..100).flat_map(from).map(|bytes| coming(300 * MILLISECOND, &bytes)).collect()
}

/// A name server that is closed to all but known clients: others are to come over TCP.
fn closed_to_questions() -> Vec<Poke> {
    const DNS: u32 = 53;
    let lockdown = Lockdown { by_operator: true, by_itself: false, admitted: u32::MAX / 8 };
    let offered = u64::from(OFFERED) << (DNS % 8 * 8);
    vec![
        setting(std::mem::offset_of!(Settings, knowledge), knowledge::PORTS | knowledge::TRUNCATION),
        Poke { table: Table::Ports, index: DNS / 8, value: offered },
        Poke { table: Table::Ports, index: (65_536 + DNS) / 8, value: offered },
        of_service(std::mem::offset_of!(Service, lockdown), lockdown.pack()),
    ]
}

/// A name server, for which questions for new names are limited.
fn limited_names() -> Vec<Poke> {
    const DNS: u32 = 65_536 + 53;
    vec![
        setting(std::mem::offset_of!(Settings, knowledge), knowledge::PORTS),
        setting(std::mem::offset_of!(Settings, limits_names), 1 << 1),
        Poke { table: Table::Ports, index: DNS / 8, value: u64::from(OFFERED) << (DNS % 8 * 8) },
    ]
}

/// Questions over either family, for names of all lengths, for the same ones again and in capitals; and what is no question.
fn questions() -> Vec<Shown> {
    let question = |labels: &[&[u8]], flags: u8, cut: usize| {
        let mut bytes = vec![0x12, 0x34, flags, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            bytes.push(label.len() as u8);
            bytes.extend(*label);
        }
        bytes.extend([0, 0, 1, 0, 1]);
        bytes.truncate(bytes.len() - cut);
        bytes
    };
    let long = [b'x'; 63];
    let mut all = Vec::new();
    for length in 1..=63 {
        all.push(question(&[&long[..length]], 1, 0));
    }
    all.extend([
        question(&[b"www", b"example", b"com"], 0, 0),
        question(&[b"WWW", b"Example", b"com"], 0, 0),
        question(&[&long, &long, &long, &long[..61]], 0, 0),
        question(&[b"www", b"example", b"com"], 0, 3),
        question(&[b"www", b"example", b"com"], 0, 8),
        question(&[b"www", b"example", b"com"], 0x80, 0),
        question(&[&b"a"[..]; 40], 0, 0),
        question(&[], 0, 0),
        vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0x0c, 0, 1, 0, 1],
    ]);
    let v4 = |bytes: &Vec<u8>| Frame::ipv4("198.51.100.7", HOST).udp(40_000, 53).payload(bytes).build();
    let v6 = |bytes: &Vec<u8>| Frame::ipv6("2001:db8:900d::7", HOST6).udp(40_000, 53).payload(bytes).build();
    let frames: Vec<_> = all.iter().map(v4).chain(all.iter().rev().map(v6)).collect();
    frames.iter().map(|bytes| coming(3 * MILLISECOND, bytes)).collect()
}

/// The first half of the signatures is in force: the lowest drops, the next is watched, and all fields are looked at.
fn signatures() -> Vec<Poke> {
    let word = |index, value| Poke { table: Table::Signatures, index, value };
    vec![
        setting(std::mem::offset_of!(Settings, signatures), 1),
        word(signature::ENFORCED, 1),
        word(signature::WATCHED, 2),
        word(signature::FIELDS, 7),
        word(signature::OCTETS + 6, u64::MAX - 1),
    ]
}

/// The same; those that `spare` names leave alone who is known.
fn new_sources(spare: u64) -> Vec<Poke> {
    let mut pokes = signatures();
    pokes.push(setting(std::mem::offset_of!(Settings, knowledge), knowledge::PORTS));
    pokes.push(Poke { table: Table::Ports, index: HTTP / 8, value: u64::from_ne_bytes([OFFERED; 8]) });
    pokes.push(Poke {
        table: Table::Ports,
        index: (65_536 + HTTP) / 8,
        value: u64::from_ne_bytes([OFFERED; 8]),
    });
    pokes.push(Poke { table: Table::Signatures, index: signature::NEW_SOURCES, value: spare });
    pokes
}

/// The lists that stand from the start are not in force, as in a generation before the first.
fn unlisted() -> Vec<Poke> {
    let mut pokes = rules();
    pokes.push(setting(std::mem::offset_of!(Settings, generation), 0));
    pokes
}

/// Rules of service 0, of each kind: one bans, one limits bytes of new sources, one is only watched.
fn limited() -> Vec<Poke> {
    let word = |table, index, value| Poke { table, index, value };
    let tight = BucketSpec::new(1, 2).unwrap_or_default().pack();
    let terms = Terms {
        traits: Traits::TCP.bits(),
        per: Per::Source,
        then: Then::Ban,
        monitor: false,
        lapses: false,
        spares: Spares::Nobody,
        bytes: false,
        v4_length: 24,
        v6_length: 48,
    };
    let bytes = Terms { per: Per::Prefix, then: Then::Limit, spares: Spares::Known, bytes: true, ..terms };
    let watched = Terms { per: Per::Service, monitor: true, ..terms };
    vec![
        setting(std::mem::offset_of!(Settings, attacked), 1),
        word(Table::Services, 0, 0x03_02_01),
        word(Table::Services, 1, u64::from(u32::MAX)),
        word(Table::Services, 2, 1),
        word(Table::Services, 3, service_flag::USED | service_flag::NO_SOURCE_SYN),
        word(Table::Rules, 0, tight),
        word(Table::Rules, 1, terms.pack()),
        word(Table::Rules, 2, 1_000 * MILLISECOND),
        word(Table::Rules, 4, Terms::byte_bucket(100, 500).unwrap_or_default().pack()),
        word(Table::Rules, 5, bytes.pack()),
        word(Table::Rules, 8, tight),
        word(Table::Rules, 9, watched.pack()),
    ]
}

/// Two ranges of destinations: what is below the host is of class 0, and all from it on of class 1.
fn divided() -> Vec<Poke> {
    let word = |table, index, value| Poke { table, index, value };
    let start_of = |range: u32| range * (size_of::<Destination>() / 8) as u32;
    let mut pokes = vec![
        setting(std::mem::offset_of!(Settings, destinations), 2),
        word(Table::Destinations, start_of(1) + 1, 0xffff_c000_020a),
        word(Table::Destinations, start_of(1) + 2, 1),
        word(Table::Ports, PORT_WORDS + HTTP / 8, u64::from_ne_bytes([OFFERED; 8])),
    ];
    // Those that are not used, as far as a search comes upon them.
    pokes.extend([2, 4, 8, 16, 32, 64].map(|range| word(Table::Destinations, start_of(range), u64::MAX)));
    pokes.extend(rules());
    pokes
}
