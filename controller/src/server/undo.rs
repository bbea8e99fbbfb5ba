//! What undoes that a source's packets are dropped, by the next command.

use crate::{
    api::{ListName, Outcome, WhyPacket, WhyReport, WhyUndo},
    origin_lists::Wanted,
};

/// Commands that are named: the first fits best.
const NAMED: usize = 4;

/// What undoes what is told.
pub(super) fn of(report: &WhyReport) -> Vec<WhyUndo> {
    let address = &report.address;
    let mut undo = Vec::new();
    let mut say = |command: String, what: &str| undo.push(WhyUndo { command, what: what.to_owned() });
    let allow = format!("floodwall allow add {address} --for 1h");
    match report.outcome {
        Outcome::Bypassed => say("floodwall bypass off".to_owned(), "filter again"),
        Outcome::Allowed => {
            let allowing = report.lists.covering.iter().filter(|covering| covering.list == ListName::Allow);
            for covering in allowing {
                say(
                    format!("floodwall allow rm {}", covering.entry.prefix),
                    "let it be judged as others are",
                );
            }
        }
        Outcome::Blocked => {
            for covering in report.lists.covering.iter().filter(|covering| covering.list == ListName::Block) {
                let prefix = &covering.entry.prefix;
                if let Some(wanted) = covering.entry.import.as_deref().and_then(Wanted::of_name) {
                    let what = "take all of it off the list";
                    say(format!("floodwall block rm {}", wanted.selector), what);
                    continue;
                }
                let what = if covering.entry.import.is_some() {
                    "take it off the list, until an import brings it again"
                } else {
                    "take it off the list"
                };
                say(format!("floodwall block rm {prefix}"), what);
            }
            say(allow.clone(), "let this one pass whatever is listed, for an hour");
        }
        Outcome::Banned | Outcome::Limited | Outcome::Passes => {}
    }
    if report.outcome != Outcome::Blocked {
        for ban in report.bans.iter().filter(|ban| ban.enforced) {
            say(format!("floodwall ban lift {}", ban.prefix), "end the ban, and forget the offence");
        }
    }
    if matches!(report.outcome, Outcome::Banned | Outcome::Limited) {
        say(allow.clone(), "let it pass whatever it does, for an hour");
    }
    for service in &report.closed {
        say(format!("floodwall lockdown off {service}"), "open the service to all again");
    }
    if report.outcome == Outcome::Passes {
        for signature in report.signatures.iter().filter(|signature| signature.drops && signature.may_match) {
            say(
                format!("floodwall signature drop {}", signature.number),
                "take the signature back, should it be the one that hits its packets",
            );
        }
        if report.past.packets.iter().any(|packets| packets.dropped) {
            say(allow, "let it pass whatever its packets say, for an hour");
        }
    }
    undo.truncate(NAMED);
    undo
}

/// Whether a signature can match a packet, by its protocol, ports and service; what else it says is not known of the packet.
pub(super) fn may_match(signature: &str, packet: &WhyPacket) -> bool {
    let mut terms = signature.split_whitespace();
    while let Some(term) = terms.next() {
        let holds = match term.split_once('=') {
            None if term == "to" => terms.next().is_none_or(|service| service == packet.service),
            None if matches!(term, "tcp" | "udp" | "icmp" | "icmpv6") => term == packet.protocol,
            Some(("proto", values)) => holds(values, if packet.protocol == "tcp" { 6 } else { 17 }),
            Some(("sport", values)) => holds(values, packet.source_port.into()),
            Some(("dport", values)) => holds(values, packet.destination_port.into()),
            _ => true,
        };
        if !holds {
            return false;
        }
    }
    true
}

/// Whether a number is one of values and ranges; those that are not understood may hold it.
fn holds(values: &str, number: u32) -> bool {
    values.split(',').any(|value| {
        let (from, to) = value.split_once('-').unwrap_or((value, value));
        match (as_number(from), as_number(to)) {
            (Some(from), Some(to)) => (from..=to).contains(&number),
            _ => true,
        }
    })
}

fn as_number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_held_against_the_five_tuple() {
        let packet = WhyPacket {
            protocol: "tcp".into(),
            source_port: 40_000,
            destination: "192.0.2.10".into(),
            destination_port: 443,
            service: "web".into(),
            offered: true,
            mutual: false,
        };
        for (signature, expected) in [
            ("tcp flags=syn window=0", true),
            ("tcp to web dport=443", true),
            ("tcp to mail", false),
            ("udp sport=123", false),
            ("tcp sport=1024-40000 dport=80,443", true),
            ("tcp sport=0x9c41", false),
            ("proto=6,17 dport=444-500", false),
            ("proto=tcp", true),
        ] {
            assert_eq!(may_match(signature, &packet), expected, "{signature}");
        }
    }
}
