//! Limits per source that hold whichever service packets are for, as they are told beside the status. They are rules of
//! the default service.

use super::{filter::Filter, rules::state};
use floodwall_api::{Limit, Limits, RuleState};
use floodwall_policy::{self as policy, DEFAULT_SERVICE, Per, Rate, RuleId, Subject, limits_of};

impl Filter {
    /// The limits in force.
    pub fn limits(&self) -> Limits {
        let policy::Limits { packets, syn } = limits_of(&self.policy_state.lock().policy());
        let limit = |rate: Option<Rate>| rate.map(|Rate { rate, burst }| Limit { rate, burst });
        Limits { packets: limit(packets), syn: limit(syn) }
    }

    /// Which of them only count.
    pub(super) fn limits_that_only_count(&self) -> Vec<String> {
        let policy_state = self.policy_state.lock();
        let policy = policy_state.policy();
        let counts = |of: &Subject| {
            let rule =
                policy.service(DEFAULT_SERVICE).and_then(|service| service.rule_about(Per::Source, *of));
            rule.is_some_and(|rule| {
                state(&policy_state, &policy, &RuleId::new(DEFAULT_SERVICE, &rule.name), rule)
                    != RuleState::Enforce
            })
        };
        [Subject::PACKETS, Subject::SYN].iter().filter(|of| counts(of)).map(Subject::to_string).collect()
    }
}
