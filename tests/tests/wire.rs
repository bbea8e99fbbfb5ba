//! Real packets through a real interface.

use std::time::{Duration, Instant};

use floodwall_lab::{
    flood::Replay,
    frame::{Frame, Rewrite},
    or_skip,
    pair::INSIDE_V4,
    skip::{corpus, require_root},
};
use floodwall_tests::protected::{PATIENCE, Protected, SILENCE};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn a_block_holds_before_the_command_returns_and_a_removal_lets_through() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("block", BINARY)?;
    let frame = host.from("203.0.113.7").udp(40_000, 9).payload(b"hello").build();
    assert!(host.passes(&frame)?, "nothing is blocked yet");
    for round in 0..20 {
        host.ok(&["block", "add", "203.0.113.0/24"])?;
        let before = host.count("blocked")?;
        host.sender.send(&frame)?;
        assert!(
            host.receiver.collect(1, Duration::from_millis(20), |seen| seen == frame)?.is_empty(),
            "round {round}"
        );
        assert_eq!(host.count("blocked")?, before + 1, "round {round}");
        host.ok(&["block", "rm", "203.0.113.0/24"])?;
        host.sender.send(&frame)?;
        assert_eq!(host.receiver.collect(1, PATIENCE, |seen| seen == frame)?.len(), 1, "round {round}");
    }
    Ok(())
}

#[test]
fn no_disguise_gets_a_blocked_source_past_the_interface() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("disguise", BINARY)?;
    let bad = || host.from("203.0.113.7");
    let bad6 =
        || Frame::ipv6("2001:db8:bad::7", "2001:db8:5::10").between(&host.lab.outside, &host.lab.inside);
    let frames = [
        ("plain", bad().udp(1, 2).build()),
        ("VLAN", bad().vlan(7).udp(1, 2).build()),
        ("two VLANs", bad().service_vlan(7).vlan(8).udp(1, 2).build()),
        ("GRE", bad().gre(0x0800).build()),
        ("later fragment", bad().fragment(64, false).raw(17, &[7; 32]).build()),
        ("IPv6 with extension headers", bad6().hop_by_hop(&[]).destination_options(&[]).udp(1, 2).build()),
        ("IPv6 fragment", bad6().fragment(9, 64, false).raw(17, &[7; 32]).build()),
        ("ICMPv6", bad6().icmpv6(128, 0).payload(&[7; 8]).build()),
    ];
    for (what, frame) in &frames {
        assert!(host.passes(frame)?, "{what} does not arrive even unblocked");
    }
    host.ok(&["block", "add", "203.0.113.0/24", "2001:db8:bad::/48"])?;
    for (what, frame) in &frames {
        assert!(!host.passes(frame)?, "{what} gets past the filter");
    }
    assert_eq!(host.count("blocked")?, frames.len() as u64);
    host.ok(&["allow", "add", "203.0.113.7"])?;
    assert!(host.passes(&frames[0].1)?, "an allow wins");
    Ok(())
}

#[test]
fn a_limit_holds_on_the_wire_and_the_source_can_be_looked_at() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("limit", BINARY)?;
    host.ok(&["limit", "set", "packets", "50/s", "--burst", "20"])?;
    let frame = host.from("198.51.100.7").udp(1, 2).build();
    host.receiver.clear()?;
    host.sender.send_batch(&vec![frame.clone(); 500])?;
    let passed = host.receiver.collect(500, SILENCE, |seen| seen == frame)?.len();
    assert!((20..=40).contains(&passed), "{passed} of 500 passed a burst of 20");
    assert_eq!(host.count("packet-rate")?, 500 - passed as u64);
    let report = host.json(&["source", "show", "198.51.100.7"])?;
    assert_eq!((&report["tracked"], &report["packets"]), (&true.into(), &500.into()), "{report}");
    host.ok(&["limit", "set", "packets", "off"])?;
    host.receiver.clear()?;
    host.sender.send_batch(&vec![frame.clone(); 500])?;
    assert_eq!(host.receiver.collect(500, PATIENCE, |seen| seen == frame)?.len(), 500, "no limit any more");
    host.ok(&["limit", "reset", "packets"])?;
    let shown = host.ok(&["limit", "show"])?;
    assert!(shown.contains("packets  20,000/s, burst 40,000 (only counts)"), "{shown}");
    Ok(())
}

#[test]
fn drops_are_told_within_a_budget() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("events", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let watcher = host
        .command(&["--json", "events", "--kind", "drop", "--count", "5"])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let frame = host.from("203.0.113.7").tcp(40_000, 80).syn().build();
    let deadline = Instant::now() + PATIENCE;
    let mut watcher = watcher;
    while watcher.try_wait()?.is_none() && Instant::now() < deadline {
        host.sender.send_batch(&vec![frame.clone(); 100])?;
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = watcher.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    assert_eq!(text.lines().count(), 5);
    for (field, expected) in [("reason", "blocked"), ("source", "203.0.113.7"), ("interface", "eth0")] {
        assert_eq!(first[field], expected, "{first}");
    }
    assert_eq!((&first["tcp_flags"], &first["destination_port"]), (&2.into(), &80.into()), "{first}");
    Ok(())
}

#[test]
fn an_entry_with_a_lifetime_is_taken_back() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("expiry", BINARY)?;
    let frame = host.from("203.0.113.7").udp(1, 2).build();
    host.ok(&["block", "add", "203.0.113.7", "--for", "1s", "--note", "just a moment"])?;
    assert!(!host.passes(&frame)?);
    let deadline = Instant::now() + PATIENCE;
    while !host.passes(&frame)? {
        assert!(Instant::now() < deadline, "still blocked after {PATIENCE:?}");
    }
    assert_eq!(host.json_lines(&["block", "list"])?.len(), 0);
    Ok(())
}

#[test]
fn a_real_syn_flood_stops_at_a_list_of_its_sources() -> anyhow::Result<()> {
    or_skip!(require_root());
    let capture = or_skip!(corpus()).join("pcaps/attack-real/stopddos/pkt.TCP.synflood.spoofed.pcap");
    let host = Protected::start_with_room("replay", BINARY, 100_000)?;
    let to = Rewrite {
        source_mac: host.lab.outside.mac(),
        destination_mac: host.lab.inside.mac(),
        ipv4: Some(INSIDE_V4),
        ipv6: None,
        port: None,
    };
    let replay = Replay::load(&capture, &to, usize::MAX, 1_514)?;
    let frames = replay.round();
    assert_eq!(frames.len(), 37_841, "packets of the capture");
    let sources: Vec<String> = frames
        .iter()
        .map(|frame| frame[26..30].iter().map(u8::to_string).collect::<Vec<_>>().join("."))
        .collect();
    let list = host.file("sources.txt");
    std::fs::write(&list, sources.join("\n"))?;
    host.ok(&["block", "import", &list.display().to_string()])?;

    let before = host.count("blocked")?;
    host.receiver.clear()?;
    let mut sent = 0;
    for batch in frames.chunks(64) {
        sent += host.sender.send_batch(batch)?;
    }
    assert_eq!(host.count("blocked")? - before, sent as u64, "of {sent} packets");
    assert!(sent > frames.len() * 9 / 10, "the wire took only {sent} packets");
    let leaked = host.receiver.collect(1, SILENCE, |seen| frames.iter().any(|frame| frame == seen))?;
    assert!(leaked.is_empty(), "a packet of the flood has arrived");
    Ok(())
}
