//! Which checks are in force, and why not the others.

use floodwall_common::wire::{Reason, families};

use super::{filter::Filter, policy_state::PolicyState};
use floodwall_api::CheckStatus;
use floodwall_policy::family_names;

/// What drops packets without a list, a rule or a signature of an operator's.
const CHECKS: [Reason; 7] = [
    Reason::Malformed,
    Reason::Unsolicited,
    Reason::OutOfState,
    Reason::Fragment,
    Reason::Signature,
    Reason::Fruitless,
    Reason::NewName,
];

impl Filter {
    /// The checks, whether they are in force, and if not, why not.
    pub fn checks(&self) -> Vec<CheckStatus> {
        let policy_state = self.policy_state.lock();
        let status = |check: Reason| {
            let why = why_it_only_counts(&policy_state, check);
            let of_one = if why.is_empty() { why_of_one_family(&policy_state, check) } else { Vec::new() };
            let enforced = why.is_empty();
            CheckStatus { check: check.name().to_owned(), enforced, why: [why, of_one].concat() }
        };
        CHECKS.into_iter().map(status).collect()
    }

    /// Whether only what the operator has named is in force.
    pub fn is_observing(&self) -> bool {
        self.policy_state.lock().situation().observe
    }
}

fn why_it_only_counts(policy_state: &PolicyState, check: Reason) -> Vec<String> {
    let situation = policy_state.situation();
    let mut why = Vec::new();
    if policy_state.policy().monitored & check.bit() != 0 {
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
    if matches!(check, Reason::Unsolicited | Reason::OutOfState) {
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
fn why_of_one_family(policy_state: &PolicyState, check: Reason) -> Vec<String> {
    let facts = &policy_state.situation().facts;
    let [family] = family_names(facts.unprovable())[..] else { return Vec::new() };
    if !matches!(check, Reason::Unsolicited | Reason::OutOfState) {
        return Vec::new();
    }
    facts.carries.iter().map(|why| format!("only counts {family}: {why}")).collect()
}
