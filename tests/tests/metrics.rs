//! What Prometheus reads of a real daemon, in peace and during a real flood.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    flood::{Bounds, FASTEST, Fingerprint, Flood, LONGEST, SpoofedSyn, SynFrom},
    or_skip,
    skip::require_root,
};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::{PATIENCE, Protected},
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const CONFIGURATION: &str = "[metrics]\nlisten = \"127.0.0.1:9101\"\n";
const METRICS: u16 = 9101;
/// How many packets come, each from another source, if not a million.
const SOURCES: &str = "FLOODWALL_TEST_SOURCES";

/// What is read.
fn scrape(host: &Protected) -> anyhow::Result<String> {
    let answer = host.http(METRICS, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let (head, page) = answer.split_once("\r\n\r\n").unwrap_or_default();
    anyhow::ensure!(head.starts_with("HTTP/1.1 200 "), "{head}");
    Ok(page.to_owned())
}

/// Names and labels of all series.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// The sum of a family's values.
fn sum(page: &str, begins: &str) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(begins));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[test]
fn a_flood_of_many_sources_is_told_in_figures_and_adds_no_series() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_as_configured("metrics", BINARY, CONFIGURATION)?;
    let _listener = listen(&host)?;
    // Until everything has been measured once.
    sleep(Duration::from_secs(3));
    let calm = scrape(&host)?;
    assert_eq!(sum(&calm, "floodwall_attack "), 0.0, "{calm}");
    assert_eq!(sum(&calm, "floodwall_interface_up{"), 1.0, "{calm}");

    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(30))?;
    let deadline = Instant::now() + PATIENCE * 2;
    let flooded = loop {
        let page = scrape(&host)?;
        if sum(&page, "floodwall_attack ") == 1.0 && sum(&page, "floodwall_signatures{action=\"drop\"}") > 0.0
        {
            break page;
        }
        assert!(Instant::now() < deadline, "no attack is told:\n{page}\n{}", host.log());
        sleep(Duration::from_millis(200));
    };
    assert_eq!(series(&flooded), series(&calm), "which series there are depends on what comes");
    assert!(!flooded.contains("198.18."), "an address is told");
    assert!(sum(&flooded, "floodwall_incidents_open{") == 1.0, "{flooded}");
    assert!(sum(&flooded, "floodwall_sources_used_ratio ") > 0.0, "{flooded}");
    assert!(sum(&flooded, "floodwall_detection_lag_seconds_count ") > 0.0, "{flooded}");

    // The control socket says the same, and what comes between two scrapes lies between their figures.
    let dropped = "floodwall_packets_total{verdict=\"drop\"";
    sleep(Duration::from_millis(600));
    let before = sum(&scrape(&host)?, dropped);
    let status = host.json(&["status"])?;
    sleep(Duration::from_millis(600));
    let after = sum(&scrape(&host)?, dropped);
    let counters = status["counters"].as_array().cloned().unwrap_or_default();
    let drops = counters.iter().filter(|count| count["verdict"] == "drop");
    let said: f64 = drops.filter_map(|count| count["packets"].as_f64()).sum();
    assert!(before <= said && said <= after && before < after, "{before} {said} {after}");
    drop(flood);

    host.end(Signal::SIGTERM)?;
    assert!(scrape(&host).is_err(), "nobody answers once the daemon has ended");
    Ok(())
}

#[test]
fn there_are_as_many_series_of_a_million_sources_as_of_one() -> anyhow::Result<()> {
    or_skip!(require_root());
    let packets: u64 = match std::env::var(SOURCES) {
        Ok(number) => number.parse().with_context(|| format!("{SOURCES}={number}"))?,
        Err(_) => 1_000_000,
    };
    let host = Protected::start_as_configured("metrics-many", BINARY, CONFIGURATION)?;
    let _listener = listen(&host)?;
    sleep(Duration::from_secs(3));
    let bounds = |rate| Bounds { rate, duration: LONGEST };
    let target = host.target(8080);
    // The traffic of one source, until it is told.
    let all = "floodwall_packets_total{";
    let from_one =
        Flood::start(&host.lab.outside, SynFrom::new(target, [198, 18, 0, 1].into(), 7), bounds(1_000))?;
    let deadline = Instant::now() + PATIENCE;
    let one = loop {
        let page = scrape(&host)?;
        if sum(&page, all) > 2_000.0 {
            break page;
        }
        assert!(Instant::now() < deadline, "{page}");
        sleep(Duration::from_millis(200));
    };
    from_one.stop()?;
    // Half a billion addresses: next to none is drawn twice.
    let fingerprint = Fingerprint { window: 1_234, mss: 536, ttl: 101 };
    let flood = SpoofedSyn::with_fingerprint(target, fingerprint, 7);
    let flood = Flood::start(&host.lab.outside, flood, bounds(FASTEST))?;
    let began = Instant::now();
    while flood.sent() < packets {
        anyhow::ensure!(began.elapsed() < LONGEST, "{} of {packets} were sent", flood.sent());
        sleep(Duration::from_millis(100));
    }
    let sent = flood.stop()?;
    sleep(Duration::from_secs(1));
    let many = scrape(&host)?;
    let told = sum(&many, all) - sum(&one, all);
    // The interface loses some where the machine has other things to do.
    assert!(told > packets as f64 * 0.5, "of {sent} packets {told} are told of");
    assert_eq!(series(&many), series(&one), "which series there are depends on who sends");
    println!("{} series of one source and of {sent} packets, each from another one", series(&many).len());
    Ok(())
}

#[test]
fn a_port_that_is_taken_is_told_and_nothing_else_suffers() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("metrics-taken", BINARY, CONFIGURATION)?;
    let taken = host.lab.inside.namespace().enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, METRICS)))??;
    host.launch_with(&[], 9)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = String::from_utf8_lossy(&host.run(&["status"])?.stdout).into_owned();
        if status.contains("THE TASK metrics HAS FAILED") {
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
        sleep(Duration::from_millis(100));
    }
    assert!(host.log().contains("127.0.0.1:9101"), "{}", host.log());
    drop(taken);
    let deadline = Instant::now() + PATIENCE;
    while scrape(&host).is_err() {
        assert!(Instant::now() < deadline, "it is not tried again:\n{}", host.log());
        sleep(Duration::from_millis(100));
    }
    Ok(())
}
