//! `floodwall replay` on several captures, one after the other, and on what was there before a capture begins.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use floodwall_capture::Writer;
use floodwall_lab::frame::Frame;
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const START: u64 = 1_767_225_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const HOST: &str = "192.0.2.10";

/// A capture of frames, each with its time.
fn capture(frames: impl IntoIterator<Item = (u64, Vec<u8>)>) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new())?;
    for (unix_ns, frame) in frames {
        writer.frame(unix_ns, &frame)?;
    }
    Ok(writer.finish()?)
}

/// A hundred requests a second from one source, from this second on for so many seconds.
fn requests(from: u64, seconds: u64) -> impl Iterator<Item = (u64, Vec<u8>)> {
    (0..seconds * 100).map(move |step| {
        let syn = Frame::ipv4("203.0.113.7", HOST).tcp(10_000 + step as u16, 80).syn().build();
        (START + from * SECOND + step * 10_000_000, syn)
    })
}

/// The same, of a source that completes the first of them: nobody else can be banned in its name.
fn connections(from: u64, seconds: u64) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let completes = Frame::ipv4("203.0.113.7", HOST).tcp(10_000, 80).ack().build();
    let requests = requests(from, seconds).enumerate();
    requests.map(move |(number, (time, frame))| (time, if number == 1 { completes.clone() } else { frame }))
}

/// Answers from servers of a network to connections of the host, a hundred a second for four seconds, and three times
/// as many to connections that it has not opened.
fn answers(network: u8) -> impl Iterator<Item = (u64, Vec<u8>)> {
    (0..1_600_u64).map(move |step| {
        let (server, port) = ((step / 4) as u16, if step % 4 == 0 { 20_000 } else { 40_000 });
        let source = [198, 51, network, (server % 200) as u8];
        let frame = Frame::ipv4(source, HOST).tcp(443, port + server).syn().ack().build();
        (START + step * 2_500_000, frame)
    })
}

/// The flows that `answers` belong to, a millisecond before them.
fn flows(network: u8) -> String {
    let line = |server: u64| {
        let seconds = server as f64 * 0.01 - 0.001;
        format!("{seconds},6,{HOST},{},198.51.{network}.{},443\n", 20_000 + server, server % 200)
    };
    (0..400).map(line).collect()
}

/// A request, and after a minute, in which the filter learns, segments of connections that were there before, a hundred
/// a second for four seconds, each from a customer of his own; and three times as many of none.
fn segments() -> impl Iterator<Item = (u64, Vec<u8>)> {
    let first = requests(0, 1).take(1);
    first.chain((1..1_600_u64).map(|step| {
        let (customer, network) = ((step / 4) as u16, if step % 4 == 0 { 51 } else { 52 });
        let source = [198, network, (customer / 200) as u8, (customer % 200) as u8];
        let frame = Frame::ipv4(source, HOST).tcp(20_000 + customer, 443).ack().payload(&[1; 50]).build();
        (START + 60 * SECOND + step * 2_500_000, frame)
    }))
}

struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> anyhow::Result<Self> {
        let desk = Self { directory: tempfile::tempdir()? };
        desk.write("tight.toml", b"[limit]\nsyn = { rate = 10, burst = 10 }\n")?;
        desk.write(
            "ban.toml",
            b"[defaults]\nsource-syn = { rate = 10, burst = 10, then = \"ban for 10m\" }\n",
        )?;
        desk.write("host.json", br#"{"addresses": ["192.0.2.10"], "services": ["tcp/443"]}"#)?;
        Ok(desk)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        fs::write(self.file(name), bytes).with_context(|| format!("writing {name}"))
    }

    /// How it ended, and what was printed.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String, String)> {
        let mut command = Command::new(BINARY);
        command.current_dir(self.directory.path()).arg("replay").args(arguments);
        let output = command.output().context("running floodwall replay")?;
        let [said, complained] = [output.stdout, output.stderr].map(String::from_utf8);
        Ok((output.status.code(), said?, complained?))
    }

    fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let (ended, said, complained) = self.run(&[arguments, &["--json"]].concat())?;
        ensure!(ended == Some(0), "{arguments:?}: {complained}");
        Ok(serde_json::from_str(&said)?)
    }

    /// The chosen columns of the verdicts, a line for each packet.
    fn lines(&self, columns: &str, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
        self.json(&[arguments, &["--verdicts", "v.csv", "--columns", columns]].concat())?;
        let text = fs::read_to_string(self.file("v.csv"))?;
        Ok(text.lines().skip(1).map(str::to_owned).collect())
    }

    /// Of every fourth packet, beginning with the first: how many passed, in each capture.
    fn passed(&self, captures: usize, arguments: &[&str]) -> anyhow::Result<Vec<usize>> {
        let mut passed = vec![0; captures];
        for line in self.lines("capture,index,verdict", arguments)? {
            let columns: Vec<&str> = line.split(',').collect();
            let &[capture, index, verdict] = &columns[..] else { anyhow::bail!("`{line}`") };
            if index.parse::<usize>()?.is_multiple_of(4) && verdict == "pass" {
                passed[capture.parse::<usize>()? - 1] += 1;
            }
        }
        Ok(passed)
    }
}

#[test]
fn a_capture_that_was_cut_in_two_is_judged_as_the_whole() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("whole", &capture(requests(0, 10))?)?;
    desk.write("a", &capture(requests(0, 10).take(437))?)?;
    desk.write("b", &capture(requests(0, 10).skip(437))?)?;
    let columns = "time,verdict,reason,rule";
    let whole = desk.lines(columns, &["whole", "--config", "tight.toml"])?;
    assert_eq!(whole.len(), 1_000);
    assert!(whole.iter().any(|line| line.contains("drop")), "the limit is reached");
    assert_eq!(desk.lines(columns, &["a", "b", "--config", "tight.toml"])?, whole);
    let summary = desk.json(&["a", "b", "--config", "tight.toml"])?;
    assert_eq!(summary["captures"][1]["moved"], 0.0, "{summary}");
    Ok(())
}

#[test]
fn another_capture_follows_with_what_was_learnt() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("x", &capture(connections(0, 10))?)?;
    desk.write("y", &capture(connections(500_000, 10))?)?;
    let alone = desk.json(&["x", "--config", "ban.toml"])?;
    assert!(alone["captures"].is_null() && alone["marks"][0]["capture"].is_null(), "{alone}");
    // The same again, and one that was taken days later.
    for second in ["x", "y"] {
        let both = desk.json(&["x", second, "--config", "ban.toml"])?;
        let of = |capture: usize, what: &str| both["captures"][capture][what].clone();
        assert_eq!((of(0, "capture"), of(1, "capture")), (1.into(), 2.into()));
        assert_eq!((of(0, "name"), of(1, "name")), ("x".into(), second.into()));
        assert_eq!((of(0, "packets"), of(1, "packets")), (1_000.into(), 1_000.into()), "{both}");
        assert_eq!(of(0, "dropped"), alone["dropped"]);
        assert_eq!((of(1, "dropped"), of(1, "passed")), (1_000.into(), 0.into()), "whom it has banned");
        // The first ends at 9.99 s.
        let begins =
            of(1, "begins").as_f64().context("a time")? - both["first"].as_f64().context("a time")?;
        assert!((begins - 10.04).abs() < 0.001, "{begins}");
        let moved = of(1, "moved").as_f64().context("a time")?;
        assert!((moved - if second == "x" { 10.04 } else { -499_989.96 }).abs() < 0.001, "{moved}");
        let marks = both["marks"].as_array().context("marks")?;
        let begins = format!("capture 2, {second}, begins, ");
        let begin =
            marks.iter().find(|mark| mark["what"].as_str().is_some_and(|what| what.starts_with(&begins)));
        assert_eq!(begin.context("a mark where it begins")?["capture"], 2);
    }
    let (_, said, _) = desk.run(&["x", "y", "--config", "ban.toml", "--chart", "x.svg"])?;
    assert!(said.contains("CAPTURE  NAME  BEGINS AT"), "{said}");
    assert!(fs::read_to_string(desk.file("x.svg"))?.contains("Packets/s in x, y<"));
    let verdicts = ["x", "y", "--config", "ban.toml", "--verdicts", "v.csv"];
    desk.json(&verdicts)?;
    let lines = fs::read_to_string(desk.file("v.csv"))?;
    assert!(lines.starts_with("capture,index,time,") && lines.contains("\n2,999,"), "{lines:.80}");
    Ok(())
}

#[test]
fn differences_say_which_capture_they_are_in() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("calm", &capture(requests(0, 10).step_by(50))?)?;
    desk.write("x", &capture(requests(0, 10))?)?;
    desk.write("none.toml", b"")?;
    let report = desk.json(&["calm", "x", "--diff", "none.toml", "tight.toml", "--verdicts", "d.csv"])?;
    assert_eq!(report["kinds"][0]["first_capture"], 2, "{report}");
    let lines = fs::read_to_string(desk.file("d.csv"))?;
    let mut lines = lines.lines();
    assert!(lines.next().context("a heading")?.starts_with("capture,index,"));
    assert!(lines.next().context("a line")?.starts_with("2,"));
    Ok(())
}

#[test]
fn hosts_and_flows_are_given_once_or_for_each() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    for network in [1, 2] {
        desk.write(&format!("{network}.pcap"), &capture(answers(network))?)?;
        desk.write(&format!("{network}.csv"), flows(network).as_bytes())?;
    }
    // Those of both, on the clock of the first: the second begins after 3.9975 s and a twentieth of one.
    let mut all = flows(1);
    for line in flows(2).lines() {
        let (seconds, rest) = line.split_once(',').context("a flow")?;
        all += &format!("{},{rest}\n", seconds.parse::<f64>()? + 4.0475);
    }
    desk.write("all.csv", all.as_bytes())?;
    let replay =
        |more: &[&str]| desk.passed(2, &[&["1.pcap", "2.pcap", "--host", "host.json"], more].concat());
    assert_eq!(replay(&["--egress", "1.csv", "--egress", "2.csv"])?, [400, 400]);
    assert_eq!(replay(&["--egress", "all.csv"])?, [400, 400]);
    let other = replay(&["--egress", "1.csv", "--egress", "1.csv"])?;
    assert!(other[0] == 400 && other[1] < 200, "the flows of another: {other:?}");
    let other = replay(&["--egress", "1.csv"])?;
    assert!(other[0] == 400 && other[1] < 200, "told once, they are not told again: {other:?}");

    // Of a host with another address, they are the host's own packets.
    desk.write("other.json", br#"{"addresses": ["198.51.2.1"]}"#)?;
    let summary = desk.json(&["1.pcap", "2.pcap", "--host", "host.json", "--host", "other.json"])?;
    let outgoing = [0, 1].map(|capture| summary["captures"][capture]["outgoing"].as_u64());
    assert_eq!(outgoing, [Some(0), Some(8)], "{summary}");
    Ok(())
}

#[test]
fn connections_that_were_there_are_known() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("x", &capture(segments())?)?;
    desk.write("no.csv", b"")?;
    let connection = |customer: u64| {
        let (high, low, port) = (customer / 200, customer % 200, 20_000 + customer);
        format!(r#"{{"protocol": "tcp", "local": "{HOST}:443", "remote": "198.51.{high}.{low}:{port}"}}"#)
    };
    let all = (0..400).map(connection).collect::<Vec<_>>().join(",");
    let known = format!(r#"{{"addresses": ["{HOST}"], "services": ["tcp/443"], "connections": [{all}]}}"#);
    desk.write("known.json", known.as_bytes())?;
    let passed = |host| desk.passed(1, &["x", "--egress", "no.csv", "--host", host]);
    assert_eq!(passed("known.json")?, [400]);
    let unknown = passed("host.json")?;
    assert!(unknown[0] < 200, "{unknown:?}");
    // Told once for all, they were there before the first.
    let both = ["x", "x", "--egress", "no.csv", "--host", "known.json"];
    assert_eq!(desk.passed(2, &both)?, [400, 400]);
    Ok(())
}

#[test]
fn damage_ends_a_capture_and_not_the_ones_after_it() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let mut bytes = capture(requests(0, 1))?;
    bytes.truncate(bytes.len() - 1);
    desk.write("cut", &bytes)?;
    desk.write("empty", &capture([])?)?;
    desk.write("x", &capture(requests(0, 1))?)?;
    let (ended, said, _) = desk.run(&["empty", "cut", "x", "--json"])?;
    let summary: Value = serde_json::from_str(&said)?;
    assert_eq!(ended, Some(12), "{summary}");
    let packets = [0, 1, 2].map(|capture| summary["captures"][capture]["packets"].as_u64());
    assert_eq!(packets, [Some(0), Some(99), Some(100)], "{summary}");
    assert!(summary["captures"][0]["begins"].is_null());
    let damage = summary["damage"].as_str().context("damage")?;
    assert!(
        damage.starts_with("capture cut, packet 99") && damage.contains("middle of a packet"),
        "{damage}"
    );
    Ok(())
}

#[test]
fn what_does_not_go_together_is_refused_before_the_first_packet() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("x", &capture(requests(0, 1))?)?;
    desk.write("text", b"this is no capture at all")?;
    desk.write("f.csv", b"")?;
    for (arguments, expected) in [
        (&["x", "text", "--verdicts", "v.csv"][..], "capture text: neither pcap nor pcapng"),
        (&["x", "gone", "--verdicts", "v.csv"], "gone"),
        (&["-", "x", "-"], "standard input can be read only once"),
        (
            &["x", "x", "x", "--host", "host.json", "--host", "host.json"],
            "--host is given 2 times, for 3 captures",
        ),
        (&["x", "--egress", "f.csv", "--egress", "f.csv"], "--egress is given 2 times, for 1 captures"),
        (&[], "CAPTURE"),
    ] {
        let (ended, _, complained) = desk.run(arguments)?;
        assert_eq!(ended, Some(2), "{arguments:?}: {complained}");
        assert!(complained.contains(expected), "{arguments:?}: {complained}");
    }
    assert!(!desk.file("v.csv").exists());
    Ok(())
}
