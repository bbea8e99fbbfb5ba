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
use floodwall_tests::{
    protected::Protected,
    requests::{INSIDE_V6, passing, prove, syn, wait_for},
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");

#[test]
fn whoever_is_logged_in_is_never_banned() -> anyhow::Result<()> {
    or_skip!(require_root());
    let text = "[defaults]\nsource-syn = { rate = 10, burst = 4, then = \"ban for 1h\" }";
    let host = Protected::start_configured("login", BINARY, text)?;
    for (source, inside) in [("198.51.100.9", "192.0.2.10"), ("2001:db8:bad:9::9", INSIDE_V6)] {
        prove(&host, &[source])?;
        // What sshd leaves in the environment of a login's shell (sshd(8)).
        let mut shell = Command::new("sleep")
            .arg("60")
            .env("SSH_CONNECTION", format!("{source} 50022 {inside} 22"))
            .spawn()?;
        // It is looked who is logged in every two seconds; nothing has come from there yet.
        thread::sleep(Duration::from_millis(2_500));
        let frames: Vec<_> = (0..100).map(|port| syn(&host, source, 1_000 + port)).collect();
        let outcome = passing(&host, &frames);
        thread::sleep(Duration::from_millis(500));
        let later = passing(&host, &frames[..1]);
        shell.kill()?;
        shell.wait()?;
        assert_eq!(outcome?, 4, "{source}: limited");
        assert_eq!(later?, 1, "{source}: and not banned");
        assert!(host.json_lines(&["ban", "list"])?.is_empty());
    }
    assert_eq!(host.count("banned")?, 0);
    Ok(())
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
