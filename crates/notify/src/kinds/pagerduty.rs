//! PagerDuty: Events API v2 (<https://developer.pagerduty.com/docs/events-api-v2-overview>). An incident is one alert, which
//! is triggered and resolved with the same key.

use serde_json::{Value, json};

use super::Sender;
use crate::{
    failure::Failure,
    http::{Post, Url},
    message::{Message, cut, rfc3339},
    secret::SecretSource,
};

/// The default endpoint. Accounts in the EU use `events.eu.pagerduty.com`.
pub(crate) const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";
/// Longest summary that is accepted, characters.
const MAX_SUMMARY: usize = 1_024;

/// Sends events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PagerDuty {
    pub(crate) url: Url,
    pub(crate) key: SecretSource,
}

impl PagerDuty {
    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let key = sender.secret(&self.key).await?;
        let mut body = body(message, &sender.host);
        body["routing_key"] = key.reveal().into();
        Post { secrets: vec![key], ..Post::json(self.url.clone(), &body) }.send().await
    }
}

fn body(message: &Message, host: &str) -> Value {
    let incident = &message.incident;
    if message.is_over() {
        return json!({ "event_action": "resolve", "dedup_key": message.key() });
    }
    json!({
        "event_action": "trigger",
        "dedup_key": message.key(),
        "client": "floodwall",
        "payload": {
            "summary": cut(&message.title(host), MAX_SUMMARY),
            "source": host,
            // A test should wake nobody.
            "severity": if message.test { "info" } else { incident.severity.name() },
            "timestamp": rfc3339(incident.began_ms),
            "component": incident.services_in_words(),
            "class": incident.vectors_in_words(),
            "custom_details": {
                "text": message.text(),
                "phase": incident.phase.name(),
                "waves": incident.waves.len(),
                "peak_packets_per_second": incident.traffic.peak_packets,
                "peak_bytes_per_second": incident.traffic.peak_bytes,
                "packets": incident.traffic.packets,
                "dropped": incident.traffic.dropped,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_incident::IncidentEvent;

    use crate::sample;

    #[test]
    fn trigger_and_resolve_have_one_key() {
        let incident = sample::incident(1_796_000_000_000);
        let trigger = body(&Message::new(IncidentEvent::Began, incident.clone().into()), "edge1");
        let resolve = body(&Message::new(IncidentEvent::Ended, sample::over(incident).into()), "edge1");
        assert_eq!(
            (&trigger["event_action"], &resolve["event_action"]),
            (&"trigger".into(), &"resolve".into())
        );
        assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
        assert_eq!(trigger["payload"]["severity"], "warning");
        assert_eq!(trigger["payload"]["source"], "edge1");
        assert_eq!(trigger["payload"]["timestamp"], "2026-11-30T00:52:20.000Z");
    }
}
