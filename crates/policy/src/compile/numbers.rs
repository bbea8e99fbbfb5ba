//! Which numbers services and rules have in the tables.
//!
//! Whoever stays keeps its number, and with it its counters and buckets. A number that is given back is the last to be
//! given out again, so that what was kept under it has been forgotten by then. A rule that changes so much that its
//! bucket means something else gets a new one.

use std::collections::BTreeMap;

use floodwall_common::wire::{MAX_RULES, MAX_SERVICES, RULES_PER_SERVICE};

use super::{Placement, Unfit};
use crate::{
    defaults,
    model::{DEFAULT_SERVICE, Policy, RuleId, Service},
    rule::{Per, PrefixLengths, Rule, Spares, Then},
    subject::Subject,
};

/// Numbers that are given out, and where the search for the next begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    services: BTreeMap<String, u8>,
    rules: BTreeMap<RuleId, (u8, Shape)>,
    shared: Shared,
    next_service: u8,
    next_rule: u8,
}

/// What may not change of a rule while its buckets stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    per: Per,
    of: Subject,
    spares: Spares,
    prefix: PrefixLengths,
}

impl Shape {
    fn of(rule: &Rule) -> Self {
        Self { per: rule.per, of: rule.of, spares: rule.spares, prefix: rule.prefix }
    }
}

/// The two limits that are kept in a source's own entry, for whichever service its packets are.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// Of packets.
    pub(super) packets: Option<Rule>,
    /// Of TCP connection requests.
    pub(super) syn: Option<Rule>,
}

impl Shared {
    /// Those of the default service, as far as a source's entry can hold them.
    fn of(policy: &Policy) -> Self {
        let rule = |name: &str, of: Subject| {
            let rules = policy.services.first().map_or(&[][..], |service| &service.rules);
            rules.iter().find(|rule| rule.name == name && can_be_shared(rule, of)).cloned()
        };
        Self {
            packets: rule(defaults::SOURCE_PACKETS, Subject::PACKETS),
            syn: rule(defaults::SOURCE_SYN, Subject::SYN),
        }
    }

    pub(super) fn holds(&self, rule: &Rule) -> bool {
        self.packets.as_ref() == Some(rule) || self.syn.as_ref() == Some(rule)
    }
}

fn can_be_shared(rule: &Rule, of: Subject) -> bool {
    rule.per == Per::Source
        && rule.of == of
        && rule.spares != Spares::Known
        && rule.when.is_none()
        && rule.then != Then::Alert
}

impl Numbers {
    /// The numbers after a change to `policy`.
    pub(super) fn assigned(&self, policy: &Policy) -> Result<Self, Unfit> {
        let mut next = Self {
            shared: Shared::of(policy),
            services: BTreeMap::new(),
            rules: BTreeMap::new(),
            next_service: self.next_service,
            next_rule: self.next_rule,
        };
        if policy.services.len() > MAX_SERVICES as usize {
            return Err(Unfit::Whole(format!(
                "{} services, the default one included; at most {MAX_SERVICES} can be told apart",
                policy.services.len()
            )));
        }
        for service in &policy.services {
            let number = if service.name == DEFAULT_SERVICE {
                0
            } else {
                match self.services.get(&service.name) {
                    Some(number) => *number,
                    None => next.free_service(self),
                }
            };
            next.services.insert(service.name.clone(), number);
        }
        for service in &policy.services {
            let own = next.own_rules(service);
            if own.len() > RULES_PER_SERVICE as usize {
                return Err(Unfit::Service {
                    service: service.name.clone(),
                    message: format!(
                        "has {} rules beside those that all services share, and may have {RULES_PER_SERVICE}; \
                         mode = \"off\" takes a default away",
                        own.len()
                    ),
                });
            }
            for rule in own {
                let id = RuleId::new(&service.name, &rule.name);
                let shape = Shape::of(rule);
                let number = match self.rules.get(&id) {
                    Some((number, was)) if *was == shape => *number,
                    _ => next.free_rule(self).ok_or_else(|| {
                        Unfit::Whole(format!("more than {MAX_RULES} rules in all services together"))
                    })?,
                };
                next.rules.insert(id, (number, shape));
            }
        }
        Ok(next)
    }

    fn free_service(&mut self, before: &Self) -> u8 {
        let taken = |number: u8| {
            number == 0
                || self.services.values().any(|of| *of == number)
                || before.services.values().any(|of| *of == number)
        };
        let all = MAX_SERVICES as u8;
        let mut candidates = (0..all).map(|step| (self.next_service + step) % all);
        // All are taken only if services that go make room for others at once; those are then overwritten.
        let number = candidates
            .find(|number| !taken(*number))
            .or_else(|| (1..all).find(|number| !self.services.values().any(|of| of == number)));
        let number = number.unwrap_or(0);
        self.next_service = (number + 1) % all;
        number
    }

    fn free_rule(&mut self, before: &Self) -> Option<u8> {
        let is =
            |rules: &BTreeMap<RuleId, (u8, Shape)>, number: u8| rules.values().any(|(of, _)| *of == number);
        let all = MAX_RULES as u16;
        let candidates = || (0..all).map(|step| ((u16::from(self.next_rule) + step) % all) as u8);
        let number = candidates()
            .find(|number| !is(&self.rules, *number) && !is(&before.rules, *number))
            .or_else(|| candidates().find(|number| !is(&self.rules, *number)))?;
        self.next_rule = ((u16::from(number) + 1) % all) as u8;
        Some(number)
    }

    /// The rules of a service that need a place of their own, in the order in which they are asked: who is over its own
    /// rate does not use up what is left for all.
    pub(super) fn own_rules<'p>(&self, service: &'p Service) -> Vec<&'p Rule> {
        let possible = service.traits();
        let mut rules: Vec<_> = service
            .rules
            .iter()
            .filter(|rule| rule.of.traits.meets(possible) && !self.shared.holds(rule))
            .collect();
        rules.sort_by_key(|rule| rule.per.wire() as u8);
        rules
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn service(&self, name: &str) -> u8 {
        self.services.get(name).copied().unwrap_or(0)
    }

    pub(super) fn rule(&self, id: &RuleId) -> Option<u8> {
        self.rules.get(id).map(|(number, _)| *number)
    }

    pub(super) fn placement(&self, policy: &Policy) -> Placement {
        let shared = policy.rules().filter(|(_, rule)| self.shared.holds(rule));
        Placement {
            services: self.services.clone(),
            rules: self.rules.iter().map(|(id, (number, _))| (id.clone(), *number)).collect(),
            shared: shared.map(|(service, rule)| RuleId::new(&service.name, &rule.name)).collect(),
        }
    }
}
