//! The kernel is the judge of hand-built frames: it delivers and answers only what is right.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does: by panicking")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use floodwall_lab::frame::{Frame, IPV4, checksum};
use floodwall_lab::link::Port;
use floodwall_lab::pair::{INSIDE_V4, INSIDE_V6, OUTSIDE_V4, OUTSIDE_V6, Pair};
use floodwall_lab::skip::{or_skip, require_root};
use floodwall_lab::wire::{Receiver, Sender};

const SOON: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_millis(150);

struct Bench {
    lab: Pair,
    sender: Sender,
    answers: Receiver,
}

impl Bench {
    fn new(label: &str) -> Self {
        let lab = Pair::new(label).unwrap();
        let sender = Sender::open(lab.outside.namespace(), lab.outside.name()).unwrap();
        let answers = Receiver::open(lab.outside.namespace(), lab.outside.name()).unwrap();
        Self { lab, sender, answers }
    }

    fn ends(&self) -> (&Port, &Port) {
        (&self.lab.outside, &self.lab.inside)
    }

    /// Sends a frame and returns the first answer that `wanted` picks.
    fn ask(&self, frame: &[u8], patience: Duration, wanted: impl FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
        self.sender.send(frame).unwrap();
        self.answers.collect(1, patience, wanted).unwrap().pop()
    }

    /// A socket at the host.
    fn socket(&self, address: impl Into<SocketAddr>) -> UdpSocket {
        let address = address.into();
        let socket = self.lab.inside.namespace().enter(|| UdpSocket::bind(address)).unwrap().unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket
    }
}

fn heard(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    Some((buffer[..length].to_vec(), from))
}

#[test]
fn udp_is_delivered_when_right_and_not_when_wrong() {
    or_skip!(require_root());
    let bench = Bench::new("udp");
    let (out, inside) = bench.ends();
    let socket = bench.socket((INSIDE_V4, 4000));
    let datagram = || Frame::ipv4("198.51.100.7", INSIDE_V4).between(out, inside).udp(53, 4000);

    bench.sender.send(&datagram().payload(b"odd").build()).unwrap();
    assert_eq!(heard(&socket), Some((b"odd".to_vec(), "198.51.100.7:53".parse().unwrap())));

    bench.sender.send(&datagram().payload(b"no sum").checksum(0).build()).unwrap();
    assert_eq!(heard(&socket).unwrap().0, b"no sum");

    socket.set_read_timeout(Some(QUIET)).unwrap();
    bench.sender.send(&datagram().payload(b"bad sum").checksum(1).build()).unwrap();
    let header = Frame::ipv4("198.51.100.7", INSIDE_V4).between(out, inside).header_checksum(1);
    bench.sender.send(&header.udp(53, 4000).build()).unwrap();
    bench.sender.send(&datagram().payload(b"too long").length(2000).build()).unwrap();
    assert_eq!(heard(&socket), None);
}

#[test]
fn ipv4_options_and_padding_are_accepted() {
    or_skip!(require_root());
    let bench = Bench::new("options");
    let (out, inside) = bench.ends();
    let socket = bench.socket((INSIDE_V4, 4000));
    // Seven no-operations and end of list: ihl 7.
    let frame = Frame::ipv4(OUTSIDE_V4, INSIDE_V4).between(out, inside).options(&[1; 7]).pad_to(64);
    bench.sender.send(&frame.udp(1, 4000).payload(b"x").build()).unwrap();
    assert_eq!(heard(&socket).unwrap().0, b"x");
}

#[test]
fn ipv4_fragments_are_put_together() {
    or_skip!(require_root());
    let bench = Bench::new("fragments");
    let (out, inside) = bench.ends();
    let socket = bench.socket((INSIDE_V4, 4000));
    let whole = Frame::ipv4(OUTSIDE_V4, INSIDE_V4).udp(1, 4000).payload(&[7; 3000]).ip_bytes();
    let content = &whole[20..];
    let piece = |offset: usize, end: usize, more: bool| {
        Frame::ipv4(OUTSIDE_V4, INSIDE_V4)
            .between(out, inside)
            .id(77)
            .fragment(u32::try_from(offset).unwrap(), more)
            .raw(17, &content[offset..end])
            .build()
    };
    bench.sender.send(&piece(1480, 2960, true)).unwrap();
    bench.sender.send(&piece(2960, content.len(), false)).unwrap();
    bench.sender.send(&piece(0, 1480, true)).unwrap();
    assert_eq!(heard(&socket).unwrap().0, [7; 3000]);
}

#[test]
fn ipv6_extension_headers_and_fragments_are_walked() {
    or_skip!(require_root());
    let bench = Bench::new("chain");
    let (out, inside) = bench.ends();
    let socket = bench.socket((INSIDE_V6, 4000));
    let base = || Frame::ipv6(OUTSIDE_V6, INSIDE_V6).between(out, inside).flow(0xabcde);

    let chain = base().hop_by_hop(&[]).destination_options(&[1, 0]);
    bench.sender.send(&chain.udp(1, 4000).payload(b"chain").build()).unwrap();
    assert_eq!(heard(&socket).unwrap().0, b"chain");

    let whole = base().udp(1, 4000).payload(&[9; 2000]).ip_bytes();
    let content = &whole[40..];
    bench.sender.send(&base().fragment(5, 1448, false).raw(17, &content[1448..]).build()).unwrap();
    bench.sender.send(&base().fragment(5, 0, true).raw(17, &content[..1448]).build()).unwrap();
    assert_eq!(heard(&socket).unwrap().0, [9; 2000]);
}

#[test]
fn pings_are_answered_in_both_families() {
    or_skip!(require_root());
    let bench = Bench::new("ping");
    let (out, inside) = bench.ends();
    let ping =
        Frame::ipv4(OUTSIDE_V4, INSIDE_V4).between(out, inside).icmp(8, 0).echo(7, 1).payload(b"hello");
    let pong = bench.ask(&ping.build(), SOON, |frame| frame.ends_with(b"hello")).unwrap();
    assert_eq!((&pong[12..14], pong[23], pong[34]), (&[8, 0][..], 1, 0));
    assert_eq!(checksum::of(&pong[34..]), 0);

    let ping =
        Frame::ipv6(OUTSIDE_V6, INSIDE_V6).between(out, inside).icmpv6(128, 0).echo(7, 1).payload(b"hello");
    let pong = bench.ask(&ping.build(), SOON, |frame| frame.ends_with(b"hello")).unwrap();
    assert_eq!((&pong[12..14], pong[20], pong[54]), (&[0x86, 0xdd][..], 58, 129));

    let wrong = ping.checksum(1).build();
    assert_eq!(bench.ask(&wrong, QUIET, |frame| frame.ends_with(b"hello")), None);
}

#[test]
fn a_syn_gets_a_reset_with_true_sums_where_nobody_listens() {
    or_skip!(require_root());
    let bench = Bench::new("syn");
    let (out, inside) = bench.ends();
    for (syn, ip) in [
        (
            Frame::ipv4("198.51.100.7", INSIDE_V4)
                .between(out, inside)
                .tcp(4321, 80)
                .syn()
                .client_options()
                .build(),
            20,
        ),
        (Frame::ipv6(OUTSIDE_V6, INSIDE_V6).between(out, inside).tcp(4321, 80).syn().sequence(9).build(), 40),
    ] {
        let is_tcp = |frame: &[u8]| frame[14 + ip..].starts_with(&[0, 80, 0x10, 0xe1]);
        let reset = bench.ask(&syn, SOON, is_tcp).unwrap();
        let segment = &reset[14 + ip..];
        assert_eq!(segment[13], 0x14, "RST and ACK");
        // The host's own checksum is on the wire: offloads are really off.
        let addresses = if ip == 20 { &reset[26..34] } else { &reset[22..54] };
        let pseudo = checksum::sum(addresses, 6 + u32::try_from(segment.len()).unwrap());
        assert_eq!(checksum::fold(checksum::sum(segment, pseudo)), 0);
    }
}

#[test]
fn arp_is_answered() {
    or_skip!(require_root());
    let bench = Bench::new("arp");
    let (out, inside) = bench.ends();
    let question = Frame::arp_request(out.mac(), OUTSIDE_V4, INSIDE_V4).build();
    let answer = bench.ask(&question, SOON, |frame| frame[12..14] == [8, 6]).unwrap();
    let expected = Frame::arp_reply(inside.mac(), INSIDE_V4, out.mac(), OUTSIDE_V4).build();
    assert_eq!(answer[..expected.len()], expected);
}

#[test]
fn frames_arrive_as_sent_with_all_their_tags() {
    or_skip!(require_root());
    let bench = Bench::new("tags");
    let (out, inside) = bench.ends();
    let host = Receiver::open(inside.namespace(), inside.name()).unwrap();
    let base = || Frame::ipv4("198.51.100.7", INSIDE_V4).between(out, inside);
    let inner = base().udp(1, 2).ip_bytes();
    let frames = [
        base().vlan(7).udp(1, 2).payload(b"a").build(),
        base().service_vlan(100).tag(0x8100, 0xe007).udp(1, 2).payload(b"b").build(),
        base().vlan(1).vlan(2).vlan(3).udp(1, 2).payload(b"c").build(),
        base().gre(IPV4).payload(&inner).build(),
        base().esp(1, 2).payload(&[0; 64]).build(),
        base().version(9).ihl(1).raw(255, b"nonsense").build(),
        Frame::ethernet(0x88cc, &[1; 60]).between(out, inside).build(),
    ];
    for frame in &frames {
        bench.sender.send(frame).unwrap();
        let came = host.collect(1, SOON, |came| came == frame).unwrap();
        assert_eq!(came.len(), 1, "{frame:02x?}");
    }
}

#[test]
fn a_batch_arrives_whole_and_in_order() {
    or_skip!(require_root());
    let bench = Bench::new("batch");
    let (out, inside) = bench.ends();
    let host = Receiver::open(inside.namespace(), inside.name()).unwrap();
    let frames: Vec<_> = (0..300_u16)
        .map(|number| {
            Frame::ipv4([198, 51, 100, 7], INSIDE_V4).between(out, inside).id(number).udp(1, 2).build()
        })
        .collect();
    assert_eq!(bench.sender.send_batch(&frames).unwrap(), frames.len());
    let came = host.collect(frames.len(), SOON, |frame| frame[23] == 17).unwrap();
    assert_eq!(came, frames);
}

#[test]
fn the_host_answers_any_source_through_the_outside() {
    or_skip!(require_root());
    let bench = Bench::new("routes");
    let (out, inside) = bench.ends();
    for source in [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(198, 18, 4, 4)] {
        let ping = Frame::ipv4(source, INSIDE_V4).between(out, inside).icmp(8, 0).payload(b"far").build();
        let pong = bench.ask(&ping, SOON, |frame| frame.ends_with(b"far")).unwrap();
        assert_eq!((&pong[..6], &pong[30..34]), (&out.mac()[..], &source.octets()[..]));
    }
    let far = Ipv6Addr::new(0x2620, 0, 0, 0, 0, 0, 0, 9);
    let ping = Frame::ipv6(far, INSIDE_V6).between(out, inside).icmpv6(128, 0).payload(b"far").build();
    assert!(bench.ask(&ping, SOON, |frame| frame.ends_with(b"far")).is_some());
}
