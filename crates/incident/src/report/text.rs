//! An incident on a terminal of 80 columns.

use std::fmt::Write as _;

use floodwall_api::{Incident, IncidentPhase, IncidentReport};
use floodwall_units as units;

use super::{
    origins,
    spark::spark,
    summary::{actor, lasted, reasons, summary, title},
};

/// Columns of a terminal that everybody has.
const COLUMNS: usize = 80;
/// Lines of the timeline that are shown: the first, and the last.
const FIRST: usize = 6;
const LAST: usize = 10;
/// Rows of reasons.
const REASONS: usize = 6;
/// Networks, and countries.
const ORIGINS: usize = 3;

/// All of it, as lines of at most 80 columns.
pub fn text(report: &IncidentReport) -> String {
    let IncidentReport { incident, series, incomplete } = report;
    let mut out = String::new();
    line(&mut out, "", &title(incident));
    let state = format!("{}, {}; {}", incident.phase.name(), incident.severity.name(), incident.key);
    line(&mut out, "", &state);
    out.push('\n');
    summary(incident).iter().for_each(|sentence| line(&mut out, "", sentence));
    for warning in &incident.warnings {
        out.push('\n');
        line(&mut out, "! ", warning);
    }
    if let Some(why) = incomplete {
        out.push('\n');
        line(&mut out, "! ", &format!("Rates are missing: {why}."));
    }
    if !series.is_empty() {
        let (came, most) = spark(series, COLUMNS - 10, |second| second.packets);
        let (dropped, most_dropped) = spark(series, COLUMNS - 10, |second| second.dropped);
        let _ = writeln!(out, "\ncame      {came}\ndropped   {dropped}");
        let _ = writeln!(
            out,
            "          up to {} and {} packets/s",
            units::count(most),
            units::count(most_dropped)
        );
    }
    vectors(&mut out, incident);
    let origins = origins::rows(&incident.sources, ORIGINS);
    if !origins.is_empty() {
        out.push_str("\nwhere sampled packets claim to come from (an address can be forged)\n");
        for [who, dropped, passed] in origins {
            line(&mut out, "  ", &format!("{who}: {dropped} dropped, {passed} passed"));
        }
    }
    let reasons = reasons(incident);
    if !reasons.is_empty() {
        out.push_str("\npackets by reason\n");
        for (reason, packets) in reasons.into_iter().take(REASONS) {
            let share = units::percent(packets, incident.traffic.packets);
            let _ = writeln!(out, "{:>16}  {reason} ({share})", units::count(packets));
        }
    }
    if !incident.strain.is_empty() {
        out.push_str("\nhow the host fared, at its worst\n");
        for strain in &incident.strain {
            let said = format!("{} {} at {}", strain.what, strain.text, units::clock(strain.time_ms));
            line(&mut out, "  ", &said);
        }
    }
    timeline(&mut out, incident);
    out.push('\n');
    next_steps(&mut out, incident);
    out
}

/// What can be done now.
pub(super) fn next_steps(out: &mut String, incident: &Incident) {
    out.push_str("what now\n");
    for (command, what) in next(incident) {
        let _ = writeln!(out, "  {command}");
        line(out, "      ", what);
    }
}

/// A value behind its name, or below the one before.
pub(super) fn field(out: &mut String, name: &str, value: &str) {
    hanging(out, &format!("{name:<10}"), &" ".repeat(10), value);
}

fn vectors(out: &mut String, incident: &Incident) {
    if incident.vectors.is_empty() {
        return;
    }
    out.push_str("\nwhat it consists of\n");
    for vector in &incident.vectors {
        let _ =
            writeln!(out, "  {} ({} dropped packets sampled)", vector.words, units::count(vector.sampled));
        vector.fingerprints.iter().for_each(|text| line(out, "      ", text));
    }
}

fn timeline(out: &mut String, incident: &Incident) {
    let lines = &incident.timeline;
    if lines.is_empty() {
        return;
    }
    out.push_str("\nwhat happened (UTC)\n");
    let left_out = lines.len().saturating_sub(FIRST + LAST);
    for (place, entry) in lines.iter().enumerate() {
        if place == FIRST && left_out > 0 {
            let _ = writeln!(
                out,
                "  … {} more; all of it: floodwall --json incident show {}",
                left_out, incident.id
            );
        }
        if (FIRST..FIRST + left_out).contains(&place) {
            continue;
        }
        let who = actor(entry);
        let by = if who.is_empty() || who == "floodwall" { String::new() } else { format!(" [{who}]") };
        let said = format!("{} {}{by}", units::clock(entry.time_ms), entry.text);
        hanging(out, "  ", "           ", &said);
    }
    if incident.left_out > 0 {
        let _ = writeln!(out, "  {} lines more were not kept", units::count(incident.left_out));
    }
}

/// What can be done now, by the next command.
fn next(incident: &Incident) -> Vec<(String, &'static str)> {
    let id = incident.id;
    let mut next = Vec::new();
    match incident.phase {
        IncidentPhase::Resolved => {
            next.push((format!("floodwall incident report {id} --as markdown"), "write the post-mortem"));
            if let Some(asn) = incident.sources.proven.iter().find_map(|proven| proven.asn) {
                let command = format!(
                    "floodwall incident report {id} --as xarf --to-asn {asn} --org NAME --contact MAIL"
                );
                next.push((command, "tell the network that an attacker has connected from"));
            }
        }
        phase => {
            next.push((
                "floodwall signature list".to_owned(),
                "what is dropped by its headers, and what only counts",
            ));
            next.push((
                "floodwall why ADDRESS".to_owned(),
                "what becomes of a customer's packets, and how to undo it",
            ));
            if phase != IncidentPhase::Monitoring {
                let what = "hold each source to fewer requests for connections, for an hour";
                next.push(("floodwall limit set syn 20/s --burst 40 --for 1h".to_owned(), what));
            }
            let what = "should customers be hurt: let everything pass for ten minutes";
            next.push(("floodwall bypass on --for 10m".to_owned(), what));
            next.push((format!("floodwall incident report {id} --for-status-page"), "tell your customers"));
        }
    }
    next
}

/// An incident in a list: number, state, beginning, length, peak, share that was dropped, what it is.
pub fn list_row(incident: &Incident) -> [String; 7] {
    let traffic = &incident.traffic;
    let state = if incident.is_attacked() { "UNDER WAY" } else { incident.phase.name() };
    let began = units::time(incident.began_ms);
    [
        incident.id.to_string(),
        state.to_owned(),
        began.get(..16).unwrap_or(&began).to_owned(),
        units::spelled_span(lasted(incident)),
        units::count(traffic.peak_packets),
        units::percent(traffic.dropped, traffic.packets),
        format!("{} on {}", incident.vectors_in_words(), incident.services_in_words()),
    ]
}

/// A paragraph behind an indent.
fn line(out: &mut String, indent: &str, text: &str) {
    hanging(out, indent, &" ".repeat(indent.len()), text);
}

/// A paragraph whose lines after the first are indented otherwise.
fn hanging(out: &mut String, first: &str, others: &str, text: &str) {
    let room = COLUMNS - first.len().max(others.len());
    for (place, part) in wrapped(&units::masked(text), room).into_iter().enumerate() {
        let _ = writeln!(out, "{}{part}", if place == 0 { first } else { others });
    }
}

/// A text in lines of at most so many characters; a word that is longer is cut.
pub fn wrapped(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (piece_place, piece) in letters.chunks(room).enumerate() {
            let space = usize::from(length > 0 && piece_place == 0);
            if length + space + piece.len() > room {
                lines.push(String::new());
                length = 0;
            }
            let last = lines.len() - 1;
            if length > 0 {
                lines[last].push(' ');
                length += 1;
            }
            lines[last].extend(piece);
            length += piece.len();
        }
    }
    lines
}
