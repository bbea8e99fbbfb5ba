//! A message about an incident, and the texts that the kinds of targets make of it.

use std::{
    fmt::Write as _,
    net::IpAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use floodwall_api::{Incident, IncidentSeverity};
use floodwall_incident::{IncidentEvent, report};
use serde_json::{Value, json};

/// A message to one target.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) event: IncidentEvent,
    pub(crate) incident: Arc<Incident>,
    /// The attacked host, for targets that are notified per host.
    pub(crate) address: Option<IpAddr>,
    /// Whether this is a test message that an operator has asked for.
    pub(crate) test: bool,
}

impl Message {
    pub(crate) fn new(event: IncidentEvent, incident: Arc<Incident>) -> Self {
        Self { event, incident, address: None, test: false }
    }

    pub(crate) fn key(&self) -> &str {
        &self.incident.key
    }

    pub(crate) fn is_over(&self) -> bool {
        self.event == IncidentEvent::Ended
    }

    /// One line: `edge1: attack began: Incident 7: spoofed SYN flood on web`.
    pub(crate) fn title(&self, host: &str) -> String {
        let happened = match self.event {
            IncidentEvent::Began => "attack began",
            IncidentEvent::Changed => "attack, more is known",
            IncidentEvent::GoesOn => "attack goes on",
            IncidentEvent::NeedsHuman => "ATTACK NEEDS A HUMAN",
            IncidentEvent::Ended => "attack is over",
        };
        let test = if self.test { "TEST, nothing is attacked: " } else { "" };
        format!("{test}{host}: {happened}: {}", report::title(&self.incident))
    }

    /// The details, one line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let incident = &self.incident;
        let mut lines = Vec::new();
        if self.test {
            lines.push("This is a test of floodwall's notifications. Nothing is attacked.".to_owned());
        }
        lines.extend(report::summary(incident));
        lines.extend(incident.warnings.iter().cloned());
        lines.push(format!("State: {}, {}.", incident.phase.name(), incident.severity.name()));
        lines.push(format!("On the host: floodwall incident show {}", incident.id));
        lines
    }

    /// The details as plain text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// The details for programs. The timeline is left out: it may be long, and names operators.
    pub(crate) fn document(&self, host: &str) -> Value {
        let mut incident = Incident::clone(&self.incident);
        incident.timeline.clear();
        json!({
            "event": self.event.name(),
            "test": self.test,
            "host": host,
            "title": self.title(host),
            "text": self.text(),
            "severity": incident.severity.name(),
            "phase": incident.phase.name(),
            "vectors": incident.vectors_in_words(),
            "services": incident.services_in_words(),
            "incident": incident,
        })
    }

    /// An RGB colour: red for a critical incident, amber for a warning, green once it is over.
    pub(crate) fn colour(&self) -> u32 {
        match (self.is_over(), self.incident.severity) {
            (true, _) => 0x2e_a0_43,
            (false, IncidentSeverity::Critical) => 0xd1_24_2f,
            (false, IncidentSeverity::Warning) => 0xbf_87_00,
        }
    }
}

/// Unix time in ms, in the format of RFC 3339.
pub(crate) fn rfc3339(time_ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(time_ms)).to_string()
}

/// Shortens a text to at most `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
