//! A flood in two waves, and a real Alertmanager: one alert, soon after the first packet, and the same one in the second wave.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use floodwall_lab::{alertmanager::Alertmanager, or_skip, skip::require_root};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::Protected,
};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// How soon after its first packet an attack is to be an alert: two seconds, with room for a machine that has other things to do.
const FIRES_WITHIN: Duration = Duration::from_secs(20);
/// An attack is over some seconds after its last packet.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until there is an alert that is as it should be, and returns it.
fn alert(
    alertmanager: &Alertmanager,
    patience: Duration,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let deadline = Instant::now() + patience;
    loop {
        let text = alertmanager.alerts().map_err(anyhow::Error::msg)?;
        let alerts: Vec<Value> = serde_json::from_str(&text)?;
        anyhow::ensure!(alerts.len() < 2, "more than one alert: {text}");
        if let Some(alert) = alerts.into_iter().find(&holds) {
            return Ok(alert);
        }
        anyhow::ensure!(Instant::now() < deadline, "never: {what}: {text}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_flood_in_two_waves_is_one_alert() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::not_started("alertmanager", BINARY, "")?;
    let alertmanager = or_skip!(Alertmanager::start(host.lab.inside.namespace(), None));
    let target = format!("[[notify]]\nname = 'am'\nkind = 'alertmanager'\nurl = '{}'\n", alertmanager.url());
    std::fs::write(host.file("floodwall.toml"), target)?;
    host.launch()?;
    let _service = listen(&host)?;
    sleep(Duration::from_secs(3));
    assert_eq!(alertmanager.alerts().map_err(anyhow::Error::msg)?.trim(), "[]", "in peace there is none");

    let began = Instant::now();
    let flood = flooded(&host, LESSER_FLOOD, Duration::from_secs(60))?;
    let first = alert(&alertmanager, PATIENCE, "an attack is an alert", |_| true)?;
    println!("firing after {:?}", began.elapsed());
    assert!(began.elapsed() < FIRES_WITHIN, "firing after {:?}", began.elapsed());
    let has_waves = |waves: &'static str| move |alert: &Value| alert["annotations"]["waves"] == waves;
    assert!(has_waves("1")(&first), "{first}");
    alert(&alertmanager, PATIENCE, "its kind is told", |alert| {
        alert["annotations"]["vectors"] == "spoofed SYN flood"
            && alert["annotations"]["phase"] == "monitoring"
    })?;
    flood.stop()?;
    let deadline = Instant::now() + PATIENCE;
    while host.json(&["incident", "list"])?["incidents"][0]["waves"][0]["ended_ms"].is_null() {
        anyhow::ensure!(Instant::now() < deadline, "the first wave does not end");
        sleep(Duration::from_millis(100));
    }
    let second = flooded(&host, LESSER_FLOOD, Duration::from_secs(60))?;
    let again = alert(&alertmanager, PATIENCE, "the second wave is told", has_waves("2"))?;
    assert_eq!(again["fingerprint"], first["fingerprint"]);
    assert_eq!(again["startsAt"], first["startsAt"]);
    second.stop()?;
    Ok(())
}
