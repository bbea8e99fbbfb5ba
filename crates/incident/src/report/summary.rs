//! What has to be known of an incident, in a few sentences.

use floodwall_api::{Incident, IncidentActor, IncidentLine, IncidentPhase};

use crate::{census::ONCE_SHARE, harm, words};

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
    let (began, span) = (words::time(incident.began_ms), words::span(lasted(incident)));
    if incident.is_attacked() {
        return format!("Since {began} ({span} so far{waves}) {on} is attacked: {what}.");
    }
    let until = words::time(incident.until_ms());
    let more = match incident.phase {
        IncidentPhase::Resolved => "",
        _ => " It may come again: a wave within ten minutes is of the same incident.",
    };
    format!("From {began} to {until} ({span}{waves}) {on} was attacked: {what}.{more}")
}

fn how_much(incident: &Incident) -> String {
    let traffic = &incident.traffic;
    let before = traffic.before.map_or_else(String::new, |before| {
        format!(", where {} a second had come before", words::count(before.round() as u64))
    });
    format!(
        "At its peak {} packets a second ({}) came{before}.",
        words::count(traffic.peak_packets),
        words::bits(traffic.peak_bytes as f64)
    )
}

fn what_became(incident: &Incident) -> Option<String> {
    let traffic = &incident.traffic;
    (traffic.packets > 0).then(|| {
        format!(
            "Of {} packets that came while it went on, customers' among them, {} were dropped and {} passed.",
            words::count(traffic.packets),
            words::count(traffic.dropped),
            words::count(traffic.packets - traffic.dropped.min(traffic.packets))
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
            words::percent(sources.bogons, sources.sampled)
        )
    } else {
        String::new()
    };
    let contradict = if sources.contradict > 0 {
        format!(
            " {} came by another way than the conversations of the same source do, so that somebody else most likely sent \
             them in its name.",
            words::percent(sources.contradict, sources.sampled)
        )
    } else {
        String::new()
    };
    let certain = bogons + &contradict;
    let sampled = words::count(sources.sampled);
    let is_spoofed = incident.vectors.iter().any(|vector| vector.spoofed);
    // A later wave may come from the same forged addresses: that they came once only is said where it is so.
    if is_spoofed && sources.once as f64 >= sources.sampled as f64 * ONCE_SHARE {
        return Some(format!(
            "Of {sampled} dropped packets that were sampled, {} came from a source that was not seen again: their \
             addresses are forged, and say nothing of who has sent them.{certain}",
            words::percent(sources.once, sources.sampled)
        ));
    }
    let at_first = if is_spoofed {
        " At first next to none of them came twice, as forged ones do; later they did, so that it is not certain of all."
    } else {
        ""
    };
    Some(format!(
        "The {sampled} dropped packets that were sampled claim at least {} different sources.{at_first}{certain}",
        words::count(sources.sources)
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
