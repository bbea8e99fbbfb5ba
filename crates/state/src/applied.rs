//! Rules as they hold for one source: what each of them leaves it now, as the tables have it.

use floodwall_common::wire::{BucketSpec, spared};

use super::{filter::Filter, policy_state::PolicyState, rules::state, source::Seen};
use floodwall_api::{self as api, AppliedRule, RuleOrigin};
use floodwall_policy::{
    Author, DEFAULT_SERVICE, Per, Policy, Rule, RuleId, Service, Spares, Subject, defaults,
};
use floodwall_tables::Prefix;

impl Filter {
    /// The rules that count what a source sends, in the order in which they are asked: those per source, which are its
    /// limits, and those that count it together with others. Rules that no packet can meet are left out.
    pub(super) fn applied_rules(&self, seen: &Seen<'_>) -> (Vec<AppliedRule>, Vec<AppliedRule>) {
        let overrides = self.records.lock().overrides().clone();
        let policy_state = self.policy_state.lock();
        let policy = policy_state.policy();
        let mut found = Vec::new();
        for service in &policy.services {
            let mut rules: Vec<_> = service.rules.iter().collect();
            rules.sort_by_key(|rule| rule.per.wire() as u8);
            for rule in rules {
                let Some(applied) = self.applied(&policy_state, &policy, seen, service, rule) else {
                    continue;
                };
                let id = RuleId::new(&service.name, &rule.name);
                let said = overrides.get(&id);
                let from = origin(rule, policy_state.configured.rule(&id), said.is_some());
                let expires = said.and_then(|record| record.expires);
                found.push(AppliedRule { from, expires, ..applied });
            }
        }
        // What all services share is asked first.
        found.sort_by_key(|applied| !applied.shared);
        found.into_iter().partition(|applied| applied.per == Per::Source.to_string())
    }

    /// A rule as it holds for a source, if it has a place in the tables. What services share is that of the default one.
    fn applied(
        &self,
        policy_state: &PolicyState,
        policy: &Policy,
        seen: &Seen<'_>,
        service: &Service,
        rule: &Rule,
    ) -> Option<AppliedRule> {
        let id = RuleId::new(&service.name, &rule.name);
        let placement = policy_state.placement();
        let shared = placement.shared.contains(&id);
        let number = placement.rules.get(&id).copied();
        if shared && service.name != DEFAULT_SERVICE || !shared && number.is_none() {
            return None;
        }
        let settings = &self.tables.settings[0];
        let is_attacked = |service: &str| {
            let number = placement.services.get(service);
            number.is_some_and(|number| settings.is_attacked(u32::from(*number)))
        };
        // Of known sources, those may do as in peace that were there before.
        let attacked = if shared {
            placement.shared.iter().filter(|of| of.rule == rule.name).any(|of| is_attacked(&of.service))
        } else {
            is_attacked(&service.name)
        };
        let trusted = seen.is_known() && (!attacked || seen.was_there_before(settings));
        let is_syn = rule.of == Subject::SYN;
        let bucket = if is_syn { &settings.syn_bucket } else { &settings.packet_bucket };
        let left = match number {
            Some(number) => seen.left_by_rule(&self.tables, number, rule.per),
            None => seen.left(is_syn, BucketSpec::unpack(bucket.load())),
        };
        Some(AppliedRule {
            service: id.service.clone(),
            rule: id.rule.clone(),
            shared,
            per: rule.per.to_string(),
            counted_as: counted_as(seen, service, rule),
            of: rule.of.to_string(),
            rate: rule.rate.rate,
            burst: rule.rate.burst,
            then: rule.then.to_string(),
            state: state(policy_state, policy, &id, rule),
            from: RuleOrigin::Default,
            expires: None,
            spares: match rule.spares {
                Spares::Nobody => api::Spares::Nobody,
                Spares::KnownInPeace => api::Spares::KnownInPeace,
                Spares::Known => api::Spares::Known,
            },
            spares_flows: shared
                && rule.name == defaults::SOURCE_PACKETS
                && settings.spared.load() & spared::FLOWS != 0,
            spares_it: rule.spares.wire().spares(seen.is_known(), trusted),
            left,
        })
    }
}

/// What a rule counts a source's packets under.
fn counted_as(seen: &Seen<'_>, service: &Service, rule: &Rule) -> String {
    use floodwall_common::prefix::Family;
    match rule.per {
        Per::Source => seen.text(),
        Per::Service => service.name.clone(),
        Per::SourcePrefix => {
            let length = match seen.address.family {
                Family::V4 => rule.prefix.v4,
                Family::V6 => rule.prefix.v6,
            };
            Prefix::around(seen.address, length).map_or_else(|_| seen.text(), |prefix| prefix.to_string())
        }
    }
}

/// Who has last said how a rule is to be; `said`: something was said of just this one.
fn origin(rule: &Rule, configured: Option<&Rule>, said: bool) -> RuleOrigin {
    // What was said for all services changes those of others, too.
    if said || configured != Some(rule) {
        RuleOrigin::Command
    } else if rule.author == Author::Default {
        RuleOrigin::Default
    } else {
        RuleOrigin::Configuration
    }
}
