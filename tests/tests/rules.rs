//! Rules, with real packets: what they stop, whom they leave alone, and what an operator can do about it.

use std::{
    thread,
    time::{Duration, Instant},
};

use floodwall_lab::{
    flood::{Pattern as _, SpoofedSyn},
    or_skip,
    skip::require_root,
};
use floodwall_tests::{
    protected::{Protected, SILENCE},
    requests::{converse, passing, prove, syn, wait_for},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// How many pass of frames that come from many sources, by what the kernel counts.
fn passed_by_count(host: &Protected, frames: &[Vec<u8>]) -> anyhow::Result<u64> {
    let before = host.count("clean")?;
    let mut sent = 0;
    while sent < frames.len() {
        sent += host.sender.send_batch(&frames[sent..])?;
    }
    thread::sleep(SILENCE);
    Ok(host.count("clean")? - before)
}

/// The report of a rule.
fn rule(host: &Protected, name: &str) -> anyhow::Result<serde_json::Value> {
    host.json(&["rule", "show", name])
}

#[test]
fn a_source_is_banned_at_the_packet_that_crosses_its_limit_and_let_in_at_its_expiry() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 5, burst = 5, then = \"ban for 2s\" }";
    let host = Protected::start_configured("ban", BINARY, text)?;
    for (source, listed) in
        [("198.51.100.7", "198.51.100.7/32"), ("2001:db8:bad:1::7", "2001:db8:bad:1::/64")]
    {
        let frames: Vec<_> = (0..100).map(|port| syn(&host, source, 1_000 + port)).collect();
        assert_eq!(passing(&host, &frames)?, 5, "{source}: the burst, and nothing after it");
        assert!(host.json_lines(&["ban", "list"])?.is_empty(), "{source}: they may be forged");
        prove(&host, &[source])?;
        let (syn_rate, banned) = (host.count("syn-rate")?, host.count("banned")? + host.count("blocked")?);
        let start = Instant::now();
        host.receiver.clear()?;
        host.sender.send_batch(&frames)?;
        let crossed = start.elapsed();
        let seen =
            host.receiver.collect(frames.len(), SILENCE, |seen| frames.iter().any(|frame| frame == seen))?;
        assert_eq!(seen.len(), 5, "{source}: the burst, and nothing after it");
        assert_eq!(host.count("syn-rate")? - syn_rate, 1, "{source}: one packet crosses the limit");
        let dropped = host.count("banned")? + host.count("blocked")? - banned;
        assert_eq!(dropped, 94, "{source}: the ban holds from the next packet on");
        wait_for("listed", || Ok(!host.json_lines(&["ban", "list"])?.is_empty()))?;
        let bans = host.json_lines(&["ban", "list"])?;
        assert_eq!((&bans[0]["prefix"], &bans[0]["count"]), (&listed.into(), &1.into()), "{bans:?}");
        assert_eq!(bans[0]["rule"], "default/source-syn");
        // It ends within 100 ms of its time; the limit was crossed between `start` and `crossed`.
        let frame = syn(&host, source, 1);
        let refused = || anyhow::Ok(host.count("banned")? + host.count("blocked")?);
        let mut last_refused = Duration::ZERO;
        let let_in = loop {
            let (before, sent) = (refused()?, start.elapsed());
            host.sender.send(&frame)?;
            thread::sleep(Duration::from_millis(5));
            if refused()? == before {
                break start.elapsed();
            }
            last_refused = sent;
        };
        assert!(let_in >= Duration::from_millis(1_900), "{source}: let in after {let_in:?}");
        let longest = crossed + Duration::from_millis(2_100);
        assert!(last_refused <= longest, "{source}: refused after {last_refused:?}, {longest:?} at most");
        wait_for("the list is empty", || Ok(host.json_lines(&["ban", "list"])?.is_empty()))?;
    }
    Ok(())
}

#[test]
fn repeated_offenders_wait_longer_and_bans_outlive_the_daemon() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 4, burst = 4, then = \"ban for 1s\" }\n[bans]\nfactor = 10";
    let mut host = Protected::start_configured("again", BINARY, text)?;
    let frames: Vec<_> = (0..30).map(|port| syn(&host, "198.51.100.7", 1_000 + port)).collect();
    prove(&host, &["198.51.100.7"])?;
    passing(&host, &frames)?;
    wait_for("let in", || Ok(passing(&host, &frames[..1])? == 1))?;
    thread::sleep(Duration::from_secs(1));
    passing(&host, &frames)?;
    wait_for("banned twice", || Ok(host.json_lines(&["ban", "list"])?.iter().any(|ban| ban["count"] == 2)))?;
    let ban = host.json_lines(&["ban", "list"])?.remove(0);
    let length = ban["until"].as_f64().unwrap_or(0.0) - ban["since"].as_f64().unwrap_or(0.0);
    assert!((9.9..10.1).contains(&length), "{ban}");
    host.end(nix::sys::signal::Signal::SIGKILL)?;
    assert_eq!(passing(&host, &frames)?, 0, "without a daemon");
    host.launch()?;
    assert_eq!(passing(&host, &frames)?, 0, "after a restart");
    let restored = host.json_lines(&["ban", "list"])?.remove(0);
    for key in ["prefix", "since", "until", "count", "rule"] {
        assert_eq!(restored[key], ban[key], "{key}");
    }
    // By hand: kept as an entry of the blocklist, or lifted and forgotten.
    host.ok(&["ban", "keep", "198.51.100.7", "--for", "1h"])?;
    assert!(host.ok(&["block", "list"])?.contains("was banned by default/source-syn"));
    assert_eq!(host.fails(&["ban", "lift", "198.51.100.7"])?.0, 3);
    host.ok(&["block", "rm", "198.51.100.7"])?;
    assert_eq!(passing(&host, &frames[..1])?, 1, "nothing is left of it");
    Ok(())
}

#[test]
fn an_unban_is_immediate_and_the_allowed_are_never_banned() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 4, burst = 4, then = \"ban for 1h\" }";
    let host = Protected::start_configured("lift", BINARY, text)?;
    let frames: Vec<_> = (0..30).map(|port| syn(&host, "198.51.100.7", 1_000 + port)).collect();
    prove(&host, &["198.51.100.7"])?;
    assert_eq!(passing(&host, &frames)?, 4);
    wait_for("listed", || Ok(!host.json_lines(&["ban", "list"])?.is_empty()))?;
    host.ok(&["ban", "lift", "198.51.100.7"])?;
    assert_eq!(passing(&host, &frames[..1])?, 1, "lifted");
    host.ok(&["allow", "add", "198.51.100.0/24"])?;
    assert_eq!(passing(&host, &frames)?, 30, "an allow wins over every rule");
    assert!(host.json_lines(&["ban", "list"])?.is_empty());
    host.ok(&["allow", "rm", "198.51.100.0/24"])?;
    // After a second of silence it has its whole burst back; before, that depends on how long the commands took.
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(passing(&host, &frames)?, 4, "it is limited and banned again");
    host.ok(&["bypass", "on", "--for", "1s"])?;
    assert_eq!(passing(&host, &frames)?, 30, "everything passes");
    assert!(host.ok(&["status"])?.contains("BYPASS"));
    thread::sleep(Duration::from_millis(1_050));
    assert_eq!(passing(&host, &frames)?, 0, "the bypass has ended by itself");
    host.ok(&["ban", "lift", "--all"])?;
    assert_eq!(passing(&host, &frames[..1])?, 1, "all are lifted");
    Ok(())
}

#[test]
fn many_sources_of_one_network_are_caught_by_their_prefix() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nprefix-syn = { rate = 100, burst = 100, then = \"ban for 1m\" }\nservice-syn = { mode = \"off\" }";
    let host = Protected::start_configured("prefix", BINARY, text)?;
    // A hundred addresses of a network, each of which comes ten times.
    let sources: [Vec<_>; 2] = [
        (0..100).map(|n| format!("203.0.113.{n}")).collect(),
        (0..100).map(|n| format!("2001:db8:bad:{n:x}::1")).collect(),
    ];
    for sources in &sources {
        let forged = sources.iter().cycle().zip(1_000..2_000);
        passed_by_count(&host, &forged.map(|(source, port)| syn(&host, source, port)).collect::<Vec<_>>())?;
        assert!(host.json_lines(&["ban", "list"])?.is_empty(), "they may be forged");
        thread::sleep(Duration::from_millis(1_200));
        converse(&host, sources)?;
    }
    thread::sleep(Duration::from_millis(1_200));
    let [v4, v6] = sources.map(|sources| {
        let frames = sources.iter().cycle().zip(2_000..3_000);
        frames.map(|(source, port)| syn(&host, source, port)).collect::<Vec<_>>()
    });
    let neighbour = syn(&host, "203.0.112.1", 7);
    let neighbour6 = syn(&host, "2001:db8:bae::1", 7);
    for (frames, neighbour, network) in
        [(v4, neighbour, "203.0.113.0/24"), (v6, neighbour6, "2001:db8:bad::/48")]
    {
        let passed = passed_by_count(&host, &frames)?;
        assert!((100..=140).contains(&passed), "{passed} of 1,000 from {network}, over a burst of 100");
        wait_for("the network is banned", || {
            Ok(host.json_lines(&["ban", "list"])?.iter().any(|ban| ban["prefix"] == network))
        })?;
        assert_eq!(passing(&host, &frames[..1])?, 0, "{network} is banned");
        assert_eq!(passing(&host, &[neighbour])?, 1, "its neighbour is not");
    }
    assert_eq!(rule(&host, "default/prefix-syn")?["bans"], 2);
    Ok(())
}

#[test]
fn random_sources_are_caught_by_the_service_and_clients_that_were_there_go_on() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nservice-syn = { rate = 500, burst = 1000 }\nprefix-syn = { mode = \"off\" }";
    let host = Protected::start_configured("random", BINARY, text)?;
    // Clients that take part in conversations.
    let clients: Vec<_> = (0..50)
        .map(|n| format!("198.51.100.{n}"))
        .chain((0..50).map(|n| format!("2001:db8:c:{n}::1")))
        .collect();
    converse(&host, &clients)?;
    let mut pattern = SpoofedSyn::new(host.target(80), "10.0.0.0".parse()?, 8, 1);
    let flood = pattern.frames(20_000);
    let flood6: Vec<_> =
        (0..20_000_u32).map(|n| syn(&host, &format!("2001:db9:{:x}:{:x}::1", n >> 8, n & 0xff), 9)).collect();
    for (family, flood) in [("IPv4", flood), ("IPv6", flood6)] {
        // The burst has come back.
        thread::sleep(Duration::from_millis(2_200));
        let start = Instant::now();
        let passed = passed_by_count(&host, &flood)?;
        let most = 1_000 + (start.elapsed().as_secs_f64() * 500.0) as u64 + 10;
        // The clients were new sources once, and what they took may not have come back yet.
        assert!(
            (900..=most).contains(&passed),
            "{passed} of 20,000 new_sources pass over {family}, {most} at most"
        );
        let frames: Vec<_> = clients.iter().map(|client| syn(&host, client, 2_000)).collect();
        assert_eq!(passing(&host, &frames)?, clients.len(), "all clients get new connections, {family}");
    }
    Ok(())
}

#[test]
fn a_limit_measured_over_ten_seconds_lets_its_rate_through_on_two_cpus() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[[service]]\nname = \"game\"\nprotocol = \"udp\"\nports = [7000]\n[[service.rule]]\nper = \"source\"\n\
                of = \"udp\"\nrate = 5000\nburst = 1000\n[[service.rule]]\nper = \"service\"\nof = \"udp\"\nrate = 8000\n\
                burst = 1000";
    let host = Protected::start_configured("rate", BINARY, text)?;
    for (sources, rate) in [(1, 5_000.0), (2, 8_000.0)] {
        thread::sleep(Duration::from_secs(1));
        let frames: Vec<_> =
            (0..sources).map(|n| host.from(&format!("198.51.100.{n}")).udp(1, 7_000).build()).collect();
        let before = host.count("clean")?;
        let start = Instant::now();
        // A sender on each CPU; a veth's packets are filtered where they are sent.
        thread::scope(|scope| {
            let senders: Vec<_> = (0..2)
                .map(|cpu| {
                    let (host, frame) = (&host, &frames[cpu % frames.len()]);
                    scope.spawn(move || send_on(host, cpu, frame, start))
                })
                .collect();
            senders.into_iter().try_for_each(|sender| sender.join().expect("a sender"))
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let passed = (host.count("clean")? - before) as f64;
        let (least, most) = (rate * seconds * 0.95, rate * seconds * 1.05 + 1_000.0);
        assert!(
            (least..=most).contains(&passed),
            "{passed} in {seconds:.2} s from {sources} sources, {least:.0} to {most:.0}"
        );
    }
    Ok(())
}

/// Sends a frame over and over for ten seconds, on one CPU, at more than any limit here.
fn send_on(host: &Protected, cpu: usize, frame: &[u8], start: Instant) -> anyhow::Result<()> {
    let mut cpus = nix::sched::CpuSet::new();
    cpus.set(cpu)?;
    // With a single CPU there is nothing to choose.
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cpus).ok();
    while start.elapsed() < Duration::from_secs(10) {
        host.sender.send_batch(&vec![frame; 20])?;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

#[test]
fn limits_change_at_once_for_a_time_and_in_monitor_mode() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [80]";
    let host = Protected::start_configured("tune", BINARY, text)?;
    let frames: Vec<_> = (0..50).map(|port| syn(&host, "198.51.100.7", 1_000 + port)).collect();
    assert_eq!(passing(&host, &frames)?, 50, "the default is 100/s burst 200");
    host.ok(&[
        "limit", "set", "web", "syn", "per", "source", "5/s", "burst", "5", "then", "limit", "--mode",
        "monitor",
    ])?;
    assert_eq!(passing(&host, &frames)?, 50, "monitor mode drops nothing");
    let report = rule(&host, "web/source-syn")?;
    assert!(report["packets"].as_u64().unwrap_or(0) >= 44, "and shows what it would have dropped: {report}");
    assert_eq!(report["state"], "monitor");
    host.ok(&[
        "limit", "set", "web", "syn", "per", "source", "5/s", "burst", "5", "--mode", "enforce", "--for",
        "2s",
    ])?;
    thread::sleep(Duration::from_secs(1));
    let passed = passing(&host, &frames)?;
    assert!((5..=6).contains(&passed), "{passed} of 50 over a burst of 5");
    let rules = host.json_lines(&["rule", "list"])?;
    assert!(rules.len() >= 14, "{} rules: the defaults of both services", rules.len());
    for listed in rules {
        let name = |key: &str| listed[key].as_str().unwrap_or_default();
        let id = format!("{}/{}", name("service"), name("rule"));
        let explained = rule(&host, &id)?["explanation"].as_array().map_or(0, Vec::len);
        assert!(explained > 2, "{id} is explained");
    }
    wait_for("taken back", || Ok(rule(&host, "web/source-syn")?["rate"] == 100))?;
    assert_eq!(passing(&host, &frames)?, 50, "as configured again");
    // A bucket that a slow limit has emptied for a minute is no obstacle to a fast one.
    host.ok(&["limit", "set", "web", "syn", "per", "source", "1/s", "burst", "60", "then", "limit"])?;
    passing(&host, &frames)?;
    passing(&host, &frames)?;
    host.ok(&["limit", "set", "web", "syn", "per", "source", "1000/s", "burst", "100"])?;
    // It owes one burst of the new limit, at most.
    passing(&host, &frames[..1])?;
    thread::sleep(Duration::from_millis(110));
    assert_eq!(passing(&host, &frames)?, 50, "no stale bucket");
    host.ok(&["limit", "reset", "web", "syn", "per", "source"])?;
    assert_eq!(rule(&host, "web/source-syn")?["rate"], 100);
    assert_eq!(host.fails(&["limit", "set", "www", "syn", "per", "source", "5/s"])?.0, 3);
    assert_eq!(host.fails(&["limit", "set", "web", "syn", "per", "source", "500000000/s"])?.0, 2);
    Ok(())
}

#[test]
fn a_changed_configuration_is_applied_as_a_difference_and_a_bad_one_not_at_all() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [80]\n";
    let host = Protected::start_configured("reload", BINARY, text)?;
    let strict = format!("{text}[[service.rule]]\nname = \"source-syn\"\nrate = 5\nthen = \"limit\"\n");
    host.configure(&strict)?;
    let frames: Vec<_> = (0..50).map(|port| syn(&host, "198.51.100.7", 1_000 + port)).collect();
    let said = host.ok(&["reload", "--dry-run"])?;
    assert!(said.contains("~ web/source-syn: syn per source 5/s burst 5, then limit (was: "), "{said}");
    assert_eq!(passing(&host, &frames)?, 50, "only said");
    assert!(host.ok(&["reload"])?.contains("~ web/source-syn"));
    assert!(passing(&host, &frames)? <= 6, "done");
    host.configure(&format!("{strict}rat = 7\n"))?;
    let file = host.file("floodwall.toml");
    let file = file.to_str().unwrap_or_default();
    for (code, said) in [host.fails(&["reload"])?, host.fails(&["check", file])?] {
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("line 10, column 1") && said.contains("rate"), "{said}");
    }
    thread::sleep(Duration::from_secs(1));
    assert!(passing(&host, &frames)? <= 6, "a bad configuration changes nothing");
    host.configure(&strict)?;
    assert!(host.ok(&["check", file])?.contains("2 services"));
    assert!(host.ok(&["reload"])?.contains("nothing has changed"));
    Ok(())
}

#[test]
fn a_rule_beyond_its_ceiling_only_counts_and_says_so() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults.source-syn]\nrate = 5\nburst = 5\nthen = \"ban for 1h\"\nceiling = { bans-per-minute = 3 }";
    let host = Protected::start_configured("ceiling", BINARY, text)?;
    let sources: Vec<_> = (0..6).chain([200]).map(|n| format!("198.51.100.{n}")).collect();
    prove(&host, &sources.iter().map(String::as_str).collect::<Vec<_>>())?;
    for n in 0..6 {
        let frames: Vec<_> =
            (0..20).map(|port| syn(&host, &format!("198.51.100.{n}"), 1_000 + port)).collect();
        passing(&host, &frames)?;
    }
    wait_for("the rule is held back", || Ok(rule(&host, "default/source-syn")?["state"] == "ceiling"))?;
    let said = host.ok(&["status"])?;
    assert!(said.contains("has gone beyond its ceiling ("), "{said}");
    let frames: Vec<_> = (0..20).map(|port| syn(&host, "198.51.100.200", 1_000 + port)).collect();
    assert_eq!(passing(&host, &frames)?, 20, "nobody is banned any more");
    Ok(())
}

#[test]
fn a_strict_rule_holds_only_while_the_service_suffers() -> anyhow::Result<()> {
    or_skip!(require_root());
    // Nothing listens at the probe's port, so it fails; a host that answers would keep the rule asleep.
    let text = "[[service]]\nname = \"web\"\nports = [80]\nprobe = \"tcp://127.0.0.1:9\"\n[[service.rule]]\nname = \"strict\"\n\
                per = \"source\"\nof = \"syn\"\nrate = 1\nburst = 5\nwhen = \"probe over 500ms\"";
    let host = Protected::start_configured("when", BINARY, text)?;
    wait_for("the rule holds", || Ok(rule(&host, "web/strict")?["state"] == "enforce"))?;
    let frames: Vec<_> = (0..20).map(|port| syn(&host, "198.51.100.7", 1_000 + port)).collect();
    assert!(passing(&host, &frames)? <= 6);
    let health = host.json(&["health"])?;
    assert_eq!(health["active"][0], "web/strict", "{health}");
    assert!(
        health["signals"]
            .as_array()
            .is_some_and(|signals| signals.iter().any(|signal| signal["text"] == "FAILED"))
    );
    Ok(())
}
