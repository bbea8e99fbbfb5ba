//! Floods keep to their bounds and arrive.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use floodwall_lab::flood::{Bounds, Flood, Pattern as _, Replay, SpoofedSyn, Target};
use floodwall_lab::frame::{Frame, Rewrite};
use floodwall_lab::pair::{INSIDE_V4, Pair};
use floodwall_lab::pcap::Writer;
use floodwall_lab::skip::{or_skip, require_root};
use floodwall_lab::wire::Receiver;

fn syns(lab: &Pair) -> SpoofedSyn {
    let target = Target::behind(&lab.outside, &lab.inside, INSIDE_V4, 80);
    SpoofedSyn::new(target, Ipv4Addr::new(198, 18, 0, 0), 15, 1)
}

#[test]
fn a_flood_keeps_its_rate_and_its_time_and_arrives() {
    or_skip!(require_root());
    let lab = Pair::new("rate").unwrap();
    let before = lab.inside.counters().unwrap().rx_packets;
    let start = Instant::now();
    let bounds = Bounds { rate: 5000, duration: Duration::from_secs(1) };
    let sent = Flood::start(&lab.outside, syns(&lab), bounds).unwrap().wait().unwrap();
    assert!(start.elapsed() < Duration::from_millis(1500));
    // Never faster; slower only as far as a busy machine makes it.
    assert!((1000..=5200).contains(&sent), "{sent}");
    let arrived = lab.inside.counters().unwrap().rx_packets - before;
    assert!(arrived >= sent, "{arrived} of {sent}");
}

#[test]
fn a_flood_stops_when_told() {
    or_skip!(require_root());
    let lab = Pair::new("stop").unwrap();
    let bounds = Bounds { rate: 100, duration: Duration::from_secs(60) };
    let start = Instant::now();
    let flood = Flood::start(&lab.outside, syns(&lab), bounds).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(flood.stop().unwrap() > 0);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn bounds_are_bounds() {
    or_skip!(require_root());
    let lab = Pair::new("bounds").unwrap();
    for bounds in [
        Bounds { rate: 0, duration: Duration::from_secs(1) },
        Bounds { rate: u32::MAX, duration: Duration::from_secs(1) },
        Bounds { rate: 1, duration: Duration::from_secs(3600) },
    ] {
        assert!(Flood::start(&lab.outside, syns(&lab), bounds).is_err());
    }
}

#[test]
fn a_capture_is_replayed_in_order_to_the_lab() {
    or_skip!(require_root());
    let lab = Pair::new("replay").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("attack.pcap");
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for port in 1..=3 {
        let frame = Frame::ipv4("203.0.113.9", "10.10.10.10").udp(port, 9).payload(&[0; 40]).build();
        writer.frame(0, &frame).unwrap();
    }
    writer.frame(0, &Frame::arp_request([2; 6], "10.0.0.1", "10.0.0.2").build()).unwrap();
    writer.finish().unwrap();
    let to = Rewrite {
        source_mac: lab.outside.mac(),
        destination_mac: lab.inside.mac(),
        ipv4: Some(INSIDE_V4),
        ipv6: None,
        port: None,
    };
    let mut replay = Replay::load(&path, &to, 100, 1514).unwrap();
    assert_eq!(replay.round().len(), 3);
    let host = Receiver::open(lab.inside.namespace(), lab.inside.name()).unwrap();
    let sender = floodwall_lab::wire::Sender::open(lab.outside.namespace(), lab.outside.name()).unwrap();
    sender.send_batch(&replay.frames(4)).unwrap();
    let came = host.collect(4, Duration::from_secs(2), |frame| frame[23] == 17).unwrap();
    let ports: Vec<u8> = came.iter().map(|frame| frame[35]).collect();
    assert_eq!(ports, [1, 2, 3, 1]);
    assert!(came.iter().all(|frame| frame[30..34] == INSIDE_V4.octets()));
}
