//! Rules as operators see and change them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use floodwall_common::{
    source,
    tables::Tables as _,
    wire::{History, Reason, standing},
};
use tracing::warn;

use super::{
    expiry::expiry, filter::Filter, ledger::Transaction, policy_state::PolicyState, refusal::Refusal,
};
use floodwall_api::{self as api, InForce, LockdownReport, RuleChange, RuleReport, RuleState};
use floodwall_event::What;
use floodwall_policy::{
    DEFAULT_SERVICE, HostFacts, Override, Per, Policy, Probe, Protocol, Rate, Rule, RuleId, RuleMode,
    Situation, Spares, Subject, Then, When, defaults, what,
};
use floodwall_store::Store;
use floodwall_store::records::Change;
use floodwall_tables::{Capacity, SharedTables};

/// Packets and bytes.
pub type Count = (u64, u64);

/// What the kernel has counted of rules.
#[derive(Clone, Debug, Default)]
pub struct RuleCounts {
    /// By number: over the rate.
    pub rules: Vec<Count>,
    /// Over the limit of packets that holds for every source; enforced and monitored.
    pub source_packets: Count,
    /// The same of TCP connection requests.
    pub source_syn: Count,
}

/// Longest bypass: whoever wants more detaches the filter.
const LONGEST_BYPASS: Duration = Duration::from_secs(86_400);
/// A source is seen "recently" if it was within so many ticks of 16.8 ms: a minute.
const RECENT_TICKS: u32 = 3_600;

impl Filter {
    /// Numbers of rules whose counters are to be cleared before they are read.
    pub fn fresh_rules(&self) -> Vec<u8> {
        self.policy_state.lock().take_fresh()
    }

    /// All rules, with what they have done.
    pub fn rules(&self, counts: &RuleCounts) -> Vec<RuleReport> {
        let overrides = self.records.lock().overrides().clone();
        let policy_state = self.policy_state.lock();
        let policy = policy_state.policy();
        let reports = policy.rules().map(|(service, rule)| {
            let id = RuleId::new(&service.name, &rule.name);
            let number = policy_state.placement().rules.get(&id).copied();
            let shared = policy_state.placement().shared.contains(&id);
            let (packets, bytes) = match (number, shared) {
                (Some(number), _) => counts.rules.get(usize::from(number)).copied().unwrap_or_default(),
                (None, true) if rule.name == defaults::SOURCE_SYN => counts.source_syn,
                (None, true) => counts.source_packets,
                (None, false) => (0, 0),
            };
            let said = overrides.get(&id);
            let configured = policy_state.configured.rule(&id);
            let expires = said.and_then(|record| record.expires);
            RuleReport {
                service: id.service.clone(),
                rule: id.rule.clone(),
                number,
                shared,
                per: rule.per.to_string(),
                of: rule.of.to_string(),
                rate: rule.rate.rate,
                burst: rule.rate.burst,
                then: rule.then.to_string(),
                state: state(&policy_state, &policy, &id, rule),
                in_use: number.is_some() || shared,
                text: rule.to_string(),
                expires,
                packets,
                bytes,
                bans: policy_state.banned.get(&id).copied().unwrap_or(0),
                explanation: explain(&what(service), rule, configured, said.map(|record| &record.said)),
            }
        });
        reports.collect()
    }

    /// What packets are judged by, beside lists and signatures.
    pub fn in_force(&self) -> Result<InForce, Refusal> {
        let policy_state = self.policy_state.lock();
        let Capacity { prefixes, sources, flows } = self.capacity;
        Ok(InForce {
            policy: serde_json::to_value(policy_state.policy_as_it_holds())
                .map_err(|error| Refusal::Internal(format!("telling the policy: {error}")))?,
            capacity: api::Capacity { prefixes, sources, flows },
            observe: policy_state.situation().observe,
        })
    }

    /// Says something of a rule; it holds from the next packet on, and is on disk, when this returns.
    pub fn set_rule(&self, change: &RuleChange) -> Result<RuleId, Refusal> {
        let per: Per = change.per.parse().map_err(Refusal::invalid)?;
        let of: Subject = change.of.parse().map_err(Refusal::invalid)?;
        let then = change.then.as_deref().map(str::parse::<Then>).transpose().map_err(Refusal::invalid)?;
        let rate = change.rate.map(|rate| Rate { rate, burst: change.burst.unwrap_or(rate) });
        let said = Override { per, of, rate, then, mode: change.mode.map(mode_of) };
        let lifetime = change.seconds.map(Duration::from_secs);
        let service = change.service.clone();
        self.transact(SetRule { service, said, reset: change.reset, lifetime, id: None, wanted: None })
    }

    /// Has every packet pass for a time, or no longer; returns how many seconds are left.
    pub fn bypass(&self, lifetime: Option<Duration>) -> Result<Option<f64>, Refusal> {
        let settings = &self.tables.settings[0];
        let until = match lifetime {
            None => 0,
            Some(lifetime) if lifetime.is_zero() || lifetime > LONGEST_BYPASS => {
                return Err(Refusal::Invalid(
                    "a bypass is for a day at most; `detach` takes the filter off".to_owned(),
                ));
            }
            Some(lifetime) => self.tables.clock() + u64::try_from(lifetime.as_nanos()).unwrap_or(0),
        };
        settings.bypass_until.store(until);
        Ok(self.bypassed())
    }

    /// Seconds for which every packet will pass, if it does now.
    pub fn bypassed(&self) -> Option<f64> {
        let left = self.tables.settings[0].bypass_until.load().checked_sub(self.tables.clock())?;
        (left > 0).then_some(left as f64 / 1e9)
    }

    /// What an operator should know about the rules; nothing if all is well.
    pub fn rule_warnings(&self) -> Vec<String> {
        let bypass = self.bypassed().map(|left| {
            format!("BYPASS: every packet passes for another {left:.0} s; `floodwall bypass off` ends it")
        });
        let policy_state = self.policy_state.lock();
        bypass
            .into_iter()
            .chain(policy_state.held_back())
            .chain(self.lockdowns().into_iter().map(|LockdownReport { service, .. }| {
                format!(
                    "LOCKDOWN: {service} is closed to all but known clients; `floodwall lockdown off {service}` opens it"
                )
            }))
            .chain(policy_state.alerts.values().cloned())
            .collect()
    }

    /// Takes note of what is known of the host, and of the rules whose condition holds.
    pub fn look(&self, facts: HostFacts, active: BTreeSet<RuleId>) -> Result<(), Refusal> {
        self.policy_state.lock().look(&self.tables, facts, active)
    }

    /// Whether rules of a service may count TCP packets for a port; those of the default one are for all that no other names.
    pub fn takes_in(&self, service: &str, port: u16) -> bool {
        let policy = self.policy_state.lock().policy();
        policy.service(service).is_some_and(|service| {
            matches!(service.protocol, Protocol::Any | Protocol::Tcp)
                && (service.ports.is_empty() || service.ports.iter().any(|ports| ports.contains(&port)))
        })
    }

    /// Rules that have a condition, whether it holds or not.
    pub fn conditions(&self) -> Vec<(RuleId, When)> {
        let policy = self.policy_state.lock().policy();
        let with = policy.rules().filter_map(|(service, rule)| {
            rule.when.map(|when| (RuleId::new(&service.name, &rule.name), when))
        });
        with.collect()
    }

    /// Services that are probed.
    pub fn probes(&self) -> BTreeMap<String, Probe> {
        let policy = self.policy_state.lock().policy();
        let with = policy
            .services
            .into_iter()
            .filter_map(|service| service.probe.map(|probe| (service.name, probe)));
        with.collect()
    }

    /// Counts bans for the ceilings of their rules.
    pub(super) fn count_bans(&self, bans: &[(RuleId, bool)], now_ms: u64) {
        match self.policy_state.lock().count(&self.tables, bans, now_ms) {
            Ok(alerts) => alerts.into_iter().for_each(|(rule, text)| {
                self.bus.publish(What::Rule { rule: rule.to_string(), text, loud: true });
            }),
            Err(refusal) => warn!(%refusal, "a rule beyond its ceiling could not be held back"),
        }
    }

    /// Counts the known sources that were seen in the last minute, if a ceiling asks for that.
    pub fn count_known(&self) {
        let asks = |policy: &Policy| {
            policy
                .rules()
                .any(|(_, rule)| rule.ceiling.is_some_and(|ceiling| ceiling.known_percent.is_some()))
        };
        if !asks(&self.policy_state.lock().policy()) {
            return;
        }
        let now = source::tick(self.tables.clock());
        let ways = self.tables.sources.iter().flat_map(|set| &set.ways);
        let known = ways.filter(|way| {
            let history = History::unpack(way.history.load());
            history.standing & standing::KNOWN != 0
                && now.wrapping_sub(history.seen) & History::SEEN_MASK < RECENT_TICKS
        });
        let known = known.count() as u64;
        self.policy_state.lock().set_known(known);
    }

    /// Whether bans were lost on their way here since this was last asked.
    pub fn has_lost_bans(&self, seen: &mut u64) -> bool {
        let lost = self.tables.settings[0].lost_bans.load();
        std::mem::replace(seen, lost) != lost
    }
}

/// Says something of a rule, or takes back what was said.
struct SetRule {
    service: String,
    said: Override,
    reset: bool,
    lifetime: Option<Duration>,
    /// The rule.
    id: Option<RuleId>,
    /// All that is said of it then.
    wanted: Option<Override>,
}

impl Transaction for SetRule {
    type Outcome = RuleId;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let Self { service, said, .. } = self;
        let (policy, id) = {
            let policy_state = filter.policy_state.lock();
            let policy = policy_state.policy();
            let id = id_of(&policy, &policy_state.configured, service, said.per, said.of)?;
            (policy, id)
        };
        let (service, rule) = (id.service.clone(), id.rule.clone());
        self.id = Some(id.clone());
        if self.reset {
            return Ok(vec![Change::ResetRule { service, rule }]);
        }
        let before = filter.records.lock().overrides().get(&id).map(|record| record.said.clone());
        // What is gone by command, or is a default that the configuration took away, may be taken away again.
        let gone = before.is_some() || defaults::why(&id.rule).is_some();
        let stays_away = said.mode == Some(RuleMode::Off) && gone;
        if said.rate.is_none() && policy.rule(&id).is_none() && !stays_away {
            return Err(Refusal::NotFound(format!(
                "service {service} has no rule for {} per {}; name a rate to make one. It has {}",
                said.of,
                said.per,
                names(&policy, &service)
            )));
        }
        let said = before.map_or(said.clone(), |before| before.then(said.clone()));
        filter.policy_state.lock().try_override(&id, &said)?;
        let expires = self.lifetime.map(|lifetime| expiry(SystemTime::now(), lifetime)).transpose()?;
        self.wanted = Some(said.clone());
        Ok(vec![Change::SetRule { service, rule, said, expires }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let Some(id) = self.id.clone() else { return Ok(()) };
        let mut policy_state = filter.policy_state.lock();
        if self.reset || self.said.mode == Some(RuleMode::Enforce) {
            policy_state.forgive(&id);
        }
        policy_state.say(&filter.tables, [(id, self.wanted.clone())])
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> RuleId {
        self.id.unwrap_or_else(|| RuleId::new(&self.service, ""))
    }
}

fn mode_of(mode: api::RuleMode) -> RuleMode {
    match mode {
        api::RuleMode::Enforce => RuleMode::Enforce,
        api::RuleMode::Monitor => RuleMode::Monitor,
        api::RuleMode::Off => RuleMode::Off,
    }
}

/// Time between drop events on each CPU, ns.
pub(super) fn event_interval(tables: &SharedTables, events_per_second: u64) -> u64 {
    (tables.judging_cpus() * 1_000_000_000).checked_div(events_per_second).unwrap_or(0)
}

/// The rule of a service that is about this, now or as it is configured.
fn id_of(
    policy: &Policy,
    configured: &Policy,
    service: &str,
    per: Per,
    of: Subject,
) -> Result<RuleId, Refusal> {
    let Some(found) = policy.service(service) else {
        let names: Vec<_> = policy.services.iter().map(|service| service.name.as_str()).collect();
        return Err(Refusal::NotFound(format!(
            "there is no service {service}; there are {}",
            names.join(", ")
        )));
    };
    // One that was taken away by command is spoken of as before.
    let before = || configured.service(service)?.rule_about(per, of);
    let name = found.rule_about(per, of).or_else(before).map(|rule| rule.name.clone());
    Ok(RuleId::new(service, &name.unwrap_or_else(|| Rule::name_of(per, of))))
}

fn names(policy: &Policy, service: &str) -> String {
    let rules = policy.service(service).map_or(&[][..], |service| &service.rules);
    rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What a rule does now.
pub(super) fn state(policy_state: &PolicyState, policy: &Policy, id: &RuleId, rule: &Rule) -> RuleState {
    let situation = policy_state.situation();
    let Situation { stayed, active, .. } = situation;
    let shared = policy_state.placement().shared.contains(id);
    // One that services share is enforced, or not, for all of them as the default service's.
    let id = if shared { &RuleId::new(DEFAULT_SERVICE, &id.rule) } else { id };
    let reason = match rule.per {
        Per::Source if shared && rule.of == Subject::SYN => Reason::SynRate,
        Per::Source if shared => Reason::PacketRate,
        Per::Source => Reason::SourceRate,
        Per::SourcePrefix => Reason::PrefixRate,
        Per::Service => Reason::ServiceRate,
    };
    if rule.monitor || policy.monitored & reason.bit() != 0 || situation.holds_back(rule) {
        RuleState::Monitor
    } else if stayed.contains(id) {
        RuleState::Ceiling
    } else if rule.when.is_some() && !active.contains(id) {
        RuleState::Waiting
    } else {
        RuleState::Enforce
    }
}

/// Why a rule's numbers are what they are, and what they mean.
fn explain(service: &str, rule: &Rule, configured: Option<&Rule>, said: Option<&Override>) -> Vec<String> {
    let Rate { rate, burst } = rule.rate;
    let mut lines = vec![format!("for {service}")];
    let default = defaults::rules().into_iter().find(|default| default.name == rule.name);
    lines.push(match (said, configured, &default) {
        (Some(_), ..) => {
            "the numbers were set since the configuration was read (`floodwall limit set`)".to_owned()
        }
        (None, Some(configured), Some(default)) if configured.rate == default.rate && configured == rule => {
            let why = defaults::why(&rule.name).unwrap_or_default();
            format!("the numbers are the default: {why}")
        }
        (None, Some(configured), _) if configured == rule => {
            "the numbers are those of the configuration".to_owned()
        }
        _ => "the numbers were set for all services since the configuration was read (`floodwall limit set`)"
            .to_owned(),
    });
    let unit = if rule.of.bytes { "bytes" } else { "packets" };
    let whose = match rule.per {
        Per::Source => "a source (an IPv4 address or an IPv6 /64)".to_owned(),
        Per::SourcePrefix => {
            format!("all sources of a /{} or an IPv6 /{} together", rule.prefix.v4, rule.prefix.v6)
        }
        Per::Service => "all sources together".to_owned(),
    };
    lines.push(format!(
        "{whose} may send {burst} {unit} at once, and then {rate} a second: one each {} on average; a silence of \
         {:.1} s earns the whole burst again",
        gap(rate),
        burst as f64 / rate.max(1) as f64
    ));
    lines.push(match rule.then {
        Then::Limit => "what is over that is dropped, and nothing else".to_owned(),
        Then::Ban(_) => format!(
            "what is over that is dropped, and whoever is over it with what nobody else can have sent in its name (segments of \
             connections in which both ends speak, requests for connections that it completes): {}, longer for repeated \
             offenders, from the very packet on that crosses the limit",
            rule.then
        ),
        Then::Alert => "what is over that passes, and is counted".to_owned(),
    });
    let known = "known sources, which have taken part in conversations before, are left alone";
    match rule.spares {
        Spares::Nobody => {}
        Spares::KnownInPeace => lines.push(format!("{known} while the service is not attacked")),
        Spares::Known => lines.push(known.to_owned()),
    }
    if let Some(when) = rule.when {
        lines.push(format!("it holds only while this does: {when}; else it only counts"));
    }
    lines
}

/// The time between packets of so many a second, in words.
fn gap(rate: u64) -> String {
    let nanoseconds = 1e9 / rate.max(1) as f64;
    if nanoseconds >= 1e6 {
        format!("{:.3} ms", nanoseconds / 1e6)
    } else if nanoseconds >= 1e3 {
        format!("{:.3} µs", nanoseconds / 1e3)
    } else {
        format!("{nanoseconds:.0} ns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_between_packets_are_told_in_units_that_fit() {
        for (rate, expected) in [(7, "142.857 ms"), (400_000, "2.500 µs"), (148_809_523, "7 ns")] {
            assert_eq!(gap(rate), expected);
        }
    }
}
