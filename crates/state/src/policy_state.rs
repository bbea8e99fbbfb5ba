//! The rules in force: what the configuration says, what was said since, and the situation that it is enforced in.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
};

use floodwall_common::wire::Lockdown;

use super::refusal::Refusal;
use floodwall_policy::{
    DEFAULT_SERVICE, Enforcement, HostFacts, Override, Placement, Policy, RuleId, Situation, Unfit,
    overridden,
};
use floodwall_store::records::Records;
use floodwall_tables::{Capacity, SharedTables};

/// Time over which bans are counted for ceilings, ms.
const MINUTE_MS: u64 = 60_000;

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct PolicyState {
    /// As configured.
    pub(super) configured: Policy,
    /// Where that was read.
    pub(super) source: Option<PathBuf>,
    /// What it says, as it is in force.
    pub(super) text: Option<String>,
    /// The file says something else, which nobody has confirmed.
    pub(super) is_held: bool,
    /// What tables were to be made for, there.
    pub(super) wanted_capacity: Option<Capacity>,
    /// Which interfaces were to be protected, there.
    pub(super) wanted_interfaces: Option<Vec<String>>,
    /// An option of the run has everything observed that the configuration does not name, whatever that says of it.
    pub(super) observe_asked: bool,
    /// What was said of rules since.
    overrides: BTreeMap<RuleId, Override>,
    situation: Situation,
    enforcement: Enforcement,
    /// Numbers that were given to rules since somebody asked.
    fresh: Vec<u8>,
    /// When rules banned, and whether somebody known: the last minute of it.
    recent: BTreeMap<RuleId, VecDeque<(u64, bool)>>,
    /// Bans by rule since the start.
    pub(super) banned: BTreeMap<RuleId, u64>,
    /// Known sources that were seen in the last minute.
    known: u64,
    /// Why rules only count, that were to act.
    pub(super) alerts: BTreeMap<RuleId, String>,
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        Self::Invalid(unfit.to_string())
    }
}

impl PolicyState {
    pub(super) fn new(configured: Policy, observe: bool, records: &Records) -> Self {
        let mut policy_state = Self { configured, ..Self::default() };
        policy_state.situation.observe = observe;
        let closed = records.lockdowns().iter();
        policy_state.situation.closed =
            closed.map(|(service, record)| (service.clone(), record.in_force())).collect();
        policy_state.take(records);
        policy_state
    }

    fn take(&mut self, records: &Records) {
        self.overrides =
            records.overrides().iter().map(|(id, record)| (id.clone(), record.said.clone())).collect();
    }

    /// What is wanted now.
    pub(super) fn policy(&self) -> Policy {
        self.policy_of(&self.configured)
    }

    /// What would be wanted if this were configured.
    pub(super) fn policy_of(&self, configured: &Policy) -> Policy {
        overridden(configured, &self.overrides)
    }

    /// What is wanted, as it holds now: what only counts is monitored, whyever that is, and rules whose condition holds
    /// have none.
    pub(super) fn policy_as_it_holds(&self) -> Policy {
        let mut policy = self.policy();
        policy.monitored |= self.situation.monitored();
        for service in &mut policy.services {
            for rule in &mut service.rules {
                let id = RuleId::new(&service.name, &rule.name);
                // One that services share is enforced, or not, for all of them as the default service's.
                let shared = self.placement().shared.contains(&id);
                let id = if shared { RuleId::new(DEFAULT_SERVICE, &rule.name) } else { id };
                rule.monitor |= self.situation.stayed.contains(&id) || self.situation.holds_back(rule);
                rule.when = rule.when.filter(|_| !self.situation.active.contains(&id));
            }
        }
        policy
    }

    /// Brings what is wanted into force.
    pub(super) fn enforce(&mut self, tables: &SharedTables) -> Result<(), Refusal> {
        let policy = self.policy();
        let before: BTreeSet<_> = self.placement().rules.values().copied().collect();
        let after = self.enforcement.enforce(tables, &policy, &self.situation)?;
        self.fresh.extend(after.rules.values().filter(|number| !before.contains(number)));
        Ok(())
    }

    /// Brings into force what is said of rules, or that nothing is said of them any more. If that cannot be, what was
    /// said before stays.
    pub(super) fn say(
        &mut self,
        tables: &SharedTables,
        said: impl IntoIterator<Item = (RuleId, Option<Override>)>,
    ) -> Result<(), Refusal> {
        let before = self.overrides.clone();
        for (id, said) in said {
            match said {
                Some(said) => drop(self.overrides.insert(id, said)),
                None => drop(self.overrides.remove(&id)),
            }
        }
        let outcome = self.enforce(tables);
        if outcome.is_err() {
            self.overrides = before;
        }
        outcome
    }

    /// Closes services to all but known clients and a share of others, or opens them again. If that cannot be, all stays as
    /// it was.
    pub(super) fn close(
        &mut self,
        tables: &SharedTables,
        said: impl IntoIterator<Item = (String, Option<Lockdown>)>,
    ) -> Result<(), Refusal> {
        let before = self.situation.closed.clone();
        for (service, lockdown) in said {
            match lockdown {
                Some(lockdown) => drop(self.situation.closed.insert(service, lockdown)),
                None => drop(self.situation.closed.remove(&service)),
            }
        }
        let outcome = self.enforce(tables);
        if outcome.is_err() {
            self.situation.closed = before;
        }
        outcome
    }

    /// Whether a rule could be enforced with this said of it.
    pub(super) fn try_override(&self, id: &RuleId, said: &Override) -> Result<(), Refusal> {
        let mut overrides = self.overrides.clone();
        overrides.insert(id.clone(), said.clone());
        Ok(Enforcement::check(&overridden(&self.configured, &overrides))?)
    }

    /// Takes another configuration in place of the one before, and gives rules that went too far another chance.
    pub(super) fn configure(
        &mut self,
        tables: &SharedTables,
        policy: Policy,
        observe: bool,
    ) -> Result<(), Refusal> {
        let before = std::mem::replace(&mut self.configured, policy);
        let observed = std::mem::replace(&mut self.situation.observe, observe || self.observe_asked);
        let stayed = std::mem::take(&mut self.situation.stayed);
        let outcome = self.enforce(tables);
        if outcome.is_err() {
            self.configured = before;
            self.situation.stayed = stayed;
            self.situation.observe = observed;
        } else {
            self.alerts.clear();
        }
        outcome
    }

    pub(super) fn placement(&self) -> &Placement {
        self.enforcement.placement()
    }

    pub(super) fn situation(&self) -> &Situation {
        &self.situation
    }

    /// Numbers that were given to rules since this was last asked: their counters are those of others.
    pub(super) fn take_fresh(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.fresh)
    }

    /// Takes note of the host, and of the rules whose condition holds.
    pub(super) fn look(
        &mut self,
        tables: &SharedTables,
        facts: HostFacts,
        active: BTreeSet<RuleId>,
    ) -> Result<(), Refusal> {
        if self.situation.facts == facts && self.situation.active == active {
            return Ok(());
        }
        self.situation.facts = facts;
        self.situation.active = active;
        self.enforce(tables)
    }

    pub(super) fn set_known(&mut self, known: u64) {
        self.known = known;
    }

    /// Gives a rule that went too far another chance.
    pub(super) fn forgive(&mut self, id: &RuleId) {
        self.situation.stayed.remove(id);
        self.alerts.remove(id);
        self.recent.remove(id);
    }

    /// Counts bans of rules; those that have gone beyond their ceiling only count from now on. Returns what is to be
    /// said about it.
    pub(super) fn count(
        &mut self,
        tables: &SharedTables,
        bans: &[(RuleId, bool)],
        now_ms: u64,
    ) -> Result<Vec<(RuleId, String)>, Refusal> {
        for (id, known) in bans {
            *self.banned.entry(id.clone()).or_default() += 1;
            self.recent.entry(id.clone()).or_default().push_back((now_ms, *known));
        }
        let policy = self.policy();
        let mut said = Vec::new();
        for (id, times) in &mut self.recent {
            while times.front().is_some_and(|(at, _)| at + MINUTE_MS < now_ms) {
                times.pop_front();
            }
            let Some(ceiling) = policy.rule(id).and_then(|rule| rule.ceiling) else {
                continue;
            };
            let bans = times.len() as u64;
            let known = times.iter().filter(|(_, known)| *known).count() as u64;
            let why = if ceiling.bans_per_minute.is_some_and(|most| bans > most) {
                format!("{bans} bans within a minute")
            } else if ceiling.known_percent.is_some_and(|most| known * 100 > most * self.known.max(1)) {
                format!("{known} of {} known sources banned within a minute", self.known.max(known))
            } else {
                continue;
            };
            if self.situation.stayed.insert(id.clone()) {
                let alert = format!(
                    "has gone beyond its ceiling ({why}) and only counts until it is set to enforce, or the configuration \
                     is read again"
                );
                self.alerts.insert(id.clone(), format!("rule {id} {alert}"));
                said.push((id.clone(), alert));
            }
        }
        if !said.is_empty() {
            self.enforce(tables)?;
        }
        Ok(said)
    }
}
