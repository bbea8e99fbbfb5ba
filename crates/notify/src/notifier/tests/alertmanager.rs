//! A real Alertmanager, as Debian has it: what it makes of the life of an incident.

use std::net::TcpListener;

use floodwall_lab::{alertmanager::Alertmanager, namespace::Namespace, or_skip, skip::require_root};
use serde_json::Value;

use super::*;

/// Waits until the firing alerts are as they should be.
fn alerts(alertmanager: &Alertmanager, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let alerts = alertmanager.alerts().expect("it answers");
        let alerts: Vec<Value> = serde_json::from_str(&alerts).expect("JSON");
        if holds(&alerts) {
            return alerts;
        }
        assert!(Instant::now() < deadline, "{what}: {alerts:?}");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_incident_is_one_alert_through_its_waves_and_is_resolved_once() {
    or_skip!(require_root());
    let namespace = Namespace::new("alertmanager").expect("a namespace");
    let listener = namespace.enter(|| TcpListener::bind("127.0.0.1:0")).expect("entered").expect("a port");
    let hook = Server::on(listener, &[OK]);
    let alertmanager = or_skip!(Alertmanager::start(&namespace, Some(hook.address)));
    let text = format!("name = 'am'\nkind = 'alertmanager'\nurl = '{}'", alertmanager.url());
    let notifier = namespace.enter(|| start(vec![target(&text)])).expect("entered");

    let now_ms = floodwall_units::unix::millis(std::time::SystemTime::now());
    let mut incident = Incident { key: incident().key, ..sample::incident(now_ms) };
    notifier.tell(&[(IncidentEvent::Began, incident.clone())]);
    let began = hook.next().json();
    assert_eq!((&began["status"], &began["alerts"][1]), (&"firing".into(), &Value::Null), "{began}");
    let fingerprint = began["alerts"][0]["fingerprint"].clone();

    // Whatever becomes known of it, it stays that alert.
    let wave = incident.waves[0].clone();
    incident.waves[0].ended_ms = Some(now_ms);
    notifier.tell(&[(IncidentEvent::Changed, incident.clone())]);
    incident.waves.push(floodwall_api::IncidentWave { number: 2, ..wave });
    incident.severity = IncidentSeverity::Critical;
    incident.services[0].service = "other".to_owned();
    notifier.tell(&[
        (IncidentEvent::NeedsHuman, incident.clone()),
        (IncidentEvent::Changed, incident.clone()),
        (IncidentEvent::GoesOn, incident.clone()),
    ]);
    let is_second = |alerts: &[Value]| alerts.iter().any(|alert| alert["annotations"]["waves"] == "2");
    let firing = alerts(&alertmanager, "the second wave is told", is_second);
    assert_eq!((firing.len(), &firing[0]["fingerprint"]), (1, &fingerprint), "{firing:?}");
    assert!(hook.is_quiet(Duration::from_secs(3)), "nobody is woken twice by one incident");

    notifier.tell(&[(IncidentEvent::Ended, sample::over(incident))]);
    let ended = hook.next().json();
    assert_eq!((&ended["status"], &ended["alerts"][1]), (&"resolved".into(), &Value::Null), "{ended}");
    assert_eq!(ended["alerts"][0]["fingerprint"], fingerprint);
    alerts(&alertmanager, "none is left", <[Value]>::is_empty);
    assert!(hook.is_quiet(Duration::from_secs(3)), "it is resolved once");
}
