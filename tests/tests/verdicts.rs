//! What becomes of a packet: the same in the kernel and on the host.

use floodwall_common::wire::Reason::{
    self, Blocked, Clean, Control, Malformed, NotIp, PacketRate, SynRate, Trusted,
};
use floodwall_lab::frame::Frame;
use floodwall_tests::on_both_engines;

const HOST: &str = "192.0.2.10";
const HOST6: &str = "2001:db8:5::10";
const BAD: &str = "203.0.113.7";
const BAD6: &str = "2001:db8:bad::7";
const GOOD: &str = "198.51.100.7";
const GOOD6: &str = "2001:db8:900d::7";

/// A packet, and what becomes of it where 203.0.113.0/24 and 2001:db8:bad::/48 are blocked.
struct Case {
    what: &'static str,
    frame: Vec<u8>,
    expected: Reason,
}

fn case(what: &'static str, frame: Vec<u8>, expected: Reason) -> Case {
    Case { what, frame, expected }
}

fn judge_all(cases: &[Case]) -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.block("203.0.113.0/24")?;
        engine.block("2001:db8:bad::/48")?;
        for Case { what, frame, expected } in cases {
            assert_eq!(engine.judge(frame)?, *expected, "{} engine: {what}", engine.name);
        }
    })
}

#[test]
fn a_blocked_source_hides_behind_no_header() -> anyhow::Result<()> {
    let bad = || Frame::ipv4(BAD, HOST);
    let bad6 = || Frame::ipv6(BAD6, HOST6);
    judge_all(&[
        case("TCP", bad().tcp(40_000, 80).syn().build(), Blocked),
        case("UDP", bad().udp(40_000, 53).build(), Blocked),
        case("ICMP echo", bad().icmp(8, 0).build(), Blocked),
        case("GRE", bad().gre(0x0800).build(), Blocked),
        case("ESP", bad().esp(1, 1).build(), Blocked),
        case("a protocol nobody knows", bad().raw(253, b"x").build(), Blocked),
        case("IP options", bad().options(&[1, 1, 1, 1, 1, 1, 1, 0]).tcp(40_000, 80).syn().build(), Blocked),
        case("first fragment", bad().fragment(0, true).udp(1, 2).payload(&[0; 64]).build(), Blocked),
        case("later fragment", bad().fragment(64, true).raw(17, &[0; 64]).build(), Blocked),
        case("last fragment", bad().fragment(128, false).raw(6, &[0; 8]).build(), Blocked),
        case("802.1Q tag", bad().vlan(7).tcp(40_000, 80).syn().build(), Blocked),
        case("802.1ad and 802.1Q tags", bad().service_vlan(7).vlan(8).tcp(40_000, 80).syn().build(), Blocked),
        case("IPv6 TCP", bad6().tcp(40_000, 80).syn().build(), Blocked),
        case("IPv6 in a VLAN", bad6().vlan(7).udp(40_000, 53).build(), Blocked),
        case("ICMPv6 echo", bad6().icmpv6(128, 0).build(), Blocked),
        case(
            "ICMPv6 neighbour solicitation",
            bad6().ttl(255).icmpv6(135, 0).payload(&[0; 20]).build(),
            Blocked,
        ),
        case("hop-by-hop options", bad6().hop_by_hop(&[]).tcp(1, 2).syn().build(), Blocked),
        case("destination options", bad6().destination_options(&[]).udp(1, 2).build(), Blocked),
        case("routing header", bad6().routing(4, 0, &[0; 16]).tcp(1, 2).syn().build(), Blocked),
        case("IPv6 first fragment", bad6().fragment(1, 0, true).udp(1, 2).payload(&[0; 64]).build(), Blocked),
        case("IPv6 later fragment", bad6().fragment(1, 64, false).raw(17, &[0; 64]).build(), Blocked),
        case("authentication header", bad6().authentication(1, 1, &[0; 12]).tcp(1, 2).syn().build(), Blocked),
        case(
            "a chain of them",
            bad6()
                .hop_by_hop(&[])
                .destination_options(&[])
                .routing(4, 0, &[0; 16])
                .fragment(1, 0, false)
                .tcp(1, 2)
                .syn()
                .build(),
            Blocked,
        ),
        case("IPv6 and a protocol nobody knows", bad6().raw(253, b"x").build(), Blocked),
    ])
}

#[test]
fn others_pass() -> anyhow::Result<()> {
    let good = || Frame::ipv4(GOOD, HOST);
    let good6 = || Frame::ipv6(GOOD6, HOST6);
    judge_all(&[
        case("TCP", good().tcp(40_000, 80).syn().build(), Clean),
        case("UDP", good().udp(40_000, 53).build(), Clean),
        case("GRE", good().gre(0x0800).build(), Clean),
        case("later fragment", good().fragment(64, true).raw(17, &[0; 64]).build(), Clean),
        case("the address before the prefix", Frame::ipv4("203.0.112.255", HOST).udp(1, 2).build(), Clean),
        case("the address after the prefix", Frame::ipv4("203.0.114.0", HOST).udp(1, 2).build(), Clean),
        case("blocked as destination only", Frame::ipv4(GOOD, BAD).udp(1, 2).build(), Clean),
        case("IPv6", good6().tcp(40_000, 80).syn().build(), Clean),
        case(
            "seven extension headers",
            good6()
                .hop_by_hop(&[])
                .destination_options(&[])
                .destination_options(&[])
                .destination_options(&[])
                .destination_options(&[])
                .destination_options(&[])
                .destination_options(&[])
                .udp(1, 2)
                .build(),
            Clean,
        ),
        case("packet too big", good6().icmpv6(2, 0).payload(&[0; 48]).build(), Clean),
        case(
            "neighbour advertisement",
            Frame::ipv6("fe80::1", HOST6).ttl(255).icmpv6(136, 0).payload(&[0; 20]).build(),
            Control,
        ),
        case(
            "neighbour advertisement from afar",
            good6().ttl(254).icmpv6(136, 0).payload(&[0; 20]).build(),
            Clean,
        ),
        case("ARP", Frame::arp_request([2, 0, 0, 0, 0, 1], GOOD, HOST).build(), NotIp),
        case("LLDP", Frame::ethernet(0x88cc, &[0; 50]).build(), NotIp),
        case("802.3 length instead of a type", Frame::ethernet(64, &[0x42; 64]).build(), NotIp),
        case("three tags", good().vlan(1).vlan(2).vlan(3).udp(1, 2).build(), NotIp),
        case("Ethernet padding", good().pad_to(60).udp(1, 2).build(), Clean),
    ])
}

#[test]
fn what_contradicts_itself_is_malformed() -> anyhow::Result<()> {
    let good = || Frame::ipv4(GOOD, HOST);
    let good6 = || Frame::ipv6(GOOD6, HOST6);
    judge_all(&[
        case("IPv4 of version 6", good().version(6).udp(1, 2).build(), Malformed),
        case("header length below 20", good().ihl(4).udp(1, 2).build(), Malformed),
        case("header longer than the packet", good().ihl(15).udp(1, 2).build(), Malformed),
        case("total length below the header", good().total_length(19).udp(1, 2).build(), Malformed),
        case("total length above the frame", good().total_length(1500).udp(1, 2).build(), Malformed),
        case("IPv4 header cut short", good().cut_to(30).udp(1, 2).build(), Malformed),
        case("TCP header cut short", good().raw(6, &[0; 19]).build(), Malformed),
        case("TCP data offset below 5", good().tcp(1, 2).data_offset(4).syn().build(), Malformed),
        case("TCP options past the end", good().tcp(1, 2).data_offset(15).syn().build(), Malformed),
        case("UDP header cut short", good().raw(17, &[0; 7]).build(), Malformed),
        case("UDP length below 8", good().udp(1, 2).length(7).build(), Malformed),
        case("UDP length past the end", good().udp(1, 2).length(9).build(), Malformed),
        case("ICMP of two bytes", good().raw(1, &[8, 0]).build(), Malformed),
        case("IPv6 of version 4", good6().version(4).udp(1, 2).build(), Malformed),
        case("payload length above the frame", good6().payload_length(1500).udp(1, 2).build(), Malformed),
        case("IPv6 header cut short", good6().cut_to(40).udp(1, 2).build(), Malformed),
        case(
            "extension header past the end",
            good6().extension(60, &[17, 200, 0, 0, 0, 0, 0, 0]).udp(1, 2).build(),
            Malformed,
        ),
        case("malformed and blocked", Frame::ipv4(BAD, HOST).ihl(4).udp(1, 2).build(), Malformed),
    ])
}

#[test]
fn an_allow_wins_whatever_the_lengths() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.block("10.0.0.0/8")?;
        engine.block("10.1.2.0/24")?;
        engine.allow("10.1.0.0/16")?;
        engine.block("2001:db8::/32")?;
        engine.allow("2001:db8:1::/48")?;
        engine.block("2001:db8:1:2::/64")?;
        for (source, expected) in
            [("10.2.0.1", Blocked), ("10.1.0.1", Trusted), ("10.1.2.1", Trusted), ("11.0.0.1", Clean)]
        {
            assert_eq!(
                engine.judge(&Frame::ipv4(source, HOST).udp(1, 2).build())?,
                expected,
                "{}: {source}",
                engine.name
            );
        }
        for (source, expected) in [
            ("2001:db8:2::1", Blocked),
            ("2001:db8:1::1", Trusted),
            ("2001:db8:1:2::1", Trusted),
            ("2001:db9::1", Clean),
        ] {
            assert_eq!(
                engine.judge(&Frame::ipv6(source, HOST6).udp(1, 2).build())?,
                expected,
                "{}: {source}",
                engine.name
            );
        }
        assert_eq!(engine.hits("10.0.0.0/8")?, 1);
        assert_eq!(engine.hits("10.1.2.0/24")?, 0);
        engine.unblock("10.0.0.0/8")?;
        assert_eq!(engine.judge(&Frame::ipv4("10.2.0.1", HOST).udp(1, 2).build())?, Clean);
    })
}

#[test]
fn a_source_over_its_packet_rate_is_dropped_until_it_is_back_under() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.limit_packets(100, 10);
        let frame = Frame::ipv4(GOOD, HOST).udp(1, 2).build();
        for packet in 0..10 {
            assert_eq!(engine.judge(&frame)?, Clean, "{}: packet {packet} of the burst", engine.name);
        }
        assert_eq!(engine.judge(&frame)?, PacketRate, "{}", engine.name);
        let neighbour = Frame::ipv4("198.51.100.8", HOST).udp(1, 2).build();
        assert_eq!(engine.judge(&neighbour)?, Clean, "{}: another source", engine.name);
        engine.pass_time(0.010_001);
        assert_eq!(engine.judge(&frame)?, Clean, "{}: one token later", engine.name);
        assert_eq!(engine.judge(&frame)?, PacketRate, "{}", engine.name);
        engine.pass_time(3600.0);
        for packet in 0..10 {
            assert_eq!(engine.judge(&frame)?, Clean, "{}: packet {packet} after an hour", engine.name);
        }
        assert_eq!(engine.judge(&frame)?, PacketRate, "{}", engine.name);
    })
}

#[test]
fn a_limit_lets_its_rate_through() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.limit_packets(1_000, 50);
        let frame = Frame::ipv4(GOOD, HOST).udp(1, 2).build();
        let mut passed = 0_u32;
        for _ in 0..20_000 {
            passed += u32::from(engine.judge(&frame)? == Clean);
            engine.pass_time(0.000_2);
        }
        // Four seconds at 5,000/s.
        assert!((4_000..=4_060).contains(&passed), "{}: {passed} passed", engine.name);
    })
}

#[test]
fn a_changed_limit_leaves_no_stale_bucket() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.limit_packets(1, 60);
        let frame = Frame::ipv4(GOOD, HOST).udp(1, 2).build();
        for _ in 0..60 {
            assert_eq!(engine.judge(&frame)?, Clean);
        }
        assert_eq!(engine.judge(&frame)?, PacketRate, "{}", engine.name);
        engine.limit_packets(1_000, 10);
        assert_eq!(engine.judge(&frame)?, PacketRate, "{}: in debt still", engine.name);
        engine.pass_time(0.15);
        assert_eq!(
            engine.judge(&frame)?,
            Clean,
            "{}: but hardly longer than the new limit says",
            engine.name
        );
    })
}

#[test]
fn connection_requests_have_a_limit_of_their_own() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.limit_syn(10, 3);
        let syn = Frame::ipv4(GOOD, HOST).tcp(40_000, 80).syn().build();
        let ack = Frame::ipv4(GOOD, HOST).tcp(40_000, 80).ack().build();
        let answer = Frame::ipv4(GOOD, HOST).tcp(80, 40_000).syn().ack().build();
        for _ in 0..3 {
            assert_eq!(engine.judge(&syn)?, Clean);
        }
        assert_eq!(engine.judge(&syn)?, SynRate, "{}", engine.name);
        assert_eq!(engine.judge(&ack)?, Clean, "{}: its open connections go on", engine.name);
        assert_eq!(engine.judge(&answer)?, Clean, "{}: a SYN-ACK is no request", engine.name);
    })
}

#[test]
fn ipv6_sources_count_by_their_64() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.limit_packets(100, 2);
        let from = |source: &str| Frame::ipv6(source, HOST6).udp(1, 2).build();
        assert_eq!(engine.judge(&from("2001:db8:1:1::1"))?, Clean);
        assert_eq!(engine.judge(&from("2001:db8:1:1:ffff::2"))?, Clean);
        assert_eq!(engine.judge(&from("2001:db8:1:1::3"))?, PacketRate, "{}", engine.name);
        assert_eq!(engine.judge(&from("2001:db8:1:2::1"))?, Clean, "{}: the next /64", engine.name);
    })
}

#[test]
fn neighbour_discovery_is_never_cut_off_by_a_rate() -> anyhow::Result<()> {
    on_both_engines!(|engine| {
        engine.limit_packets(1, 1);
        let solicitation = Frame::ipv6("fe80::1", HOST6).ttl(255).icmpv6(135, 0).payload(&[0; 20]).build();
        for _ in 0..10 {
            assert_eq!(engine.judge(&solicitation)?, Control, "{}", engine.name);
        }
    })
}

#[test]
fn the_verifier_has_room_to_spare() -> anyhow::Result<()> {
    floodwall_lab::or_skip!(floodwall_lab::skip::require_root());
    let engine = floodwall_tests::engine::Engine::kernel()?;
    match engine.verified_instructions()? {
        // The kernel gives up at a million.
        Some(count) => assert!(count <= 120_000, "{count} instructions verified"),
        None => floodwall_lab::skip!("this kernel does not tell how many instructions it verified"),
    }
    Ok(())
}
