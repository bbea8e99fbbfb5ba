//! An incident in twenty lines: for whoever was woken.

use std::fmt::Write as _;

use floodwall_api::Incident;
use floodwall_units as units;

use super::{
    summary::{bits, drops, lasted, reasons},
    text::{field, next_steps},
};

/// Reasons that are named.
const REASONS: usize = 3;
/// Signals of the host that are named.
const STRAINS: usize = 3;

/// What it is, since when, on what, what is dropped and why, who suffers, and what can be done now.
pub fn brief(incident: &Incident) -> String {
    let mut out = String::new();
    let span = units::spelled_span(lasted(incident));
    let wave = match incident.waves.len() {
        0 | 1 => String::new(),
        waves => format!(", wave {waves}"),
    };
    let state = if incident.is_attacked() {
        format!("UNDER ATTACK since {} ({span}{wave})", units::time(incident.began_ms))
    } else {
        format!("NO ATTACK AT THIS MOMENT; the last wave ended {}", units::time(incident.until_ms()))
    };
    let _ = writeln!(out, "{state}");
    let phase = format!("incident {}, {}, {}", incident.id, incident.phase.name(), incident.severity.name());
    field(&mut out, "", &phase);
    out.push('\n');
    field(&mut out, "what", &incident.vectors_in_words());
    let fingerprint = incident.vectors.iter().find_map(|vector| vector.fingerprints.last());
    if let Some(fingerprint) = fingerprint {
        field(&mut out, "", fingerprint);
    }
    let to = incident
        .destinations
        .first()
        .map_or_else(String::new, |most| format!(", most of it to {}", most.prefix));
    field(&mut out, "on", &format!("{}{to}", incident.services_in_words()));
    let traffic = &incident.traffic;
    let before = traffic
        .before
        .map_or_else(String::new, |before| format!("; {} before", units::count(before.round() as u64)));
    let peak = bits(traffic.peak_bytes);
    let much = format!("up to {} packets/s, {peak}{before}", units::count(traffic.peak_packets));
    field(&mut out, "how much", &much);
    let all = reasons(incident);
    let by: Vec<_> = all
        .iter()
        .filter(|(reason, _)| drops(reason))
        .take(REASONS)
        .map(|(reason, packets)| format!("{reason} {}", units::percent(*packets, traffic.packets)))
        .collect();
    let dropped = units::percent(traffic.dropped, traffic.packets);
    field(&mut out, "dropped", &format!("{dropped} of all packets; by {}", by.join(", ")));
    let strains: Vec<_> = incident
        .strain
        .iter()
        .take(STRAINS)
        .map(|strain| format!("{} {}", strain.what, strain.text))
        .collect();
    let hurt = if strains.is_empty() {
        "nothing that the host itself tells of".to_owned()
    } else {
        strains.join("; ")
    };
    field(&mut out, "at worst", &hurt);
    if let Some(share) = incident.harm.share {
        let harm = format!(
            "about {:.1} % of the packets of those who were there before; of {} in samples {} lost one there (confidence {})",
            share * 100.0,
            units::count(incident.harm.customers),
            units::count(incident.harm.hurt),
            incident.harm.confidence.name()
        );
        field(&mut out, "customers", &harm);
    }
    for warning in &incident.warnings {
        field(&mut out, "!", warning);
    }
    out.push('\n');
    next_steps(&mut out, incident);
    out
}
