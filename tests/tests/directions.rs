//! `floodwall replay` on captures that hold more than what came in, or less than whole packets.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use floodwall_lab::{
    frame::{Frame, ipv4::Ipv4},
    or_skip,
    skip::{cases, require_root},
};
use serde_json::Value;
use tempfile::TempDir;

/// Number of a packet, what became of it, and why.
type Verdict = (usize, String, String);

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const START: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
const HOST: &str = "192.0.2.10";
const KNOWN: &str = r#"{"addresses": ["192.0.2.10"], "services": ["tcp/443"]}"#;

/// A packet of a capture that is to be.
#[derive(Clone)]
struct Said {
    unix_ns: u64,
    leaves: bool,
    /// From the Ethernet header on.
    frame: Vec<u8>,
}

/// How a capture says which way packets went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ethernet,
    Cooked,
    Cooked2,
    Flags,
}

fn word(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// A classic capture in nanoseconds: when, what was captured, and how long it was on the wire.
fn classic(link: u32, packets: impl Iterator<Item = (u64, Vec<u8>, u32)>) -> Vec<u8> {
    let mut capture = [word(0xa1b2_3c4d), [2, 0, 4, 0], word(0), word(0), word(65_535), word(link)].concat();
    for (unix_ns, bytes, length) in packets {
        let (seconds, rest) = (unix_ns / SECOND, unix_ns % SECOND);
        for value in [seconds as u32, rest as u32, bytes.len() as u32, length] {
            capture.extend(word(value));
        }
        capture.extend(bytes);
    }
    capture
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let total = word(body.len() as u32 + 12);
    [&word(kind)[..], &total, body, &total].concat()
}

/// A capture whose packets have flags.
fn flagged(packets: &[Said]) -> Vec<u8> {
    let mut capture = block(0x0a0d_0d0a, &[&word(0x1a2b_3c4d)[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    // A clock of nanoseconds.
    capture.extend(block(1, &[&[1, 0, 0, 0][..], &word(0), &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]].concat()));
    for Said { unix_ns, leaves, frame } in packets {
        let length = word(frame.len() as u32);
        let mut body =
            [word(0), word((unix_ns >> 32) as u32), word(*unix_ns as u32), length, length].concat();
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([2, 0, 4, 0, if *leaves { 2 } else { 1 }, 0, 0, 0, 0, 0, 0, 0]);
        capture.extend(block(6, &body));
    }
    capture
}

fn capture(form: Form, packets: &[Said]) -> Vec<u8> {
    let cooked = |header: fn(u8) -> Vec<u8>| {
        packets.iter().map(move |Said { unix_ns, leaves, frame }| {
            let bytes = [header(if *leaves { 4 } else { 0 }), frame[14..].to_vec()].concat();
            let length = bytes.len() as u32;
            (*unix_ns, bytes, length)
        })
    };
    match form {
        Form::Ethernet => {
            let whole = |said: &Said| (said.unix_ns, said.frame.clone(), said.frame.len() as u32);
            classic(1, packets.iter().map(whole))
        }
        Form::Cooked => classic(113, cooked(|kind| vec![0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0])),
        Form::Cooked2 => {
            classic(276, cooked(|kind| vec![8, 0, 0, 0, 0, 0, 0, 3, 0, 1, kind, 6, 2, 0, 0, 0, 0, 1, 0, 0]))
        }
        Form::Flags => flagged(packets),
    }
}

/// 200 connections that the host opens within two seconds, and as many answers a second to connections that it did not:
/// a reflected flood.
fn reflected() -> Vec<Said> {
    let mut packets = Vec::new();
    for number in 0..200_u16 {
        let start = START + u64::from(number) * 10 * MILLISECOND;
        let said = |after: u64, leaves, frame| Said { unix_ns: start + after * MILLISECOND, leaves, frame };
        let server = [198, 51, 100, number as u8];
        let out = || Frame::ipv4(HOST, server).tcp(20_000 + number, 443);
        let back = || Frame::ipv4(server, HOST).tcp(443, 20_000 + number);
        packets.push(said(0, true, out().syn().build()));
        packets.push(said(1, false, back().syn().ack().build()));
        packets.push(said(2, true, out().ack().build()));
        for reflector in 0..4_u8 {
            let source = [203, 0, reflector, number as u8];
            let frame = Frame::ipv4(source, HOST).tcp(443, 30_000 + number).syn().ack().build();
            packets.push(said(3 + u64::from(reflector), false, frame));
        }
    }
    packets
}

struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> anyhow::Result<Self> {
        let desk = Self { directory: tempfile::tempdir()? };
        desk.write("host.json", KNOWN.as_bytes())?;
        Ok(desk)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        fs::write(self.directory.path().join(name), bytes).with_context(|| format!("writing {name}"))
    }

    /// What is printed.
    fn says(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(BINARY);
        command.current_dir(self.directory.path()).arg("replay").args(arguments);
        let output = command.output().context("running floodwall replay")?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.says(&[arguments, &["--json"]].concat())?)?)
    }

    /// The summary, and the verdicts: number, verdict, reason.
    fn judged(&self, arguments: &[&str]) -> anyhow::Result<(Value, Vec<Verdict>)> {
        let more = ["--verdicts", "v.csv", "--columns", "index,verdict,reason"];
        let summary = self.json(&[arguments, &more].concat())?;
        let text = fs::read_to_string(self.directory.path().join("v.csv"))?;
        let mut lines = Vec::new();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split(',').collect();
            let &[index, verdict, reason] = &columns[..] else { anyhow::bail!("`{line}`") };
            lines.push((index.parse()?, verdict.to_owned(), reason.to_owned()));
        }
        Ok((summary, lines))
    }
}

fn count(summary: &Value, what: &str) -> Option<u64> {
    summary[what].as_u64()
}

#[test]
fn what_the_host_sends_is_not_judged_and_tells_what_it_has_asked_for() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let packets = reflected();
    let mut first = None;
    for form in [Form::Ethernet, Form::Cooked, Form::Cooked2, Form::Flags] {
        desk.write("x", &capture(form, &packets))?;
        let (summary, verdicts) = desk.judged(&["x", "--host", "host.json"])?;
        let told = ["packets", "outgoing", "cut", "undirected"].map(|what| count(&summary, what));
        assert_eq!(told, [Some(1_000), Some(400), Some(0), Some(0)], "{form:?}: {summary}");
        // Packet numbers are those of the capture: every line is on a packet that came in.
        let came_in = packets.iter().enumerate().filter(|(_, said)| !said.leaves).map(|(number, _)| number);
        assert!(verdicts.iter().map(|(index, ..)| *index).eq(came_in), "{form:?}");
        let answered = |index: usize| packets[index].frame[26] == 198;
        for (index, verdict, reason) in verdicts.iter().filter(|(index, ..)| answered(*index)) {
            assert_eq!((verdict.as_str(), reason.as_str()), ("pass", "clean"), "{form:?}: packet {index}");
        }
        let dropped = verdicts.iter().filter(|(_, verdict, _)| verdict == "drop");
        assert!(dropped.clone().all(|(.., reason)| reason == "unsolicited"), "{form:?}");
        assert!(dropped.count() > 400, "of a flood, few pass: {summary}");
        // However the direction is told, the verdicts are the same.
        assert_eq!(*first.get_or_insert_with(|| verdicts.clone()), verdicts, "{form:?}");
    }
    Ok(())
}

#[test]
fn both_engines_learn_the_same_from_what_leaves() -> anyhow::Result<()> {
    or_skip!(require_root());
    let desk = Desk::new()?;
    desk.write("x", &capture(Form::Cooked2, &reflected()))?;
    let arguments = ["x", "--host", "host.json"];
    let model = desk.judged(&arguments)?;
    let kernel = desk.judged(&[&arguments[..], &["--engine", "kernel"]].concat())?;
    assert!(model == kernel, "{} and {}", model.0, kernel.0);
    Ok(())
}

#[test]
fn where_nothing_says_which_way_packets_went_that_is_said() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("x", &capture(Form::Ethernet, &reflected()))?;
    let summary = desk.json(&["x"])?;
    assert_eq!((count(&summary, "undirected"), count(&summary, "packets")), (Some(1_400), Some(1_400)));
    let said = desk.says(&["x"])?;
    assert!(said.contains("note: nothing says which way 1,400 packets went"), "{said}");
    let said = desk.says(&["x", "--host", "host.json"])?;
    assert!(said.starts_with("1,000 packets, "), "{said}");
    assert!(said.contains("note: 400 more packets are the host's own, which are not judged"), "{said}");
    assert!(said.contains("the flows that it opens are known from here on"), "{said}");
    assert!(!said.contains("which way"), "{said}");
    Ok(())
}

#[test]
fn comparisons_and_charts_leave_them_out() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("x", &capture(Form::Flags, &reflected()))?;
    desk.write("a.toml", b"[suspects]\nrate = 1\nburst = 1\n")?;
    desk.write("b.toml", b"")?;
    let report =
        desk.json(&["x", "--host", "host.json", "--diff", "a.toml", "b.toml", "--verdicts", "d.csv"])?;
    let told = ["packets", "outgoing", "cut", "undirected"].map(|what| count(&report, what));
    assert_eq!(told, [Some(1_000), Some(400), Some(0), Some(0)], "{report}");
    let packets = reflected();
    let lines = fs::read_to_string(desk.directory.path().join("d.csv"))?;
    assert!(lines.lines().count() > 1, "{report}");
    for line in lines.lines().skip(1) {
        let index: usize = line.split(',').next().unwrap_or_default().parse()?;
        assert!(!packets[index].leaves, "{line}");
    }
    desk.says(&["x", "--host", "host.json", "--chart", "x.svg"])?;
    let chart = fs::read_to_string(desk.directory.path().join("x.svg"))?;
    assert!(chart.contains("; 400 more not judged<"), "{chart:.900}");
    Ok(())
}

#[test]
fn a_clock_that_is_set_back_makes_no_flood() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("tight.toml", b"[limit]\nsyn = { rate = 2, burst = 2 }\n")?;
    let syn = |number: u16| Frame::ipv4("198.51.100.7", HOST).tcp(20_000 + number, 443).syn().build();
    let stepped = |back: u64| {
        let at = |number: u64| START + 2 * number * SECOND - if number < 20 { 0 } else { back };
        let packets = (0..1_000_u16).map(|number| Said {
            unix_ns: at(u64::from(number)),
            leaves: false,
            frame: syn(number),
        });
        capture(Form::Ethernet, &packets.collect::<Vec<_>>())
    };
    for back in [0, 10 * SECOND, 3_600 * SECOND, 20 * 365 * 86_400 * SECOND] {
        desk.write("x", &stepped(back))?;
        let summary = desk.json(&["x", "--config", "tight.toml"])?;
        assert_eq!(
            (count(&summary, "packets"), count(&summary, "dropped")),
            (Some(1_000), Some(0)),
            "{summary}"
        );
        let marks = summary["marks"].as_array().context("marks")?;
        let set_back = |mark: &&Value| mark["what"].as_str().is_some_and(|what| what.contains("set back"));
        assert_eq!(marks.iter().filter(set_back).count(), usize::from(back > 0), "{summary}");
    }
    Ok(())
}

#[test]
fn segments_that_an_offload_joined_are_judged_by_their_frames() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let payload = [0; 3_000];
    let v4 = || Frame::ipv4("198.51.100.7", HOST).total_length(0).tcp(40_000, 443).psh().ack();
    let mut v6 =
        Frame::ipv6("2001:db8::7", "2001:db8::1").tcp(40_000, 443).psh().ack().payload(&payload).build();
    v6[18..20].fill(0);
    let frames = [v4().payload(&payload).build(), v6, v4().payload(&payload[..100]).build()];
    let packets: Vec<_> =
        frames.into_iter().map(|frame| Said { unix_ns: START, leaves: false, frame }).collect();
    desk.write("x", &capture(Form::Ethernet, &packets))?;
    let (_, verdicts) = desk.judged(&["x"])?;
    let reasons: Vec<_> = verdicts.iter().map(|(.., reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["clean", "clean", "malformed"], "an ordinary frame says how long it is");
    Ok(())
}

#[test]
fn what_is_cut_off_within_its_headers_is_counted_and_not_judged() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let frame = |packet: Frame<Ipv4>| packet.tcp(40_000, 443).ack().payload(&[1; 200]).build();
    let whole = frame(Frame::ipv4("198.51.100.7", HOST));
    let own = frame(Frame::ipv4(HOST, "198.51.100.7"));
    let length = whole.len() as u32;
    let cut = |bytes: &[u8], there: usize| (START, bytes[..there].to_vec(), length);
    let packets =
        [cut(&whole, 30), cut(&whole, 40), cut(&whole, 54), cut(&whole, 254), cut(&own, 40), cut(&own, 60)];
    desk.write("x", &classic(1, packets.into_iter()))?;
    let (summary, verdicts) = desk.judged(&["x", "--host", "host.json"])?;
    let told = ["packets", "outgoing", "cut"].map(|what| count(&summary, what));
    assert_eq!(told, [Some(2), Some(2), Some(2)], "{summary}");
    let clean = |index| (index, "pass".to_owned(), "clean".to_owned());
    assert_eq!(verdicts, [clean(2), clean(3)]);
    let said = desk.says(&["x"])?;
    assert!(said.contains("note: 3 more packets are not judged: the capture has cut them off"), "{said}");
    Ok(())
}

#[test]
fn the_captures_of_operators_are_judged_rightly() -> anyhow::Result<()> {
    let cases = or_skip!(cases()).join("replay");
    let desk = Desk::new()?;
    let path = |name: &str| -> anyhow::Result<String> {
        let path = cases.join(name);
        ensure!(Path::new(&path).is_file(), "{} is not there", path.display());
        Ok(path.to_string_lossy().into_owned())
    };
    let host = path("replay-host.json")?;
    for (name, host, came_in, outgoing, undirected) in [
        ("replay-outgoing-sll2.pcap", Some(&host), 900, 1_800, 0),
        ("replay-outgoing-sll2.pcap", None, 900, 1_800, 0),
        ("replay-outgoing-epbflags.pcapng", Some(&host), 900, 1_800, 0),
        ("replay-clock-stepped-back-1h.pcap", Some(&host), 1_020, 0, 0),
        ("replay-clock-stepped-back-1h.pcap", None, 1_020, 0, 1_020),
        ("replay-tso-ipv4-length0.pcap", None, 20, 0, 20),
        ("replay-tso-ipv6-length0.pcap", None, 20, 0, 20),
    ] {
        let path = path(name)?;
        let mut arguments = vec![path.as_str()];
        if let Some(host) = host {
            arguments.extend(["--host", host.as_str()]);
        }
        let (summary, verdicts) = desk.judged(&arguments)?;
        let told = ["packets", "outgoing", "cut", "undirected"].map(|what| count(&summary, what));
        let expected = [came_in, outgoing, 0, undirected].map(Some);
        assert_eq!(told, expected, "{name}: {summary}");
        for (index, verdict, reason) in verdicts {
            assert_eq!((verdict.as_str(), reason.as_str()), ("pass", "clean"), "{name}: packet {index}");
        }
    }
    Ok(())
}
