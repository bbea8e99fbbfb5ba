//! `floodwall replay` as an operator sees it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, ensure};
use floodwall_capture::Writer;
use floodwall_lab::{frame::Frame, or_skip, skip::require_root};
use floodwall_tests::protected::Protected;
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const START: u64 = 1_767_225_600_000_000_000;

/// Ten customers, each with a SYN a second for ten seconds, and one who sends a hundred a second.
fn capture() -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new())?;
    for step in 0..1_000_u16 {
        let nanoseconds = START + u64::from(step) * 10_000_000;
        let syn = |source: [u8; 4]| Frame::ipv4(source, "192.0.2.10").tcp(10_000 + step, 80).syn().build();
        writer.frame(nanoseconds, &syn([203, 0, 113, 7]))?;
        if step % 10 == 0 {
            writer.frame(nanoseconds, &syn([198, 51, 100, (step / 10 % 10) as u8]))?;
        }
    }
    Ok(writer.finish()?)
}

/// A directory with the capture and some configurations.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> anyhow::Result<Self> {
        let desk = Self { directory: tempfile::tempdir()? };
        fs::write(desk.file("x.pcap"), capture()?)?;
        fs::write(desk.file("tight.toml"), "[limit]\nsyn = { rate = 10, burst = 10 }\n")?;
        fs::write(desk.file("loose.toml"), "[limit]\nsyn = { rate = 1000, burst = 1000 }\n")?;
        Ok(desk)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(BINARY);
        command.current_dir(self.directory.path()).arg("replay").args(arguments);
        command.output().context("running floodwall replay")
    }

    fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.run(&[arguments, &["--json"]].concat())?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn fails(&self, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
        let output = self.run(arguments)?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

#[test]
fn the_summary_counts_by_reason_rule_and_second() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    fs::write(desk.file("list"), "203.0.113.0/28\n")?;
    let summary = desk.json(&["x.pcap", "--config", "loose.toml", "--block", "list"])?;
    assert_eq!(summary["packets"], 1_100);
    assert_eq!(
        (&summary["rules"][0]["rule"], &summary["rules"][0]["packets"]),
        (&"203.0.113.0/28".into(), &Value::from(1_000))
    );
    let seconds = summary["timeline"].as_array().context("a timeline")?;
    assert_eq!(seconds.len(), 10);
    assert!(seconds.iter().all(|second| second["reasons"]["blocked"] == 100));
    fs::write(desk.file("allowed"), "203.0.113.7\n")?;
    let summary =
        desk.json(&["x.pcap", "--config", "loose.toml", "--block", "list", "--allow", "allowed"])?;
    assert_eq!(summary["rules"][0]["reason"], "trusted");
    Ok(())
}

#[test]
fn a_chart_shows_it_and_verdicts_have_the_columns_that_were_chosen() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.json(&["x.pcap", "--chart", "x.svg", "--verdicts", "v.csv", "--columns", "index,verdict,reason"])?;
    let chart = fs::read_to_string(desk.file("x.svg"))?;
    assert!(chart.starts_with("<svg ") && chart.contains("Packets/s in x.pcap"));
    let verdicts = fs::read_to_string(desk.file("v.csv"))?;
    assert!(verdicts.starts_with("index,verdict,reason\n0,"), "{verdicts:.60}");
    Ok(())
}

#[test]
fn two_configurations_are_held_against_each_other() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let report = desk.json(&["x.pcap", "--diff", "loose.toml", "tight.toml", "--verdicts", "d.csv"])?;
    let differs = report["verdict_differs"].as_u64().context("a number")?;
    assert!((700..1_000).contains(&differs), "{report}");
    assert!(report["kinds"].as_array().context("kinds")?.iter().all(|kind| kind["a"]["verdict"] == "pass"));
    let lines = fs::read_to_string(desk.file("d.csv"))?;
    let all = differs + report["only_reason_differs"].as_u64().context("a number")?;
    assert_eq!(lines.lines().count() as u64, all + 1);
    let same = desk.json(&["x.pcap", "--diff", "tight.toml", "tight.toml"])?;
    assert_eq!((&same["verdict_differs"], &same["packets"]), (&Value::from(0), &Value::from(1_100)));
    Ok(())
}

#[test]
fn a_pipe_is_read_as_a_file_is() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let mut command = Command::new(BINARY);
    command.args(["replay", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("standard input")?.write_all(&capture()?)?;
    let piped: Value = serde_json::from_slice(&child.wait_with_output()?.stdout)?;
    assert_eq!(piped, desk.json(&["x.pcap"])?);
    Ok(())
}

#[test]
fn what_cannot_be_used_is_named() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    fs::write(desk.file("text"), "this is no capture at all")?;
    fs::write(desk.file("bad-list"), "203.0.113.7/24\n")?;
    fs::write(desk.file("host.json"), "{\"addresses\": []}")?;
    fs::write(desk.file("flows.csv"), "1,6,192.0.2.10\n")?;
    fs::write(desk.file("limits.toml"), "[limit]\nsyn = 3\n")?;
    for (arguments, code, expected) in [
        (&["text"][..], 2, "neither pcap nor pcapng"),
        (&["nothing.pcap"], 2, "nothing.pcap"),
        (&["x.pcap", "--block", "bad-list"], 5, "203.0.113.0/24"),
        (&["x.pcap", "--host", "host.json"], 2, "names no address"),
        (&["x.pcap", "--egress", "flows.csv"], 2, "line 1"),
        (&["x.pcap", "--config", "limits.toml"], 2, "line 2"),
        (&["x.pcap", "--columns", "index,why"], 2, "`why` is no column"),
        (&["x.pcap", "--diff", "tight.toml"], 2, "--diff"),
        (&["x.pcap", "--verdicts", "nowhere/v.csv"], 1, "nowhere/v.csv"),
        (&["x.pcap", "--engine", "card"], 2, "kernel"),
    ] {
        let (ended, said) = desk.fails(arguments)?;
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let (ended, said) = desk.fails(&["x.pcap", "--verdicts", "v.csv", "--chart", "nowhere/x.svg"])?;
    assert_eq!((ended, said.contains("nowhere/x.svg")), (Some(2), true), "{said}");
    assert_eq!(
        fs::read_to_string(desk.file("v.csv"))?.lines().count(),
        1,
        "it is refused before the first packet"
    );
    let (ended, said) = desk.fails(&["x.pcap", "--against", "live", "--socket", "/nonexistent/s"])?;
    assert_eq!(ended, Some(7), "{said}");
    Ok(())
}

#[test]
fn damage_is_told_after_what_came_before_it() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let mut bytes = capture()?;
    bytes.truncate(bytes.len() - 1);
    fs::write(desk.file("cut.pcap"), bytes)?;
    let output = desk.run(&["cut.pcap"])?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(12), "{said}");
    assert!(
        said.starts_with("1,099 packets") && said.contains("it ends in the middle of a packet"),
        "{said}"
    );
    Ok(())
}

#[test]
fn the_daemons_lists_and_limits_can_be_tried() -> anyhow::Result<()> {
    or_skip!(require_root());
    let desk = Desk::new()?;
    let host = Protected::start("against", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    host.ok(&["limit", "set", "syn", "off"])?;
    host.ok(&["limit", "set", "packets", "off"])?;
    let capture = desk.file("x.pcap");
    let replay = |more: &[&str]| -> anyhow::Result<Value> {
        let path = path(&capture)?;
        host.json(&[&["replay", path, "--against", "live"], more].concat())
    };
    let live = replay(&[])?;
    assert_eq!(
        (&live["dropped"], &live["rules"][0]["rule"]),
        (&Value::from(1_000), &"203.0.113.0/24".into())
    );
    fs::write(desk.file("list"), "198.51.100.0/24\n")?;
    let list = desk.file("list");
    assert_eq!(replay(&["--block", path(&list)?])?["dropped"], 1_100);
    assert_eq!(host.count("blocked")?, 0, "the interface has seen nothing of it");
    Ok(())
}

#[test]
fn the_daemons_rules_and_signatures_can_be_tried() -> anyhow::Result<()> {
    or_skip!(require_root());
    let desk = Desk::new()?;
    let service = "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [80]\n[[service.rule]]\nper = \"source\"\n\
                   of = \"syn\"\nrate = 10\nburst = 10\nthen = \"limit\"";
    let host = Protected::start_configured("policy", BINARY, service)?;
    // The second half of the capture, from whomever.
    host.ok(&["signature", "add", "tcp", "flags=syn", "sport=10500-10999", "to", "web"])?;
    host.ok(&["signature", "add", "tcp", "flags=syn", "sport=10000-10099", "to", "web", "--monitor"])?;
    let capture = desk.file("x.pcap");
    let replay = |more: &[&str]| -> anyhow::Result<Value> {
        let path = path(&capture)?;
        host.json(&[&["replay", path, "--against", "live"], more].concat())
    };
    let live = replay(&[])?;
    assert_eq!(packets(&live, "signature"), 550, "{live}");
    // 100 SYN/s for 5 s, of which the rule lets 10 and 10/s through.
    assert!((435..=445).contains(&packets(&live, "source-rate")), "{live}");
    assert_eq!(replay(&["--engine", "kernel"])?, live);
    let told = [&live["marks"][0]["what"], &live["marks"][1]["what"]].map(|what| what.as_str().unwrap_or(""));
    let [first, second] = told;
    assert!(first.starts_with("signature 0, as the daemon has it: tcp to web "), "{first}");
    assert!(second.starts_with("signature 1, ") && second.ends_with("(only counts)"), "{second}");

    host.ok(&["limit", "set", "web", "syn", "per", "source", "10/s", "burst", "10", "--mode", "monitor"])?;
    let live = replay(&[])?;
    assert_eq!((packets(&live, "source-rate"), packets(&live, "signature")), (0, 550), "{live}");
    // What matches the signature that only counts is told as that: 80 of the first second are over the rate, too.
    assert!((355..=365).contains(&live["would"]["source-rate"].as_u64().unwrap_or(0)), "{live}");

    let tight = desk.file("tight.toml");
    let other = replay(&["--config", path(&tight)?])?;
    let told = other["marks"][0]["what"].as_str().unwrap_or("");
    assert!(told.contains("left out, as there is no such service here"), "{other}");
    assert_eq!(packets(&other, "signature"), 0, "{other}");
    Ok(())
}

/// Packets of a replay that left with a reason.
fn packets(summary: &Value, reason: &str) -> u64 {
    let rows = summary["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    let row = rows.iter().find(|row| row["reason"] == reason);
    row.and_then(|row| row["packets"].as_u64()).unwrap_or(0)
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is text")
}
