//! A real flood through a real daemon is one incident: with its waves, under one number over a SIGKILL, and in words.

use std::{
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_capture::Reader;
use floodwall_lab::{or_skip, skip::require_root};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::{PATIENCE, Protected},
};
use nix::sys::signal::Signal;
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

/// Waits until what is recorded of the first incident is as it should be.
fn until(
    host: &Protected,
    patience: Duration,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let deadline = Instant::now() + patience;
    loop {
        let list = host.json(&["incident", "list"])?;
        let incidents = list["incidents"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(incidents.len() < 2, "more than one incident: {list}");
        if let Some(incident) = incidents.into_iter().find(&holds) {
            return Ok(incident);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: {list}\n{}", host.log());
        sleep(Duration::from_millis(50));
    }
}

fn is_attacked(incident: &Value) -> bool {
    incident["waves"].as_array().and_then(|waves| waves.last()).is_some_and(|wave| wave["ended_ms"].is_null())
}

fn waves(incident: &Value) -> usize {
    incident["waves"].as_array().map_or(0, Vec::len)
}

fn packets(value: &Value) -> u64 {
    value["dropped"].as_u64().unwrap_or_default()
}

/// Replays a capture with what lies beside it; how many verdicts were the same that are not marked as recorded, all of them.
fn replayed(host: &Protected, file: &Path) -> anyhow::Result<usize> {
    let name = file.display().to_string();
    let verdicts = format!("{name}.csv");
    let mut arguments = vec!["replay".to_owned(), name.clone()];
    for (option, ending) in
        [("--block", "block.txt"), ("--allow", "allow.txt"), ("--signatures", "signatures.txt")]
    {
        let beside = format!("{name}.{ending}");
        if Path::new(&beside).exists() {
            arguments.extend([option.to_owned(), beside]);
        }
    }
    arguments.extend(["--verdicts", &verdicts, "--columns", "index,verdict,reason"].map(str::to_owned));
    host.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    let marks = floodwall_incident::pcapng::marks(&std::fs::read(file)?);
    let lines = std::fs::read_to_string(&verdicts)?;
    let mut held = 0;
    for line in lines.lines().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let mark = fields[0].parse::<usize>().ok().and_then(|index| marks.get(index));
        let mark = mark.ok_or_else(|| anyhow::anyhow!("no mark for {line}"))?;
        if mark.recorded {
            continue;
        }
        let became = if mark.dropped { "drop" } else { "pass" };
        anyhow::ensure!(fields[1] == became, "{line} is marked {mark:?}");
        held += 1;
    }
    Ok(held)
}

#[test]
fn a_flood_is_one_incident_with_waves_and_outlives_a_kill_under_its_number() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_with_defaults("incident", BINARY)?;
    let _listener = listen(&host)?;
    sleep(Duration::from_secs(3));
    assert!(host.ok(&[])?.starts_with("no attack"));
    let list = host.json(&["incident", "list"])?;
    assert_eq!(list["incidents"], serde_json::json!([]), "in peace there is none");

    let began = Instant::now();
    let first = flooded(&host, LESSER_FLOOD, Duration::from_secs(60))?;
    let noticed = until(&host, PATIENCE, "it is not noticed", is_attacked)?;
    assert!(began.elapsed() < Duration::from_secs(4), "noticed after {:?}", began.elapsed());
    assert_eq!((&noticed["id"], waves(&noticed)), (&1.into(), 1));
    let now = host.ok(&[])?;
    assert!(now.starts_with("UNDER ATTACK since ") && now.contains("what now"), "{now}");
    let known = until(&host, PATIENCE, "it does not know what it is", |incident| {
        incident["vectors"][0]["words"] == "spoofed SYN flood"
            && incident["phase"] == "monitoring"
            && packets(&incident["traffic"]) > 5_000
    })?;
    let fingerprints = known["vectors"][0]["fingerprints"].to_string();
    assert!(fingerprints.contains("flags=syn"), "{known}");
    let service = known["services"][0]["service"].clone();

    // Killed in its midst: nothing that was more than a moment old is lost.
    let before = host.json(&["incident", "report", "1"])?;
    host.end(Signal::SIGKILL)?;
    sleep(Duration::from_secs(1));
    host.launch()?;
    let after = host.json(&["incident", "report", "1"])?;
    let dropped = packets(&before["incident"]["traffic"]);
    let kept = packets(&after["incident"]["traffic"]);
    assert!(
        kept + u64::from(LESSER_FLOOD) * 3 / 2 >= dropped,
        "{kept} of {dropped} dropped packets are kept"
    );
    let seconds = |report: &Value| report["series"].as_array().map_or(0, Vec::len);
    assert!(seconds(&after) + 1 >= seconds(&before), "{} of {}", seconds(&after), seconds(&before));
    let on = until(&host, PATIENCE, "it does not go on", |incident| {
        is_attacked(incident) && packets(&incident["traffic"]) > kept + 3 * u64::from(LESSER_FLOOD)
    })?;
    assert_eq!((&on["id"], &on["key"], waves(&on)), (&1.into(), &known["key"], 1), "the same one: {on}");
    let gap = on["warnings"].to_string();
    assert!(gap.contains("the daemon did not run"), "{gap}");

    // It stops, and comes again: the second wave of the same incident.
    first.stop()?;
    let over = until(&host, Duration::from_secs(60), "it does not end", |incident| !is_attacked(incident))?;
    assert_eq!((&over["phase"], waves(&over)), (&"monitoring".into(), 1), "{over}");
    let second = flooded(&host, LESSER_FLOOD, Duration::from_secs(30))?;
    let again = until(&host, PATIENCE, "there is no second wave", |incident| waves(incident) == 2)?;
    assert_eq!((&again["id"], &again["services"][0]["service"]), (&1.into(), &service));
    host.ok(&["block", "add", "203.0.113.0/24", "--note", "by hand"])?;
    until(&host, PATIENCE, "nothing of it is dropped", |incident| {
        incident["waves"][1]["peak_dropped"].as_u64() > Some(u64::from(LESSER_FLOOD) / 2)
    })?;
    second.stop()?;
    for (form, expected) in [("text", "what now"), ("markdown", "## Timeline"), ("html", "<svg")] {
        let said = host.ok(&["incident", "report", "1", "--as", form])?;
        assert!(said.contains("spoofed SYN flood") && said.contains(expected), "{form}: {said}");
        assert!(said.contains("block add") && said.contains("uid 0"), "who did what by hand: {said}");
    }
    let file = host.file("incident.pcapng");
    host.ok(&["incident", "pcap", "1", "--output", &file.display().to_string()])?;
    let records: Vec<_> = Reader::open(&file)?.records().collect::<Result<_, _>>()?;
    assert!(records.len() > 100, "{} packets", records.len());
    let capture = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
    for marked in ["floodwall: dropped, signature", "floodwall: passed, clean, recorded"] {
        assert!(capture.contains(marked), "no packet is marked `{marked}`");
    }
    let repeated = replayed(&host, &file)?;
    assert!(repeated > 100, "{repeated} verdicts were held against a replay");
    if let Ok(version) = Command::new("tshark").arg("--version").output()
        && version.status.success()
    {
        let options = ["-T", "fields", "-e", "frame.verdict.ebpf_xdp", "-e", "frame.comment", "-r"];
        let seen = Command::new("tshark").args(options).arg(&file).output()?;
        assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
        assert_eq!(String::from_utf8_lossy(&seen.stdout).lines().count(), records.len());
    }

    let page = host.ok(&["incident", "report", "--for-status-page"])?;
    assert!(
        page.contains("Investigating") && page.contains("Monitoring") && page.contains("spoofed SYN flood")
    );
    assert!(!page.contains("192.0.2.") && !page.contains("198.18."), "{page}");
    let (code, said) = host.fails(&["incident", "show", "9"])?;
    assert_eq!(code, 3, "{said}");
    if let Some(directory) = std::env::var_os("FLOODWALL_REPORTS") {
        let page = host.ok(&["incident", "report", "1", "--as", "html"])?;
        std::fs::write(Path::new(&directory).join("live.html"), page)?;
        std::fs::write(Path::new(&directory).join("live.txt"), host.ok(&["incident", "show"])?)?;
    }
    Ok(())
}
