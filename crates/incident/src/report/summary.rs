//! What has to be known of an incident, in a few sentences.

use floodwall_api::{Incident, IncidentActor, IncidentLine, IncidentPhase};
use floodwall_units as units;

use crate::{harm, tally::ONCE_SHARE};

/// `Incident 7: spoofed SYN flood on web`.
pub fn title(incident: &Incident) -> String {
    let on = incident.services_in_words();
    let on = if on.is_empty() { String::new() } else { format!(" on {on}") };
    format!("Incident {}: {}{on}", incident.id, incident.vectors_in_words())
}

/// How long it has lasted, s: from its first packet to the end of its last wave, or until now.
pub fn lasted(incident: &Incident) -> u64 {
    incident.until_ms().saturating_sub(incident.began_ms).div_ceil(1_000)
}

/// All that has to be known, a sentence each.
pub fn summary(incident: &Incident) -> Vec<String> {
    let mut sentences = vec![when(incident), how_much(incident)];
    sentences.extend(what_became(incident));
    sentences.extend(whose(incident));
    if !incident.vectors.is_empty() {
        sentences.push(harm::words(&incident.harm));
    }
    sentences
}

fn when(incident: &Incident) -> String {
    let waves = match incident.waves.len() {
        0 | 1 => String::new(),
        waves => format!(", in {waves} waves"),
    };
    let what = incident.vectors_in_words();
    let on = incident.services_in_words();
    let on = if on.is_empty() { "a service".to_owned() } else { on };
    let (began, span) = (units::time(incident.began_ms), units::spelled_span(lasted(incident)));
    if incident.is_attacked() {
        return format!("Since {began} ({span} so far{waves}) {on} is attacked: {what}.");
    }
    let until = units::time(incident.until_ms());
    let more = match incident.phase {
        IncidentPhase::Resolved => "",
        _ => " It may come again: a wave within ten minutes is of the same incident.",
    };
    format!("From {began} to {until} ({span}{waves}) {on} was attacked: {what}.{more}")
}

fn how_much(incident: &Incident) -> String {
    let traffic = &incident.traffic;
    let before = traffic.before.map_or_else(String::new, |before| {
        format!(", where {} a second had come before", units::count(before.round() as u64))
    });
    format!(
        "At its peak {} packets a second ({}) came{before}.",
        units::count(traffic.peak_packets),
        bits(traffic.peak_bytes)
    )
}

fn what_became(incident: &Incident) -> Option<String> {
    let traffic = &incident.traffic;
    (traffic.packets > 0).then(|| {
        format!(
            "Of {} packets that came while it went on, customers' among them, {} were dropped and {} passed.",
            units::count(traffic.packets),
            units::count(traffic.dropped),
            units::count(traffic.packets - traffic.dropped.min(traffic.packets))
        )
    })
}

fn whose(incident: &Incident) -> Option<String> {
    let sources = &incident.sources;
    if sources.sampled == 0 {
        return None;
    }
    let bogons = if sources.bogons > 0 {
        format!(
            " {} claim an address that nobody has: these are certainly forged.",
            units::percent(sources.bogons, sources.sampled)
        )
    } else {
        String::new()
    };
    let contradict = if sources.contradict > 0 {
        format!(
            " {} came by another way than the conversations of the same source do, so that somebody else most likely sent \
             them in its name.",
            units::percent(sources.contradict, sources.sampled)
        )
    } else {
        String::new()
    };
    let same_way: Vec<_> = incident
        .vectors
        .iter()
        .filter(|vector| vector.same_way)
        .map(|vector| vector.words.as_str())
        .collect();
    let same_way = if same_way.is_empty() {
        String::new()
    } else {
        format!(
            " Those of the {} claim to come from all over the world, and came over the same number of routers: their addresses \
             are forged, and say nothing of who has sent them.",
            same_way.join(" and the ")
        )
    };
    let certain = same_way + &bogons + &contradict;
    let sampled = units::count(sources.sampled);
    let is_spoofed = incident.vectors.iter().any(|vector| vector.spoofed);
    // A later wave may come from the same forged addresses: that they came once only is said where it is so.
    if is_spoofed && sources.once as f64 >= sources.sampled as f64 * ONCE_SHARE {
        return Some(format!(
            "Of {sampled} dropped packets that were sampled, {} came from a source that was not seen again: their \
             addresses are forged, and say nothing of who has sent them.{certain}",
            units::percent(sources.once, sources.sampled)
        ));
    }
    let once = incident.vectors.iter().any(|vector| vector.spoofed && !vector.same_way);
    let at_first = if once {
        " At first next to none of them came twice, as forged ones do; later they did, so that it is not certain of all."
    } else {
        ""
    };
    Some(format!(
        "The {sampled} dropped packets that were sampled claim at least {} different sources.{at_first}{certain}",
        units::count(sources.sources)
    ))
}

/// Who has done it, in a word.
pub(super) fn actor(line: &IncidentLine) -> &str {
    match &line.by {
        IncidentActor::Outside => "",
        IncidentActor::Automatic => "floodwall",
        IncidentActor::Operator(who) => who,
    }
}

/// Reasons that pass packets (`docs/stages.md`).
const PASSING: [&str; 6] = ["clean", "not-ip", "trusted", "control", "bypass", "fault"];

/// Whether a reason drops.
pub(super) fn drops(reason: &str) -> bool {
    !PASSING.contains(&reason)
}

/// Reasons by how many packets they have decided, the most first.
pub(super) fn reasons(incident: &Incident) -> Vec<(&str, u64)> {
    let mut reasons: Vec<_> =
        incident.traffic.reasons.iter().map(|(reason, packets)| (reason.as_str(), *packets)).collect();
    reasons.sort_by_key(|(reason, packets)| (std::cmp::Reverse(*packets), *reason));
    reasons
}

/// `1.2 Mbit/s`, of bytes/s.
pub(super) fn bits(bytes: u64) -> String {
    units::bit_rate(bytes as f64 * 8.0, units::Digits::Two)
}
