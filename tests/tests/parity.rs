//! The program in the kernel and its twin on the host: the same verdict, reason and counters for everything.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use floodwall::{replay::clock::START, tables::Table};
use floodwall_capture::{Reader, Writer};
use floodwall_common::{
    frame::Captured,
    parse::protocol,
    service::byte_of,
    wire::{Port, Settings, Word},
};
use floodwall_lab::{
    frame::Frame,
    or_skip,
    random::Random,
    skip::{corpus, require_root},
};
use floodwall_tests::{
    chatter::{self, Said},
    dns,
    experiment::{Experiment, Poke},
    parity::{Both, WRITTEN},
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Differences that were found, and must not come back.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/parity");
/// What a fuzzer begins with.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/engines");

/// The files below a directory whose names end so, in order.
fn files(directory: &Path, endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))? {
            let path = entry?.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                left.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn differences_that_were_found_stay_mended() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut both = Both::new()?;
    let fixtures = files(Path::new(FIXTURES), &[".txt"])?;
    ensure!(!fixtures.is_empty(), "there are no fixtures in {FIXTURES}");
    for path in fixtures {
        let experiment: Experiment =
            fs::read_to_string(&path)?.parse().with_context(|| path.display().to_string())?;
        both.run(&experiment).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[test]
fn the_fuzzers_seeds_are_judged_alike() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut both = Both::new()?;
    let seeds = files(Path::new(SEEDS), &[""])?;
    ensure!(seeds.len() > 10, "only {} seeds in {SEEDS}", seeds.len());
    for path in seeds {
        both.run(&Experiment::from_bytes(&fs::read(&path)?)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[test]
fn random_frames_of_both_directions_teach_both_the_same() -> anyhow::Result<()> {
    or_skip!(require_root());
    const OUTSIDE: u32 = (std::mem::offset_of!(Settings, outside) / size_of::<Word>()) as u32;
    let mut both = Both::new()?;
    let mut random = Random::new(13);
    let mut learnt = 0;
    for round in 0..60_u64 {
        both.clear();
        both.make_busy();
        // Interface 2 leads outside, interface 1, which everything leaves by, does or does not; or nothing is said.
        let value = [0, 2, 2 << 32 | 1][round as usize % 3];
        both.poke(Poke { table: Table::Settings, index: OUTSIDE, value });
        let mut time_ns = START;
        for number in 0..400 {
            time_ns += u64::from(random.below(20_000_000)) << [0, 0, 0, 8][random.below(4) as usize];
            let Said { leaves, length, bytes } = chatter::said(&mut random);
            let frame = Captured::cut(&bytes, length);
            let shown = match leaves {
                Some(from) => both.observe(time_ns, &frame, from),
                None => both.judge(time_ns, &frame).map(drop),
            };
            shown.with_context(|| {
                format!("round {round}, frame {number}, {leaves:?}, {length}: {bytes:02x?}")
            })?;
        }
        both.compare(&WRITTEN).with_context(|| format!("after round {round}"))?;
        // Where what leaves goes inward, only what was made here teaches anything.
        ensure!(both.learnt() > 10, "round {round}: only {} entries", both.learnt());
        learnt += both.learnt();
    }
    ensure!(learnt > 60 * 50, "only {learnt} entries in all");
    Ok(())
}

/// Questions for names of all lengths, and their answers, both cut short as well.
#[test]
fn answers_of_a_name_server_teach_both_the_same() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut both = Both::new()?;
    let byte = byte_of(protocol::UDP, dns::PORT);
    let offered = Port { service: 0, offered: true, carried: false };
    let value = u64::from(offered.pack()) << (byte % 8 * 8);
    both.poke(Poke { table: Table::Ports, index: byte / 8, value });
    let (host, resolver) = ([192, 0, 2, 10], [198, 51, 100, 1]);
    let mut time_ns = START;
    for length in 1..=63 {
        time_ns += 1_000_000;
        let name = format!("{}.{}.zone", "a".repeat(length), "b".repeat(length));
        let asked = dns::question(7, &name);
        let question = Frame::ipv4(resolver, host).udp(40_000, dns::PORT).payload(&asked).build();
        both.judge(time_ns, &Captured::whole(&question))?;
        for (flags, records) in [([0x85, 0x83], 0), ([0x85, 0x80], 1), ([0x85, 0x80], 1)] {
            let mut answer = asked.clone();
            answer[2..4].copy_from_slice(&flags);
            answer[7] = records;
            let answer = Frame::ipv4(host, resolver).udp(dns::PORT, 40_000).payload(&answer).build();
            both.observe(time_ns, &Captured::whole(&answer[..answer.len() - length]), 0)?;
            both.observe(time_ns, &Captured::whole(&answer), 0)?;
        }
    }
    both.compare(&WRITTEN)?;
    assert_eq!(both.existing_names()?, 63);
    Ok(())
}

#[test]
fn malformed_captures_are_judged_alike() -> anyhow::Result<()> {
    all_of("malformed", 5_000)
}

#[test]
fn real_captures_are_judged_alike() -> anyhow::Result<()> {
    all_of("pcaps", 100_000)
}

fn all_of(folder: &str, least: u64) -> anyhow::Result<()> {
    or_skip!(require_root());
    let corpus = or_skip!(corpus());
    let mut both = Both::new()?;
    let mut packets = 0;
    for path in files(&corpus.join(folder), &[".pcap", ".pcapng", ".cap"])? {
        packets += both.run_capture(&path)?;
    }
    ensure!(packets > least, "only {packets} packets");
    Ok(())
}

/// Runs `floodwall replay`, and returns what it printed and the verdicts.
fn replay(arguments: &[&str], engine: &str, directory: &Path) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let verdicts = directory.join(format!("{engine}.csv"));
    let mut command = Command::new(BINARY);
    command
        .arg("replay")
        .args(arguments)
        .args(["--json", "--engine", engine])
        .arg("--verdicts")
        .arg(&verdicts);
    let output = command.output().context("running floodwall replay")?;
    let code = output.status.code();
    ensure!(code == Some(0) || code == Some(12), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((output.stdout, fs::read(verdicts)?))
}

#[test]
fn scenarios_replay_alike_with_all_that_the_controller_does() -> anyhow::Result<()> {
    or_skip!(require_root());
    let scenarios = or_skip!(corpus()).join("scenarios");
    let directory = tempfile::tempdir()?;
    for capture in files(&scenarios, &[".pcap.gz"])? {
        let file = |ending: &str| capture.to_string_lossy().replace(".pcap.gz", ending);
        let (host, egress) = (file(".json"), file(".egress.csv.gz"));
        let capture = file(".pcap.gz");
        let arguments = [capture.as_str(), "--host", &host, "--egress", &egress];
        let (model, kernel) =
            (replay(&arguments, "model", directory.path())?, replay(&arguments, "kernel", directory.path())?);
        if let Some(at) =
            model.1.split(|&b| b == b'\n').zip(kernel.1.split(|&b| b == b'\n')).find(|(a, b)| a != b)
        {
            let (ours, theirs) = (String::from_utf8_lossy(at.0), String::from_utf8_lossy(at.1));
            anyhow::bail!("{capture}: the model says `{ours}`, and the kernel `{theirs}`");
        }
        ensure!(model == kernel, "{capture}: the summaries differ");
    }
    Ok(())
}

/// A flood from one source among customers, as a capture.
fn flood() -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new())?;
    for number in 0..3_000_u16 {
        let [high, low] = number.to_be_bytes();
        let frame = if number % 3 == 0 {
            Frame::ipv4([198, 51, 100, low], "192.0.2.10").tcp(40_000 + number, 80).syn().build()
        } else {
            Frame::ipv4([203, 0, 113, 7], "192.0.2.10").tcp(u16::from_be_bytes([high, low]), 80).syn().build()
        };
        writer.frame(1_767_225_600_000_000_000 + u64::from(number) * 1_000_000, &frame)?;
    }
    Ok(writer.finish()?)
}

#[test]
fn the_same_input_gives_the_same_bytes() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let capture = directory.path().join("flood.pcap");
    fs::write(&capture, flood()?)?;
    let list = directory.path().join("list");
    fs::write(&list, "198.51.100.0/25\n")?;
    let (capture, list) = (capture.to_string_lossy(), list.to_string_lossy());
    let arguments = [&*capture, "--block", &list];
    let first = replay(&arguments, "model", directory.path())?;
    for _ in 1..10 {
        ensure!(replay(&arguments, "model", directory.path())? == first, "another run gave other bytes");
    }
    let text = String::from_utf8_lossy(&first.1);
    ensure!(
        text.lines().count() == 3_001 && text.contains(",drop,blocked,198.51.100.0/25,\n"),
        "{text:.300}"
    );
    or_skip!(require_root());
    ensure!(replay(&arguments, "kernel", directory.path())? == first, "the kernel gave other bytes");
    Ok(())
}

#[test]
fn every_packet_of_a_damaged_capture_has_one_verdict() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut bytes = flood()?;
    bytes.truncate(bytes.len() - 7);
    let path = directory.path().join("cut.pcap");
    fs::write(&path, bytes)?;
    let path = path.to_string_lossy();
    let (summary, verdicts) = replay(&[&path], "model", directory.path())?;
    ensure!(verdicts.split(|&byte| byte == b'\n').count() == 1 + 2_999 + 1, "a line each and a heading");
    ensure!(
        String::from_utf8_lossy(&summary).contains("it ends in the middle of a packet"),
        "damage is told"
    );

    let Ok(corpus) = corpus() else { floodwall_lab::skip!("the rest needs the corpus") };
    for path in files(&corpus.join("malformed"), &[".pcap", ".pcapng", ".cap"])?.iter().step_by(20) {
        let Ok(mut capture) = Reader::open(path) else { continue };
        let mut packets = 0;
        while let Ok(Some(_)) = capture.read() {
            packets += 1;
        }
        let (summary, verdicts) = replay(&[&path.to_string_lossy()], "model", directory.path())?;
        let lines = verdicts.split(|&byte| byte == b'\n').count() as u64 - 2;
        let summary: Value = serde_json::from_slice(&summary)?;
        let told = |key: &str| summary[key].as_u64().with_context(|| format!("{key} in the summary"));
        let apart = told("outgoing")? + told("cut")?;
        ensure!(lines == told("packets")?, "{}: {lines} lines", path.display());
        ensure!(lines + apart == packets, "{}: {packets} packets, {lines} lines", path.display());
    }
    Ok(())
}
