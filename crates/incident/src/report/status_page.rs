//! What an incident is to those outside: true numbers, and no name of a host, a service, or an address.

use std::collections::BTreeSet;

use floodwall_api::{Incident, IncidentPhase};
use floodwall_units as units;
use schemars::JsonSchema;
use serde::Serialize;

use super::summary::{bits, lasted};

/// A text for a status page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusUpdate {
    /// Which of the page's states it is for.
    pub status: IncidentPhase,
    /// When the incident came to it first, Unix ms.
    pub time_ms: u64,
    /// The text.
    pub body: String,
}

/// The texts for all states that it has come to, in the order in which it did. Numbers are those that are known now.
pub fn status_page(incident: &Incident) -> Vec<StatusUpdate> {
    let mut told = BTreeSet::new();
    let turns = incident.turns.iter().filter(|turn| told.insert(turn.phase));
    turns
        .map(|turn| StatusUpdate {
            status: turn.phase,
            time_ms: turn.time_ms,
            body: body(incident, turn.phase),
        })
        .collect()
}

fn body(incident: &Incident, phase: IncidentPhase) -> String {
    let traffic = &incident.traffic;
    let kinds: Vec<_> = incident.vectors.iter().map(|vector| vector.words.as_str()).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let services = match incident.services.len() {
        0 | 1 => "one of our services has".to_owned(),
        services => format!("{services} of our services have"),
    };
    let began = units::time(incident.began_ms);
    let dropped = units::percent(traffic.dropped, traffic.packets);
    let peak =
        format!("{} packets a second ({})", units::count(traffic.peak_packets), bits(traffic.peak_bytes));
    match phase {
        IncidentPhase::Investigating => format!(
            "Since {began} {services} been receiving unusual traffic. Requests may be slow or may fail. We are \
             investigating."
        ),
        IncidentPhase::Identified => {
            let passes = if incident.warnings.is_empty() {
                ""
            } else {
                " Not all of it can be told from the traffic of customers, and requests may be slow or may fail."
            };
            format!(
                "This is a denial-of-service attack{kinds}. At its peak {peak} arrived. {dropped} of what has arrived \
                 since it began was dropped.{passes}"
            )
        }
        IncidentPhase::Monitoring => {
            let before = traffic.before.filter(|before| *before >= 1.0).map_or_else(String::new, |before| {
                let times = traffic.peak_packets as f64 / before;
                if times >= 2.0 {
                    format!(", {} times as much as before it", units::count(times as u64))
                } else {
                    String::new()
                }
            });
            format!(
                "The attack{kinds} is being filtered. At its peak {peak} arrived{before}; {dropped} of what has arrived \
                 since it began was dropped. We are monitoring whether it changes or comes again."
            )
        }
        IncidentPhase::Resolved => {
            let waves = match incident.waves.len() {
                0 | 1 => String::new(),
                waves => format!(" in {waves} waves"),
            };
            format!(
                "The denial-of-service attack{kinds} that began at {began} is over. It went on for {}{waves}, until {}. At \
                 its peak {peak} arrived; {dropped} of what arrived while it went on was dropped.",
                units::spelled_span(lasted(incident)),
                units::time(incident.until_ms())
            )
        }
    }
}
