//! A service is closed to all but known clients, and to whoever answers a challenge; it is opened by and by.

use std::{
    net::{IpAddr, SocketAddr},
    thread::sleep,
    time::Duration,
};

use floodwall_lab::{
    http::{Capacity, Client, Service, Visits},
    or_skip,
    pair::INSIDE_V4,
    skip::require_root,
};
use floodwall_tests::{
    foreign::pass_all,
    protected::Protected,
    requests::{syn, wait_for},
};
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
const PORT: u16 = 80;
/// A request that is dropped comes again after a second at the soonest.
const AT_ONCE: Duration = Duration::from_millis(900);

/// How many of the visits of some addresses, some after the other, are served, and how many are not.
fn visits(host: &Protected, sources: &[&str]) -> anyhow::Result<(usize, u64)> {
    let visits = Visits {
        target: SocketAddr::from((INSIDE_V4, PORT)),
        sources: sources.iter().map(|source| source.parse()).collect::<Result<Vec<IpAddr>, _>>()?,
        at_once: 1,
        pause: Duration::from_millis(50),
        patience: AT_ONCE,
    };
    let mut client = Client::start(host.lab.outside.namespace(), &visits)?;
    sleep(Duration::from_secs(3));
    let came = client.interval();
    Ok((came.latencies.len(), came.failed))
}

#[test]
fn known_clients_get_in_others_after_a_challenge_and_forgers_not() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start_with_defaults("lockdown", BINARY)?;
    let _takes_what_is_sent_back = pass_all(host.lab.outside.namespace(), host.lab.outside.index())?;
    let capacity = Capacity { workers: 4, backlog: 16 };
    let address = SocketAddr::from((INSIDE_V4, PORT));
    let _service = Service::start(host.lab.inside.namespace(), address, capacity)?;
    let (customers, newcomers) = (["192.0.2.20", "192.0.2.21"], ["192.0.2.30", "192.0.2.31"]);
    for source in customers.iter().chain(&newcomers) {
        host.lab.outside.address(&format!("{source}/24"))?;
    }
    let (served, failed) = visits(&host, &customers)?;
    anyhow::ensure!(served > 4 && failed == 0, "in peace {served} visits were served, and {failed} not");

    let (code, said) = host.fails(&["lockdown", "on", "nonsense"])?;
    assert!(code != 0 && said.contains("there is no service nonsense; there are default"), "{said}");
    assert!(host.fails(&["lockdown", "on", "default", "--admit", "101"])?.1.contains("from 0 to 100 %"));
    let list = host.json(&["lockdown", "on", "default"])?;
    assert_eq!(
        (&list["closed"][0]["service"], &list["challenges"]),
        (&"default".into(), &true.into()),
        "{list}"
    );
    assert!(list["recent"]["known"].as_u64() >= Some(2), "those who were served are known: {list}");
    assert!(host.ok(&["status"])?.contains("LOCKDOWN: default is closed"));

    let challenged = |host: &Protected| -> anyhow::Result<u64> {
        Ok(host.json(&["status"])?["challenges"]["sent"].as_u64().unwrap_or_default())
    };
    let (served, failed) = visits(&host, &customers)?;
    assert!(served > 4 && failed == 0, "known clients: {served} visits were served, and {failed} not");
    assert_eq!(challenged(&host)?, 0, "they are asked nothing");
    let (served, failed) = visits(&host, &newcomers)?;
    assert!(served > 4 && failed == 0, "newcomers: {served} visits were served, and {failed} not");
    assert_eq!(challenged(&host)?, 2, "each is asked once");
    for source in ["198.51.100.7", "198.51.100.8"] {
        assert!(!host.passes(&syn(&host, source, 40_000))?, "who does not answer stays out");
    }
    assert!(host.count("lockdown")? >= 4);
    let verdict = |address: &str| -> anyhow::Result<(String, bool)> {
        let why = host.json(&["why", address])?;
        let says =
            |commands: &serde_json::Value| commands.to_string().contains("floodwall lockdown off default");
        Ok((why["verdict"].as_str().unwrap_or_default().to_owned(), says(&why["undo"])))
    };
    let (newcomer, undo) = verdict("198.51.100.7")?;
    assert!(newcomer.contains("default is closed to it until it answers a challenge") && undo, "{newcomer}");
    let (customer, undo) = verdict(customers[0])?;
    assert!(!customer.contains("closed") && !undo, "{customer}");

    // It holds on after a restart, and so does who is known.
    host.end(Signal::SIGKILL)?;
    host.launch()?;
    assert_eq!(host.json(&["lockdown", "show"])?["closed"][0]["service"], "default");
    assert!(!host.passes(&syn(&host, "198.51.100.9", 40_000))?);
    let (served, failed) = visits(&host, &customers)?;
    assert!(served > 4 && failed == 0, "after a restart: {served} visits were served, and {failed} not");

    // And where nothing is left in the kernel, as after a reboot.
    host.end(Signal::SIGTERM)?;
    std::fs::remove_dir_all(host.bpffs())?;
    host.launch()?;
    assert!(host.log().contains("clients that were served before are known"), "{}", host.log());
    let (served, failed) = visits(&host, &customers)?;
    assert!(served > 4 && failed == 0, "after a reboot: {served} visits were served, and {failed} not");
    assert_eq!(challenged(&host)?, 0, "they are asked nothing");

    host.ok(&["lockdown", "on", "default", "--admit", "100", "--for", "2s"])?;
    assert!(host.passes(&syn(&host, "198.51.100.10", 40_000))?, "all are on trial");
    wait_for("the end of the lockdown", || {
        Ok(host.json(&["lockdown", "show"])?["closed"] == serde_json::json!([]))
    })?;
    assert!(host.passes(&syn(&host, "198.51.100.11", 40_000))?);
    assert!(host.fails(&["lockdown", "off", "default"])?.1.contains("default is not closed"));
    Ok(())
}
