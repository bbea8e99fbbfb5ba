//! What is logged: as entries of the journal and as JSON, and how much of it at most, whoever chooses the packets.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    flood::{Bounds, Flood, Pattern, SpoofedSyn, SynFrom},
    or_skip,
    pair::OUTSIDE_V4,
    skip::{require_root, require_tool},
};
use floodwall_tests::{protected::Protected, requests::wait_for};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Commands, more than a kind of line may come at once.
const COMMANDS: usize = 80;
/// Packets that are shown to the program at once. Ten times as many take ten times as long and nothing else more.
const PACKETS: u32 = 10_000_000;
/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(8);

/// An entry in the journal's native protocol: `NAME=value` and a line feed, or `NAME`, a line feed, the length of the value
/// in eight bytes, the value, and a line feed (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
fn entry(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes = &bytes[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            fields.insert(name.to_owned(), value.to_owned());
        } else if let Some((length, rest)) = bytes.split_first_chunk::<8>() {
            let length = u64::from_le_bytes(*length) as usize;
            fields.insert(line, String::from_utf8_lossy(&rest[..length]).into_owned());
            bytes = &rest[length + 1..];
        }
    }
    fields
}

#[test]
fn the_journal_gets_entries_with_priorities_and_fields_and_no_more_of_a_kind_than_lines() -> anyhow::Result<()>
{
    or_skip!(require_root());
    let mut host = Protected::not_started("journal", BINARY, "samples-per-second = 0\n")?;
    let directory = host.file("journal");
    std::fs::create_dir(&directory)?;
    let journal = UnixDatagram::bind(directory.join("socket"))?;
    journal.set_read_timeout(Some(Duration::from_millis(300)))?;
    // Where the journal is for the daemon alone: in a mount namespace of its own.
    let daemon = host.daemon_command(host.bpffs());
    let mut command = host.lab.inside.namespace().command("unshare");
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
         mount --bind {} /run/systemd/journal && exec \"$@\"",
        directory.display()
    );
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.arg(daemon.get_program()).args(daemon.get_args()).args(["--log-format", "journal"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // What is sent waits in the socket, which holds few: it is read as it comes.
    let reader = thread::spawn(move || {
        let (mut entries, mut bytes) = (Vec::new(), vec![0; 256 << 10]);
        let mut quiet = 0;
        while quiet < 40 {
            match journal.recv(&mut bytes) {
                Ok(0) => {}
                Ok(length) => {
                    entries.push(entry(&bytes[..length]));
                    quiet = 0;
                }
                Err(_) => quiet += 1,
            }
            if entries.iter().any(|entry| entry.get("MESSAGE").is_some_and(|text| text.contains("stopping")))
            {
                break;
            }
        }
        entries
    });
    host.adopt(child)?;
    let began = Instant::now();
    for _ in 0..COMMANDS / 2 {
        host.ok(&["block", "add", "198.51.100.7"])?;
        host.ok(&["block", "rm", "198.51.100.7"])?;
    }
    let took = began.elapsed().as_secs() as usize;
    // What was left out is told every ten seconds.
    thread::sleep(Duration::from_secs(11));
    host.lab.inside.namespace().ip("link set eth0 down")?;
    host.lab.inside.namespace().ip("link set eth0 up")?;
    host.end(nix::sys::signal::Signal::SIGTERM)?;
    let entries = reader.join().expect("the reader");
    let of = |kind: &str| -> Vec<_> {
        entries.iter().filter(|entry| entry.get("KIND").is_some_and(|of| of == kind)).collect()
    };
    let lists: Vec<_> = of("list").into_iter().filter(|entry| entry["MESSAGE"].contains("added")).collect();
    let first = lists.first().expect("an entry of the blocklist");
    let field = |name: &str| first.get(name).map(String::as_str);
    assert_eq!(
        (field("PRIORITY"), field("LIST"), field("SYSLOG_IDENTIFIER")),
        (Some("6"), Some("block"), Some("floodwall")),
        "{first:?}"
    );
    assert!((50..=51 + took / 2 + 1).contains(&lists.len()), "{} of {COMMANDS} changes", lists.len());
    let left_out = of("list").into_iter().filter_map(|entry| entry.get("LEFT_OUT")?.parse::<usize>().ok());
    assert_eq!(lists.len() + left_out.sum::<usize>(), COMMANDS, "none goes uncounted");
    let protected = entries.iter().find(|entry| entry["MESSAGE"] == "protected").expect("told");
    assert_eq!(protected.get("INTERFACE").map(String::as_str), Some("eth0"), "{protected:?}");
    Ok(())
}

#[test]
fn lines_of_json_are_documents() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("json-log", BINARY, "samples-per-second = 0\n")?;
    host.environment.push(("FLOODWALL_LOG_FORMAT", "json".to_owned()));
    host.launch()?;
    host.ok(&["block", "add", "198.51.100.7"])?;
    wait_for("the change is logged", || Ok(host.log().contains("1 added")))?;
    let log = host.log();
    let lines: Result<Vec<Value>, _> = log.lines().map(serde_json::from_str).collect();
    let lines = lines.map_err(|error| anyhow::anyhow!("{error}: {log}"))?;
    let list = lines.iter().find(|line| line["kind"] == "list").expect("the change");
    assert_eq!((&list["level"], &list["list"]), (&"INFO".into(), &"block".into()), "{list}");
    assert!(lines.iter().any(|line| line["interface"] == "eth0" && line["message"] == "protected"), "{log}");
    Ok(())
}

/// What the daemon has logged, and what it takes of memory.
struct Before {
    logged: usize,
    memory: u64,
    dropped: u64,
}

impl Before {
    fn take(host: &Protected) -> anyhow::Result<Self> {
        Ok(Self { logged: host.log().len(), memory: host.memory()?, dropped: dropped(host)? })
    }
}

fn dropped(host: &Protected) -> anyhow::Result<u64> {
    let status = host.json(&["status"])?;
    let counters = status["counters"].as_array().cloned().unwrap_or_default();
    let drops = counters.iter().filter(|counter| counter["verdict"] == "drop");
    Ok(drops.filter_map(|counter| counter["packets"].as_u64()).sum())
}

/// Floods the host for a while, and holds what is logged and what memory the daemon takes against what it was once the flood
/// was under way. Returns how many packets were dropped.
fn flooded(host: &Protected, pattern: impl Pattern + 'static) -> anyhow::Result<u64> {
    let before = Before::take(host)?;
    let flood = Flood::start(&host.lab.outside, pattern, Bounds { rate: 40_000, duration: FLOOD })?;
    thread::sleep(FLOOD / 2);
    // What is made room for at first is there by now.
    let under_way = Before::take(host)?;
    flood.wait()?;
    let after = Before::take(host)?;
    let grown = after.memory.saturating_sub(under_way.memory);
    assert!(grown < 16 << 20, "{} KiB more", grown >> 10);
    let logged = after.logged - before.logged;
    assert!((logged as u64) < (1 << 20) * FLOOD.as_secs() / 60, "{logged} bytes: {}", host.log());
    println!(
        "{} dropped, {logged} bytes logged, {} KiB more memory",
        after.dropped - before.dropped,
        grown >> 10
    );
    Ok(after.dropped - before.dropped)
}

#[test]
fn a_flood_that_forges_the_gateway_is_logged_in_a_few_lines() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 10, burst = 4, then = \"ban for 1h\" }\n";
    let host = Protected::start_as_configured("gateway", BINARY, text)?;
    let target = host.target(80);
    let dropped = flooded(&host, SynFrom::new(target, OUTSIDE_V4, 7))?;
    assert!(dropped > 20_000, "{dropped} were dropped");
    assert!(host.json_lines(&["ban", "list"])?.is_empty(), "the gateway is not banned");
    let lines = host.log().lines().count();
    assert!(lines < 200, "{lines} lines: {}", host.log());
    Ok(())
}

#[test]
fn dropped_packets_of_many_sources_are_logged_in_a_few_lines() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("volume-many", BINARY)?;
    host.ok(&["block", "add", "198.18.0.0/15"])?;
    let target = host.target(80);
    let dropped = flooded(&host, SpoofedSyn::new(target, Ipv4Addr::new(198, 18, 0, 0), 15, 7))?;
    assert!(dropped > 50_000, "{dropped} were dropped");
    let lines = host.log().lines().count();
    assert!(lines < 200, "{lines} lines: {}", host.log());
    Ok(())
}

#[test]
fn ten_million_dropped_packets_take_no_memory_and_next_to_no_log() -> anyhow::Result<()> {
    or_skip!(require_root());
    or_skip!(require_tool("bpftool"));
    let host = Protected::start_with_defaults("volume-10m", BINARY)?;
    host.ok(&["block", "add", "198.18.0.0/15"])?;
    let frame = host.file("frame");
    std::fs::write(&frame, host.from("198.18.7.7").tcp(1_000, 80).syn().build())?;
    let run = |packets: u32| -> anyhow::Result<()> {
        let links = Command::new("bpftool")
            .args(["--json", "link", "show", "pinned"])
            .arg(host.bpffs().join("links/eth0"))
            .output()?;
        let link: Value = serde_json::from_slice(&links.stdout)
            .with_context(|| String::from_utf8_lossy(&links.stderr).into_owned())?;
        let program = link["prog_id"].as_u64().context("no program")?.to_string();
        let mut command = host.lab.inside.namespace().command("bpftool");
        command.args(["prog", "run", "id", &program, "repeat", &packets.to_string(), "data_in"]).arg(&frame);
        let output = command.stdin(Stdio::null()).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run(PACKETS / 10)?;
    let (before, began) = (Before::take(&host)?, Instant::now());
    run(PACKETS)?;
    thread::sleep(Duration::from_secs(1));
    let after = Before::take(&host)?;
    let (dropped, logged) = (after.dropped - before.dropped, after.logged - before.logged);
    let grown = after.memory.saturating_sub(before.memory);
    println!(
        "{dropped} dropped in {:?}, {logged} bytes logged, {} KiB more memory",
        began.elapsed(),
        grown >> 10
    );
    assert!(dropped >= PACKETS.into(), "{dropped} were dropped");
    assert!(grown < 8 << 20, "{} KiB more", grown >> 10);
    assert!(logged < 64 << 10, "{logged} bytes: {}", host.log());
    Ok(())
}
