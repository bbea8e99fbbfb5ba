//! What undoes that a source's packets are dropped, by the next command.

use crate::{
    api::{ListName, Outcome, WhyReport, WhyUndo},
    origin_lists::Wanted,
};

/// Commands that are named: the first fits best.
const NAMED: usize = 4;

/// The commands that undo what is told.
pub(super) fn commands(report: &WhyReport) -> Vec<WhyUndo> {
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
