//! Alertmanager: its API v2 (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).
//!
//! Alertmanager identifies an alert by its labels, so these stay the same for the whole incident; everything that changes is
//! an annotation. An alert that is not repeated expires, so that those of a daemon that has died do not stay for ever.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use floodwall_units::unix;
use serde_json::{Value, json};

use super::{Endpoint, Sender};
use crate::{
    failure::Failure,
    http::Post,
    message::{Message, rfc3339},
    secret::SecretSource,
};

/// How often the alert of an ongoing incident is repeated.
pub(crate) const REPEAT_INTERVAL: Duration = Duration::from_secs(60);
/// How long after its last repetition an alert expires, ms: long enough for the daemon to be restarted.
const EXPIRES_MS: u64 = 300_000;
const PATH: &str = "/api/v2/alerts";

/// Sends alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alertmanager {
    pub(crate) url: Endpoint,
    pub(crate) authorization: Option<SecretSource>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Alertmanager {
    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let (url, secrets) = sender.url(&self.url).await?;
        let authorization = match &self.authorization {
            Some(source) => Some(sender.secret(source).await?),
            None => None,
        };
        let body = self.alerts(message, &sender.host, unix::millis(SystemTime::now()));
        let post = Post::json(url.below(PATH), &body);
        Post { authorization, secrets, ca_file: self.ca_file.clone(), ..post }.send().await
    }

    fn alerts(&self, message: &Message, host: &str, now_ms: u64) -> Value {
        let incident = &message.incident;
        let mut labels = BTreeMap::from([
            ("alertname".to_owned(), "FloodwallIncident".to_owned()),
            ("instance".to_owned(), host.to_owned()),
        ]);
        labels.extend(self.labels.clone());
        labels.insert("incident".to_owned(), message.key().to_owned());
        // Alertmanager refuses an alert that ends before it begins, which a change of the clock could cause.
        let ends_ms = if message.is_over() { now_ms } else { now_ms + EXPIRES_MS }.max(incident.began_ms);
        json!([{
            "labels": labels,
            "annotations": {
                "summary": message.title(host),
                "description": message.text(),
                "severity": incident.severity.name(),
                "phase": incident.phase.name(),
                "services": incident.services_in_words(),
                "vectors": incident.vectors_in_words(),
                "waves": incident.waves.len().to_string(),
                "command": format!("floodwall incident show {}", incident.id),
            },
            "startsAt": rfc3339(incident.began_ms),
            "endsAt": rfc3339(ends_ms),
        }])
    }
}

/// Whether Prometheus's data model allows a label of this name.
pub(crate) fn is_label(name: &str) -> bool {
    let letter = |one: char| one.is_ascii_alphabetic() || one == '_';
    name.starts_with(letter) && name.chars().all(|one| letter(one) || one.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_incident::IncidentEvent;

    use crate::{http::Url, sample};

    #[test]
    fn labels_stay_the_same_for_the_whole_incident() {
        let url = Endpoint::Url(Url::parse("http://127.0.0.1:9093").expect("a URL"));
        let labels =
            BTreeMap::from([("team".to_owned(), "net".to_owned()), ("incident".to_owned(), "x".to_owned())]);
        let target = Alertmanager { url, authorization: None, ca_file: None, labels };
        let now_ms = 1_796_000_000_000;
        let first = sample::incident(now_ms);
        let mut later = first.clone();
        later.waves.push(later.waves[0].clone());
        later.services[0].service = "other".to_owned();
        later.severity = floodwall_api::IncidentSeverity::Critical;
        let alert = |event, incident: &floodwall_api::Incident, now_ms| {
            target.alerts(&Message::new(event, incident.clone().into()), "edge1", now_ms)[0].clone()
        };
        let began = alert(IncidentEvent::Began, &first, now_ms);
        let changed = alert(IncidentEvent::Changed, &later, now_ms + 1_000);
        let ended = alert(IncidentEvent::Ended, &sample::over(later), now_ms + 2_000);
        assert!(began["labels"] == changed["labels"] && changed["labels"] == ended["labels"]);
        assert_eq!(
            (&began["labels"]["team"], &began["labels"]["incident"]),
            (&"net".into(), &first.key.into())
        );
        assert_eq!(began["startsAt"], ended["startsAt"]);
        assert_eq!(began["endsAt"], "2026-11-30T00:58:20.000Z");
        assert_eq!(ended["endsAt"], "2026-11-30T00:53:22.000Z");
        assert!(is_label("team_2") && !is_label("2team") && !is_label("a-b") && !is_label(""));
    }
}
