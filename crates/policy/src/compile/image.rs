//! What the tables are to hold.

use floodwall_common::wire::{
    self, BucketSpec, MAX_RULES, MAX_SERVICES, Reason, Terms, knowledge, service_flag,
};

use super::{
    Situation, Unfit, destinations,
    numbers::{Numbers, Shared},
};
use crate::{
    model::{Policy, RuleId},
    rule::{Author, Rate, Rule, Spares, Then},
};

/// All that a policy has the tables hold.
pub(super) struct Image {
    /// By number.
    pub(super) services: [ServiceImage; MAX_SERVICES as usize],
    /// By number; `None` where there is none.
    pub(super) rules: [Option<RuleImage>; MAX_RULES as usize],
    /// Destinations, and the ports of each class of them.
    pub(super) map: destinations::Map,
    /// The rest.
    pub(super) settings: SettingsImage,
}

/// The words of a service, see [`Service`](floodwall_common::wire::Service).
#[derive(Clone, Copy, Default)]
pub(super) struct ServiceImage {
    pub(super) rules: u64,
    pub(super) traits: u64,
    pub(super) flags: u64,
    pub(super) lockdown: u64,
}

/// The words of a rule, see [`Rule`](floodwall_common::wire::Rule).
#[derive(Clone, Copy)]
pub(super) struct RuleImage {
    pub(super) bucket: u64,
    pub(super) terms: u64,
    pub(super) ban: u64,
}

/// Words of the settings.
pub(super) struct SettingsImage {
    pub(super) packet_bucket: u64,
    pub(super) packet_ban: u64,
    pub(super) syn_bucket: u64,
    pub(super) syn_ban: u64,
    pub(super) suspect_bucket: u64,
    pub(super) monitored: u64,
    pub(super) lapsing: u64,
    pub(super) unprovable: u64,
    pub(super) spared: u64,
    pub(super) knowledge: u64,
    pub(super) samples_per_second: u64,
}

impl Image {
    pub(super) fn of(policy: &Policy, situation: &Situation, numbers: &Numbers) -> Result<Self, Unfit> {
        let mut rules = [None; MAX_RULES as usize];
        let mut services = [ServiceImage::default(); MAX_SERVICES as usize];
        for service in &policy.services {
            let mut image = ServiceImage { flags: service_flag::USED, ..ServiceImage::default() };
            let mut traits = 0;
            for rule in &service.rules {
                let Some(fault) = rule.fault() else { continue };
                let message = format!("rule {}: {fault}", rule.name);
                return Err(Unfit::Service { service: service.name.clone(), message });
            }
            for (place, rule) in numbers.own_rules(service).into_iter().enumerate() {
                let id = RuleId::new(&service.name, &rule.name);
                let Some(number) = numbers.rule(&id) else { continue };
                rules[usize::from(number)] = Some(RuleImage::of(rule, only_counts(situation, &id, rule)));
                image.rules |= (u64::from(number) + 1) << (8 * place);
                traits |= rule.of.traits.bits();
            }
            image.traits = u64::from(traits);
            let shares =
                |shared: &Option<Rule>| shared.as_ref().is_some_and(|rule| service.rules.contains(rule));
            let own = |shared: &Option<Rule>, bit| if shares(shared) { 0 } else { bit };
            image.flags |= own(&numbers.shared().packets, service_flag::NO_SOURCE_PACKETS)
                | own(&numbers.shared().syn, service_flag::NO_SOURCE_SYN);
            image.lockdown = situation.closed.get(&service.name).map_or(0, |closed| closed.pack());
            services[usize::from(numbers.service(&service.name))] = image;
        }
        let map = destinations::Map::of(policy, numbers, &situation.facts)?;
        Ok(Self { services, rules, map, settings: SettingsImage::of(policy, situation, numbers) })
    }
}

/// What is dropped by what the controller has seen by looking: what listens, whose connections come to nothing, and that too
/// many new names are asked for.
const KNOWN_BY_LOOKING: [Reason; 4] =
    [Reason::Unsolicited, Reason::OutOfState, Reason::Fruitless, Reason::NewName];

/// Whether a rule only counts what it would do.
fn only_counts(situation: &Situation, id: &RuleId, rule: &Rule) -> bool {
    rule.monitor
        || situation.holds_back(rule)
        || situation.stayed.contains(id)
        || rule.when.is_some() && !situation.active.contains(id)
}

impl RuleImage {
    fn of(rule: &Rule, monitor: bool) -> Self {
        let terms = Terms {
            traits: rule.of.traits.bits(),
            per: rule.per.wire(),
            then: match rule.then {
                Then::Alert => wire::Then::Alert,
                Then::Limit => wire::Then::Limit,
                Then::Ban(_) => wire::Then::Ban,
            },
            monitor,
            lapses: rule.when.is_some(),
            spares: rule.spares.wire(),
            bytes: rule.of.bytes,
            v4_length: rule.prefix.v4,
            v6_length: rule.prefix.v6,
        };
        Self { bucket: rule.bucket().unwrap_or_default().pack(), terms: terms.pack(), ban: rule.ban_ns() }
    }
}

/// Whom the limits that hold for every source leave alone: [`spared`](wire::spared) bits. Nobody's limit of packets but
/// the default one leaves flows alone in which both ends speak.
fn spared(shared: &Shared) -> u64 {
    let in_peace = |rule: &Option<Rule>, bit| {
        let spares = rule.as_ref().is_some_and(|rule| rule.spares == Spares::KnownInPeace);
        if spares { bit } else { 0 }
    };
    let is_default = shared.packets.as_ref().is_some_and(|rule| rule.author == Author::Default);
    in_peace(&shared.packets, wire::spared::PACKETS_OF_KNOWN)
        | in_peace(&shared.syn, wire::spared::SYNS_OF_KNOWN)
        | if is_default { wire::spared::FLOWS } else { 0 }
}

impl SettingsImage {
    fn of(policy: &Policy, situation: &Situation, numbers: &Numbers) -> Self {
        let shared = numbers.shared();
        let bucket = |rule: &Option<Rule>| rule.as_ref().and_then(Rule::bucket).unwrap_or_default().pack();
        let ban = |rule: &Option<Rule>| rule.as_ref().map_or(0, Rule::ban_ns);
        let mut monitored = policy.monitored | situation.monitored();
        let mut lapsing = KNOWN_BY_LOOKING.iter().fold(0, |bits, reason| bits | reason.bit());
        for (rule, reason) in [(&shared.packets, Reason::PacketRate), (&shared.syn, Reason::SynRate)] {
            let Some(rule) = rule else { continue };
            let id = RuleId::new(crate::DEFAULT_SERVICE, &rule.name);
            if only_counts(situation, &id, rule) {
                monitored |= reason.bit();
            }
            if rule.when.is_some() {
                lapsing |= reason.bit();
            }
        }
        let suspects = policy.suspects.and_then(|Rate { rate, burst }| BucketSpec::new(rate, burst));
        let facts = &situation.facts;
        let knows = |is, bit| if is { bit } else { 0 };
        Self {
            packet_bucket: bucket(&shared.packets),
            packet_ban: ban(&shared.packets),
            syn_bucket: bucket(&shared.syn),
            syn_ban: ban(&shared.syn),
            suspect_bucket: suspects.unwrap_or_default().pack(),
            monitored,
            lapsing,
            unprovable: facts.unprovable(),
            spared: spared(shared),
            knowledge: knows(facts.listening.is_some(), knowledge::PORTS)
                | knows(facts.flows, knowledge::FLOWS)
                | knows(facts.answers, knowledge::ANSWERS)
                | knows(facts.sockets, knowledge::SOCKETS),
            samples_per_second: policy.samples_per_second,
        }
    }
}
