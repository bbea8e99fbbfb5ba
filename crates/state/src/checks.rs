//! Which checks are in force, and why not the others.

use floodwall_common::wire::{Reason, families};

use super::{filter::Filter, regime::Regime};
use floodwall_api::CheckStatus;
use floodwall_policy::family_names;

/// What drops packets without a list, a rule or a signature of an operator's.
const CHECKS: [Reason; 7] = [
    Reason::Malformed,
    Reason::Unsolicited,
    Reason::Stray,
    Reason::Fragment,
    Reason::Signature,
    Reason::Fruitless,
    Reason::NewName,
];

impl Filter {
    /// The checks, whether they are in force, and if not, why not.
    pub fn checks(&self) -> Vec<CheckStatus> {
        let regime = self.regime.lock();
        let status = |check: Reason| {
            let why = why_it_only_counts(&regime, check);
            let of_one = if why.is_empty() { why_of_one_family(&regime, check) } else { Vec::new() };
            let enforced = why.is_empty();
            CheckStatus { check: check.name().to_owned(), enforced, why: [why, of_one].concat() }
        };
        CHECKS.into_iter().map(status).collect()
    }

    /// Whether only what the operator has named is in force.
    pub fn is_observing(&self) -> bool {
        self.regime.lock().situation().observe
    }
}

fn why_it_only_counts(regime: &Regime, check: Reason) -> Vec<String> {
    let situation = regime.situation();
    let mut why = Vec::new();
    if regime.policy().monitored & check.bit() != 0 {
        why.push("the configuration has it monitored".to_owned());
    }
    if situation.observe {
        why.push(match check {
            Reason::Signature => {
                "observe: signatures that are found only count; those of an operator drop".to_owned()
            }
            _ => "observe: only what the operator has named drops".to_owned(),
        });
    }
    if matches!(check, Reason::Unsolicited | Reason::Stray) {
        if situation.facts.unprovable() == families::BOTH {
            why.extend(situation.facts.carries.iter().map(ToString::to_string));
        }
        if situation.facts.listening.is_none() {
            why.push("it is not known where something listens".to_owned());
        }
    }
    why
}

/// Why a check only counts packets of one family, where it drops those of the other.
fn why_of_one_family(regime: &Regime, check: Reason) -> Vec<String> {
    let facts = &regime.situation().facts;
    let [family] = family_names(facts.unprovable())[..] else { return Vec::new() };
    if !matches!(check, Reason::Unsolicited | Reason::Stray) {
        return Vec::new();
    }
    facts.carries.iter().map(|why| format!("only counts {family}: {why}")).collect()
}
