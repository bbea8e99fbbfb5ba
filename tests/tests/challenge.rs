//! Requests for connections that an attack forges are challenged, and whoever is there gets in at once.

use std::{
    net::{IpAddr, SocketAddr},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    flood::{Bounds, Flood, SpoofedSyn},
    http::{Capacity, Client, Service, Visits},
    or_skip,
    pair::INSIDE_V4,
    skip::require_root,
};
use floodwall_tests::{
    foreign::pass_all,
    protected::{PATIENCE, Protected},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const PORT: u16 = 8080;
/// A client whose request is dropped sends it again after a second at the soonest: within this time only those are served
/// whose request was not dropped, or who have answered a challenge.
const BEFORE_ASKING_AGAIN: Duration = Duration::from_millis(900);

/// Challenges that were sent, and that were answered, for all services.
fn challenges(host: &Protected) -> anyhow::Result<[u64; 2]> {
    let status = host.json(&["status"])?;
    let [sent, answered] = ["sent", "answered"].map(|key| status["challenges"][key].as_u64());
    Ok([sent.context("challenges sent")?, answered.context("challenges answered")?])
}

/// Waits until challenges are sent.
fn wait_for_challenges(host: &Protected) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while challenges(host)?[0] < 1_000 {
        anyhow::ensure!(Instant::now() < deadline, "no challenges: {}", host.log());
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn new_customers_get_in_at_once_in_a_flood_that_looks_like_them() -> anyhow::Result<()> {
    or_skip!(require_root());
    for (mode, label) in [("native", "challenge"), ("generic", "challenge-skb")] {
        let host = Protected::start_as_configured(label, BINARY, &format!("mode = \"{mode}\""))?;
        let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
        newcomers_are_served(&host).with_context(|| format!("in {mode} mode"))?;
    }
    Ok(())
}

/// Floods the host as customers would ask for connections, and has customers come who were never there.
fn newcomers_are_served(host: &Protected) -> anyhow::Result<()> {
    let address = SocketAddr::from((INSIDE_V4, PORT));
    let capacity = Capacity { workers: 16, backlog: 128 };
    let _service = Service::start(host.lab.inside.namespace(), address, capacity)?;
    sleep(Duration::from_secs(2));
    assert_eq!(challenges(host)?, [0, 0], "nobody is challenged in peace");

    let target = host.target(PORT);
    let pattern = SpoofedSyn::like_clients(target, [198, 18, 0, 0].into(), 15, 7);
    let flood =
        Flood::start(&host.lab.outside, pattern, Bounds { rate: 8_000, duration: Duration::from_secs(40) })?;
    wait_for_challenges(host)?;
    // None of them was ever here before.
    let sources: Vec<IpAddr> = (20..220).map(|last| [192, 0, 2, last].into()).collect();
    for source in &sources {
        host.lab.outside.address(&format!("{source}/24"))?;
    }
    let visits = Visits {
        target: address,
        sources: sources.clone(),
        at_once: 2,
        pause: Duration::from_millis(20),
        patience: BEFORE_ASKING_AGAIN,
    };
    let mut customers = Client::start(host.lab.outside.namespace(), &visits)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    let (mut served, mut failed) = (0, 0);
    while served + failed < 3 * sources.len() as u64 && Instant::now() < deadline {
        sleep(Duration::from_millis(200));
        let came = customers.interval();
        served += came.latencies.len() as u64;
        failed += came.failed;
    }
    let [sent, answered] = challenges(host)?;
    println!("{served} visits served, {failed} not; {sent} challenges sent, {answered} answered");
    assert!(served >= 400, "{served} visits in 20 s, {failed} failed: {}", host.log());
    assert!(failed * 50 <= served, "{failed} of {} visits failed, or took a second", served + failed);
    let most = sources.len() as u64;
    assert!((most / 2..=most + 20).contains(&answered), "{answered} answers of {most} customers");
    assert!(sent > 10_000, "{sent} challenges sent");
    flood.stop()?;
    Ok(())
}
