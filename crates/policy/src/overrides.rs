//! What was said of a rule since the configuration was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    limits::is_shared,
    model::{DEFAULT_SERVICE, Policy, RuleId},
    rule::{Author, Per, PrefixLengths, Rate, Rule, RuleMode, Spares, Then},
    subject::Subject,
};

/// What was said of a rule, in place of what is configured; or a rule that is not configured at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Whose packets it counts together.
    pub per: Per,
    /// Which it counts.
    pub of: Subject,
    /// How many may come; `None`: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What becomes of the rest; `None`: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// Whether it does what it says; `None`: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
}

impl Override {
    /// Changes the policy. What is about a service or rule that is not there any more changes nothing.
    ///
    /// What is said of a limit that all services share is said for all of them that have not been given another.
    pub fn apply(&self, id: &RuleId, policy: &mut Policy) {
        let Some(service) = policy.service(&id.service) else { return };
        let old = service.rules.iter().find(|rule| rule.name == id.rule).cloned();
        let Some(new) = self.changed(id, old.as_ref()) else { return };
        for service in &mut policy.services {
            let place = service.rules.iter().position(|rule| rule.name == id.rule);
            let own = place.and_then(|place| service.rules.get(place));
            if service.name == id.service || is_shared(id) && own == old.as_ref() {
                put(&mut service.rules, place, new.clone());
            }
        }
    }

    /// What a rule becomes, `None` within: it goes; `None`: nothing changes.
    fn changed(&self, id: &RuleId, old: Option<&Rule>) -> Option<Option<Rule>> {
        let Self { per, of, rate, then, mode } = self;
        if *mode == Some(RuleMode::Off) {
            return Some(None);
        }
        let rate = rate.or(old.map(|rule| rule.rate))?;
        let new = old.cloned().unwrap_or_else(|| Rule {
            name: id.rule.clone(),
            per: *per,
            of: *of,
            rate,
            then: Then::Limit,
            monitor: false,
            author: Author::Operator,
            spares: Spares::Nobody,
            prefix: PrefixLengths::default(),
            ceiling: None,
            when: None,
        });
        Some(Some(Rule { rate, then: then.unwrap_or(new.then), ..new }.named_by_operator(*mode)))
    }

    /// What holds after `later` was said, too.
    pub fn then(self, later: Self) -> Self {
        Self {
            rate: later.rate.or(self.rate),
            then: later.then.or(self.then),
            mode: later.mode.or(self.mode.filter(|mode| *mode != RuleMode::Off)),
            ..later
        }
    }
}

/// Puts a rule in the place of one, if there is one; or none.
fn put(rules: &mut Vec<Rule>, place: Option<usize>, new: Option<Rule>) {
    match (place, new) {
        (Some(place), Some(new)) => rules[place] = new,
        (Some(place), None) => drop(rules.remove(place)),
        (None, Some(new)) => rules.push(new),
        (None, None) => {}
    }
}

/// A policy as it is after all that was said.
pub fn overridden(policy: &Policy, overrides: &BTreeMap<RuleId, Override>) -> Policy {
    let mut changed = policy.clone();
    // What is said for all services comes first: what one of them was given itself wins.
    let (of_all, of_one): (Vec<_>, Vec<_>) =
        overrides.iter().partition(|(id, _)| id.service == DEFAULT_SERVICE);
    of_all.into_iter().chain(of_one).for_each(|(id, said)| said.apply(id, &mut changed));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::policy;

    const SERVICES: &str = "[[service]]\nname = \"api\"\nports = [81]\n[[service]]\nname = \"web\"\nports = [80]\n\
                            [[service.rule]]\nname = \"source-syn\"\nrate = 7\n[[service]]\nname = \"bare\"\n\
                            ports = [82]\ndefaults = false";

    fn said(rate: Option<u64>, mode: Option<RuleMode>) -> Override {
        let rate = rate.map(|rate| Rate { rate, burst: rate });
        Override { per: Per::Source, of: Subject::SYN, rate, then: None, mode }
    }

    /// The rate of SYNs per source in each service, and whether it only counts.
    fn rates(policy: &Policy) -> Vec<(&str, Option<(u64, bool)>)> {
        let services = policy.services.iter();
        let rate = |rules: &[Rule]| {
            let rule = rules.iter().find(|rule| rule.name == "source-syn")?;
            Some((rule.rate.rate, rule.monitor))
        };
        services.map(|service| (service.name.as_str(), rate(&service.rules))).collect()
    }

    fn after(configured: &str, said: &[(&str, Override)]) -> Policy {
        let said = said.iter().map(|(service, said)| (RuleId::new(service, "source-syn"), said.clone()));
        overridden(&policy(configured), &said.collect())
    }

    #[test]
    fn what_is_said_of_a_limit_that_services_share_holds_for_all_of_them() {
        let changed = after(SERVICES, &[("default", said(Some(50), None))]);
        let expected = [
            ("default", Some((50, false))),
            ("api", Some((50, false))),
            ("web", Some((7, false))),
            ("bare", None),
        ];
        assert_eq!(rates(&changed), expected, "one has its own, and one has none");
        let off = after(SERVICES, &[("default", said(None, Some(RuleMode::Off)))]);
        assert_eq!(
            rates(&off),
            [("default", None), ("api", None), ("web", Some((7, false))), ("bare", None)]
        );
    }

    #[test]
    fn what_a_service_was_given_itself_wins_whatever_its_name() {
        for service in ["api", "web"] {
            let of_all = ("default", said(Some(50), None));
            let changed = after(SERVICES, &[of_all, (service, said(None, Some(RuleMode::Monitor)))]);
            let found: BTreeMap<_, _> = rates(&changed).into_iter().collect();
            let rate = if service == "web" { 7 } else { 50 };
            assert_eq!(found[service], Some((rate, true)));
            assert_eq!(found["default"], Some((50, false)));
        }
    }

    #[test]
    fn a_limit_that_was_taken_away_by_the_configuration_comes_back_for_all() {
        let text = "[defaults]\nsource-syn = { mode = \"off\" }\n[[service]]\nname = \"api\"\nports = [81]";
        let changed = after(text, &[("default", said(Some(50), Some(RuleMode::Enforce)))]);
        assert_eq!(rates(&changed), [("default", Some((50, false))), ("api", Some((50, false)))]);
    }

    #[test]
    fn other_rules_are_those_of_their_service() {
        let icmp = Override { of: "icmp".parse().unwrap(), ..said(Some(3), None) };
        let changed = overridden(&policy(SERVICES), &[(RuleId::new("default", "source-icmp"), icmp)].into());
        let rate = |service| changed.rule(&RuleId::new(service, "source-icmp")).unwrap().rate.rate;
        assert_eq!((rate("default"), rate("api")), (3, 50));
    }
}
