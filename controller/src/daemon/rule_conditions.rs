//! Which rules hold now, of those that have a condition (`when` in the configuration): those whose signal is over the limit, or
//! was so a moment ago.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::policy::{RuleId, When};

/// A condition holds on for so long after its signal was last over the limit, so that rules do not flutter.
const LINGER: Duration = Duration::from_secs(10);

/// When the signal of each rule whose condition holds was last over its limit.
#[derive(Debug, Default)]
pub(super) struct RuleConditions {
    last_over: BTreeMap<RuleId, Instant>,
}

/// What has changed for a rule, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turned {
    pub(super) rule: RuleId,
    /// It holds from now on; else it only counts again.
    pub(super) holds: bool,
    pub(super) text: String,
}

impl RuleConditions {
    /// Holds the conditions of rules against the values that their signals have at this moment. Which rules have turned.
    pub(super) fn look(
        &mut self,
        now: Instant,
        conditions: &[(RuleId, When)],
        value: impl Fn(&RuleId, When) -> Option<u64>,
    ) -> Vec<Turned> {
        let mut turned = Vec::new();
        for (rule, when) in conditions {
            let is_over = value(rule, *when).is_some_and(|value| value > when.over);
            if is_over && self.last_over.insert(rule.clone(), now).is_none() {
                let text = format!("holds now, as its condition does: {when}");
                turned.push(Turned { rule: rule.clone(), holds: true, text });
            }
        }
        self.last_over.retain(|rule, at| {
            let stays = now.duration_since(*at) < LINGER;
            if !stays {
                let text = "only counts again: its condition holds no longer".to_owned();
                turned.push(Turned { rule: rule.clone(), holds: false, text });
            }
            stays
        });
        turned
    }

    /// The rules that hold.
    pub(super) fn active(&self) -> BTreeSet<RuleId> {
        self.last_over.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Signal;

    #[test]
    fn a_rule_holds_from_the_moment_its_signal_is_over_until_it_was_not_for_a_while() {
        let rule = RuleId::new("web", "slow");
        let conditions = [(rule.clone(), When { signal: Signal::Probe, over: 500 })];
        let mut all = RuleConditions::default();
        let start = Instant::now();
        let mut look = |second: u64, value: Option<u64>| {
            let turned = all.look(start + Duration::from_secs(second), &conditions, |_, _| value);
            let turned: Vec<bool> = turned.iter().map(|turned| turned.holds).collect();
            (turned, all.active().contains(&rule))
        };
        assert_eq!(look(0, Some(500)), (vec![], false), "not over it");
        assert_eq!(look(1, None), (vec![], false));
        assert_eq!(look(2, Some(501)), (vec![true], true));
        assert_eq!(look(3, Some(900)), (vec![], true), "it is told once");
        assert_eq!(look(12, Some(0)), (vec![], true), "nine seconds after");
        assert_eq!(look(13, Some(0)), (vec![false], false));
        assert_eq!(look(14, Some(501)), (vec![true], true), "and again");
    }
}
