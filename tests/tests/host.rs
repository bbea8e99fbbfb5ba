//! What rules know of the host: who is logged in, and how it fares.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use floodwall_lab::{
    http::{Capacity, Service},
    or_skip,
    pair::INSIDE_V4,
    skip::require_root,
};
use floodwall_tests::{login::Login, protected::Protected, requests::wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn whoever_is_logged_in_is_never_banned() -> anyhow::Result<()> {
    or_skip!(require_root());
    let host = Protected::start("login", BINARY)?;
    let login = Login::to(&host)?;
    let from = login.from()?.to_string();
    let spared = || {
        let why = host.json(&["why", &from])?;
        let spared = why["spared"].as_array().cloned().unwrap_or_default();
        Ok(spared.iter().any(|why| why.as_str().is_some_and(|why| why.contains("somebody is logged in"))))
    };
    // What sshd leaves in the environment of a login's shell (sshd(8)) anybody may write there.
    let mut forged = Command::new("sleep")
        .arg("60")
        .env("SSH_CONNECTION", format!("{from} 50022 {INSIDE_V4} 22"))
        .spawn()?;
    // Whoever has only connected has not proven who they are.
    let mut knocks = login.knock(&host)?;
    thread::sleep(Duration::from_millis(2_500));
    let before: anyhow::Result<bool> = spared();
    for child in [&mut forged, &mut knocks] {
        child.kill()?;
        child.wait()?;
    }
    assert!(!before?, "neither of them is a login");
    let mut session = login.session(&host)?;
    let told = wait_for("it is known who is logged in", spared);
    session.kill()?;
    session.wait()?;
    told
}

#[test]
fn health_tells_of_probes_and_of_a_listen_queue_that_is_full() -> anyhow::Result<()> {
    or_skip!(require_root());
    let port = 8_080;
    let text =
        format!("[[service]]\nname = \"web\"\nports = [{port}]\nprobe = \"http://{INSIDE_V4}:{port}/\"");
    let host = Protected::start_configured("health", BINARY, &text)?;
    let signal = |name: &str| {
        let health = host.json(&["health"])?;
        let signals = health["signals"].as_array().cloned().unwrap_or_default();
        let found = signals.into_iter().find(|signal| signal["signal"] == name);
        found.ok_or_else(|| anyhow::anyhow!("no {name}: {health}"))
    };
    wait_for("nobody answers", || Ok(signal("probe")?["text"] == "FAILED"))?;
    let address = SocketAddr::from((INSIDE_V4, port));
    let service = Service::start(host.lab.inside.namespace(), address, Capacity { workers: 2, backlog: 16 })?;
    wait_for("it answers", || Ok(signal("probe")?["value"].as_u64().is_some_and(|took| took < 500)))?;
    drop(service);
    // Nobody accepts: the queue overflows.
    let deaf = SocketAddr::from((INSIDE_V4, 8_081));
    let _queue = host.lab.inside.namespace().enter(|| TcpListener::bind(deaf))??;
    wait_for("the queue overflows", || {
        let knock = || {
            let connect = |_| TcpStream::connect_timeout(&deaf, Duration::from_millis(20)).ok();
            (0..200).map(connect).collect::<Vec<_>>()
        };
        let _open = host.lab.outside.namespace().enter(knock)?;
        Ok(signal("listen-overflows")?["value"].as_u64().is_some_and(|rate| rate > 0))
    })?;
    for name in ["listen-drops", "syn-cookies", "conntrack", "softirq"] {
        assert!(signal(name)?["text"].is_string(), "{name}");
    }
    Ok(())
}
