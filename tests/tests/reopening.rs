//! A service that is closed is opened step by step, as far as it stands it; and one that nothing relieves is closed by itself.

use std::{
    net::{SocketAddr, TcpListener},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use floodwall_lab::{
    flood::{Bounds, Flood, SpoofedSyn, Target},
    http::{Capacity, Service},
    or_skip,
    pair::INSIDE_V4,
    skip::require_root,
};
use floodwall_tests::{foreign::pass_all, protected::Protected, requests::syn};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const PORT: u16 = 80;
/// How long something may take that takes half a minute.
const PATIENCE: Duration = Duration::from_secs(75);
/// How soon a service is closed again that suffers takes a second; this leaves room for a machine that does other things.
const SOON: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);

/// A service's lockdown, as `lockdown show` has it; nothing if it is open.
fn lockdown(host: &Protected) -> anyhow::Result<serde_json::Value> {
    Ok(host.json(&["lockdown", "show"])?["closed"][0].clone())
}

fn admitted(host: &Protected) -> anyhow::Result<Option<f64>> {
    Ok(lockdown(host)?["admitted_percent"].as_f64())
}

/// Waits until so many get in, and says how long that took.
fn wait_for_share(host: &Protected, share: Option<f64>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    while admitted(host)? != share {
        anyhow::ensure!(
            start.elapsed() < PATIENCE,
            "never {share:?} %, but {}: {}",
            lockdown(host)?,
            host.log()
        );
        sleep(PAUSE);
    }
    Ok(start.elapsed())
}

/// Requests of customers' kind, of sources that are not there.
fn flood(host: &Protected, rate: u32) -> anyhow::Result<Flood> {
    let target = Target::behind(&host.lab.outside, &host.lab.inside, INSIDE_V4, PORT);
    let pattern = SpoofedSyn::like_clients(target, [198, 18, 0, 0].into(), 15, 7);
    Flood::start(&host.lab.outside, pattern, Bounds { rate, duration: Duration::from_secs(120) })
}

#[test]
fn a_service_is_opened_step_by_step_and_closed_again_while_it_suffers() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_with_defaults("reopening", BINARY)?;
    let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
    let capacity = Capacity { workers: 4, backlog: 4_096 };
    let address = SocketAddr::from((INSIDE_V4, PORT));
    let _service = Service::start(host.lab.inside.namespace(), address, capacity)?;
    sleep(Duration::from_secs(3));

    assert!(host.fails(&["lockdown", "reopen", "default"])?.1.contains("default is not closed"));
    let said = host.ok(&["lockdown", "on", "default"])?;
    assert!(said.contains("shuts out 0 of the 0 sources"), "whom it shuts out is said first: {said}");
    let flood = flood(&host, 8_000)?;
    sleep(Duration::from_secs(3));
    let closed = lockdown(&host)?;
    let knocking = |what: &str| closed["knocking"][what].as_u64().unwrap_or_default();
    assert!((4_000..=10_000).contains(&knocking("requests")), "{closed}");
    assert!((4_000..=10_000).contains(&knocking("sources")) && knocking("admitted") == 0, "{closed}");
    assert!(knocking("dropped") * 100 >= knocking("packets") * 95, "{closed}");
    println!("{}", host.ok(&["lockdown", "status"])?);

    // 1 % of 8,000 requests is nothing to speak of, 5 % of them is an attack.
    host.ok(&["lockdown", "reopen", "default"])?;
    println!("1 % after {:?}", wait_for_share(&host, Some(1.0))?);
    host.end(Signal::SIGKILL)?;
    host.launch()?;
    assert_eq!(admitted(&host)?, Some(1.0), "it goes on where it was");
    println!("5 % after {:?}", wait_for_share(&host, Some(5.0))?);
    let shut = wait_for_share(&host, Some(0.0))?;
    println!("closed again after {shut:?}: {}", lockdown(&host)?);
    assert!(shut < SOON, "it was closed again {shut:?} after 5 % were let in: {}", host.log());
    let progress = lockdown(&host)?["progress"].clone();
    let last = progress["last"].as_str().unwrap_or_default();
    assert!(last.contains("closed again, as with 5 % of others"), "{progress}");
    assert!(host.log().contains("default is closed again to all but known clients, for 30 s at least"));
    let audit = host.json(&["audit"])?.to_string();
    assert!(audit.contains("5 % of those who are not known get in"), "{audit}");
    assert!(!host.passes(&syn(&host, "198.51.100.9", 40_000))?);

    flood.stop()?;
    let opening = Instant::now();
    for share in [1.0, 5.0, 20.0, 50.0, 100.0] {
        wait_for_share(&host, Some(share))?;
    }
    assert!(host.passes(&syn(&host, "198.51.100.10", 40_000))?, "all get in");
    wait_for_share(&host, None)?;
    println!("open {:?} after the end of the flood", opening.elapsed());
    assert!(host.log().contains("the lockdown of default is over: it stands all that comes"));
    Ok(())
}

#[test]
fn a_service_that_nothing_relieves_is_closed_by_itself_and_opened_again() -> anyhow::Result<()> {
    or_skip!(require_root());
    let configuration = format!(
        "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [{PORT}]\nprobe = \"tcp://{INSIDE_V4}:81\"\nlockdown = \"auto\"\n"
    );
    let host = Protected::start_as_configured("relief", BINARY, &configuration)?;
    let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
    let capacity = Capacity { workers: 4, backlog: 128 };
    let address = SocketAddr::from((INSIDE_V4, PORT));
    let _service = Service::start(host.lab.inside.namespace(), address, capacity)?;
    sleep(Duration::from_secs(15));
    // Its probe fails, as nothing answers there: that alone closes nothing.
    let list = host.json(&["lockdown", "show"])?;
    assert_eq!((&list["closed"], &list["automatic"][0]), (&serde_json::json!([]), &"web".into()), "{list}");

    let flood = flood(&host, 4_000)?;
    let start = Instant::now();
    wait_for_share(&host, Some(0.0))?;
    println!("closed by itself {:?} after the flood has begun", start.elapsed());
    assert!(start.elapsed() > Duration::from_secs(8), "what is found has ten seconds: {}", host.log());
    let closed = lockdown(&host)?;
    assert_eq!((&closed["by_itself"], &closed["reopening"]), (&true.into(), &true.into()), "{closed}");
    assert!(host.log().contains("LOCKDOWN: web is closed to all but known clients, by itself"));
    let audit = host.json(&["audit"])?.to_string();
    assert!(audit.contains("by itself: it is attacked"), "{audit}");

    sleep(Duration::from_secs(12));
    assert_eq!(admitted(&host)?, Some(0.0), "as long as it suffers, nobody is let in");
    let inside = host.lab.inside.namespace();
    let _answers = inside.enter(|| TcpListener::bind((INSIDE_V4, 81)))?.context("answering the probe")?;
    flood.stop()?;
    println!("1 % after {:?}", wait_for_share(&host, Some(1.0))?);
    println!("{}", host.ok(&["lockdown", "show"])?);

    // What an operator says holds.
    host.ok(&["lockdown", "off", "web"])?;
    host.ok(&["lockdown", "auto", "web", "--off"])?;
    let list = host.json(&["lockdown", "show"])?;
    assert_eq!(
        (&list["closed"], &list["automatic"]),
        (&serde_json::json!([]), &serde_json::json!([])),
        "{list}"
    );
    Ok(())
}

#[test]
fn a_lockdown_that_is_not_confirmed_is_undone() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start_with_defaults("unconfirmed", BINARY)?;
    let said = host.ok(&["lockdown", "on", "default", "--reopen", "--confirm-within", "2s"])?;
    assert!(said.contains("ON TRIAL: undone in"), "{said}");
    assert!(!host.passes(&syn(&host, "198.51.100.9", 40_000))?);
    wait_for_share(&host, None)?;
    assert!(host.passes(&syn(&host, "198.51.100.10", 40_000))?);
    Ok(())
}
