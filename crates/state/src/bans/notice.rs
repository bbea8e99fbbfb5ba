//! How the controller learns of bans, and what it makes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use floodwall_common::{
    prefix::{Address, Family},
    source::{self, Key},
    tables::Tables as _,
    wire::{BanEvent, History, Reason, standing},
};
use tracing::{info, warn};

use super::Moment;
use crate::{filter::Filter, ledger::Transaction, lifeline_check::Danger, refusal::Refusal};
use floodwall_event::What;
use floodwall_policy::Lifelines;
use floodwall_policy::{DEFAULT_SERVICE, RuleId, Then, defaults};
use floodwall_store::Store;
use floodwall_store::records::{Ban, Change, Origin};
use floodwall_tables::{Prefix, prefixes::List};

/// A ban that ends sooner than this is left to the source's own entry.
const BRIEF_MS: u64 = 250;
/// Bans of one go that are told by name.
const MOST_NAMED: usize = 5;

/// Somebody who was banned just now.
struct Offence {
    prefix: Prefix,
    /// Since when it is banned, as far as is known, Unix milliseconds.
    since: u64,
    /// Until when the kernel bans it, Unix milliseconds.
    until: u64,
    rule: Option<RuleId>,
    /// How long the first ban lasts, if the rule is known.
    first: Option<Duration>,
    known: bool,
    /// Nobody told of it: it was found where it stands, perhaps again.
    found: bool,
}

impl Filter {
    /// Takes note of bans that the kernel tells of. `lifelines` and those who are logged in are not banned.
    pub fn note_bans(&self, events: &[BanEvent], lifelines: &Lifelines) -> Result<u64, Refusal> {
        let now = Moment::now(self);
        let offences: Vec<_> = {
            let policy_state = self.policy_state.lock();
            let policy = policy_state.policy();
            let rule_of = |event: &BanEvent| match Reason::from_index(event.reason)? {
                Reason::PacketRate => Some(RuleId::new(DEFAULT_SERVICE, defaults::SOURCE_PACKETS)),
                Reason::SynRate => Some(RuleId::new(DEFAULT_SERVICE, defaults::SOURCE_SYN)),
                _ => policy_state.placement().rule(event.number as u8).cloned(),
            };
            let offence = |event: &BanEvent| {
                let id = rule_of(event);
                let rule = id.as_ref().and_then(|id| policy.rule(id));
                let family = Family::of_number(event.family)?;
                let address = Address { family, high: event.source[0], low: event.source[1] };
                let lengths = rule.map(|rule| rule.prefix).unwrap_or_default();
                let length = match (event.reason == Reason::PrefixRate as u32, family) {
                    (true, Family::V4) => lengths.v4,
                    (true, Family::V6) => lengths.v6,
                    (false, family) => family.source_bits(),
                };
                let first = rule.and_then(|rule| match rule.then {
                    Then::Ban(time) => Some(time),
                    Then::Limit | Then::Alert => None,
                });
                Some(Offence {
                    prefix: Prefix::around(address, length).ok()?,
                    since: now.unix(event.time_ns),
                    until: now.unix(event.until_ns),
                    rule: id,
                    first,
                    known: event.known != 0,
                    found: false,
                })
            };
            events.iter().filter_map(offence).collect()
        };
        self.ban(offences, now, lifelines)
    }

    /// Finds bans in the source table that nobody told of; returns how many.
    pub fn find_bans(&self, lifelines: &Lifelines) -> Result<u64, Refusal> {
        let now = Moment::now(self);
        let settings = &self.tables.settings[0];
        let mut offences = Vec::new();
        for way in self.tables.sources.iter().flat_map(|set| &set.ways) {
            let history = History::unpack(way.history.load());
            if history.standing & standing::BANNED == 0 || history.standing & standing::PART != 0 {
                continue;
            }
            let until_ns = way.buckets.load();
            let (family, length) =
                if history.standing & standing::IPV6 == 0 { (Family::V4, 32) } else { (Family::V6, 64) };
            let address = Key(way.key.load()).address(settings, family);
            if until_ns > now.kernel_ns
                && let Ok(prefix) = Prefix::around(address, length)
            {
                let known = history.standing & standing::KNOWN != 0;
                let (since, until) = (now.unix_ms, now.unix(until_ns));
                offences.push(Offence { prefix, since, until, rule: None, first: None, known, found: true });
            }
        }
        self.ban(offences, now, lifelines)
    }

    /// Writes bans down, and lists them.
    fn ban(&self, offences: Vec<Offence>, now: Moment, lifelines: &Lifelines) -> Result<u64, Refusal> {
        if offences.is_empty() {
            return Ok(0);
        }
        let lifelines = lifelines.clone();
        self.transact(Note { offences, now, lifelines, ..Note::default() })
    }

    /// Why a prefix is not to be banned, if there is a reason.
    fn is_to_be_spared(&self, prefix: Prefix, lifelines: &Lifelines) -> Option<String> {
        if let Some(danger) = Danger::of(prefix, lifelines) {
            return Some(format!("it {danger}"));
        }
        let table = self.table.lock();
        // Mostly nobody is, and the search takes a while.
        let found = if table.len(List::Allow) > 0 { table.matching(prefix.address())? } else { return None };
        (found.list == List::Allow).then(|| format!("{} is allowed", found.prefix))
    }

    /// Has the ban in a source's own entry last until then.
    fn mark(&self, prefix: Prefix, until_ns: u64) {
        let Some(key) = self.key_of(prefix) else { return };
        let settings = &self.tables.settings[0];
        if let Some(way) = source::way_of(&*self.tables, settings, key) {
            source::ban(way, until_ns);
        }
    }

    /// Sees to it that sources are never banned that the host lives by, not even for a moment: `wanted`, in place of those
    /// that were spared `before`. A ban that was made before it was known is lifted.
    pub fn spare(&self, wanted: BTreeSet<IpAddr>, before: &mut BTreeSet<IpAddr>) {
        let settings = &self.tables.settings[0];
        let now = self.tables.clock();
        for gone in before.difference(&wanted) {
            let address = Address::canonical(*gone).source();
            if let Some(way) = source::way_of(&*self.tables, settings, Key::of(settings, address)) {
                source::spare(way, false);
            }
        }
        for spared in &wanted {
            let address = Address::canonical(*spared).source();
            let family = match address.family {
                Family::V4 => 0,
                Family::V6 => standing::IPV6,
            };
            let key = Key::of(settings, address);
            let Some(set) = source::set_of(&*self.tables, settings, key) else { continue };
            // Entered if it is not there: its first packets may be many.
            let (way, _) = source::visit(set, key, family, now);
            source::spare(way, true);
            source::lift(way, now);
            if !before.contains(spared)
                && let Ok(prefix) = Prefix::around(address, address.family.source_bits())
                && self.records.lock().bans.in_force(prefix).is_some()
            {
                match self.lift_by_itself(&[prefix]) {
                    Ok(_) => info!(%prefix, "its ban is lifted, as the host lives by it"),
                    Err(refusal) => warn!(%prefix, %refusal, "its ban could not be lifted"),
                }
            }
        }
        *before = wanted;
    }
}

/// Writes down bans that the kernel has made, and lists them.
#[derive(Default)]
struct Note {
    offences: Vec<Offence>,
    now: Moment,
    lifelines: Lifelines,
    /// Bans, those of repeated offenders among them.
    bans: BTreeMap<Prefix, Ban>,
    /// Those who are not to be banned.
    spared: Vec<Prefix>,
    /// Rules that banned, and whether somebody known.
    counted: Vec<(RuleId, bool)>,
}

impl Transaction for Note {
    type Outcome = u64;
    const BY_ITSELF: bool = true;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let escalation = filter.policy_state.lock().policy().escalation;
        let forget_after = u64::try_from(escalation.forget_after.as_millis()).unwrap_or(u64::MAX >> 1);
        let records = filter.records.lock();
        for Offence { prefix, since, until, rule, first, known, found } in std::mem::take(&mut self.offences)
        {
            // What is told twice in one go is one ban.
            let in_force = self.bans.get(&prefix).or_else(|| records.bans.in_force(prefix));
            if in_force.is_some_and(|ban| found || ban.until + BRIEF_MS >= until) {
                continue;
            }
            if let Some(why) = filter.is_to_be_spared(prefix, &self.lifelines) {
                self.spared.push(prefix);
                info!(%prefix, why, "not banned");
                continue;
            }
            let before = match self.bans.get(&prefix) {
                Some(ban) => ban.count,
                None => records.bans.offences(prefix, self.now.unix_ms),
            };
            let length = first.map_or(0, |first| {
                u64::try_from(escalation.length(first, before).as_millis()).unwrap_or(u64::MAX >> 1)
            });
            // However late it is told of; but never shorter than what the kernel has begun.
            let until = until.max(if first.is_some() { since.saturating_add(length) } else { 0 });
            let ban = Ban {
                since,
                until,
                forget: until.saturating_add(forget_after),
                count: before + 1,
                rule: rule.as_ref().map(ToString::to_string),
                // The kernel bans by nothing else.
                origin: Origin::Rule,
            };
            self.bans.insert(prefix, ban);
            self.counted.extend(rule.map(|rule| (rule, known)));
        }
        let change = |(prefix, ban): (&Prefix, &Ban)| Change::Ban { prefix: *prefix, ban: ban.clone() };
        Ok(self.bans.iter().map(change).collect())
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        self.spared.iter().for_each(|prefix| filter.unmark(*prefix));
        for (prefix, ban) in self.bans.iter().filter(|(_, ban)| ban.count > 1) {
            filter.mark(*prefix, self.now.kernel(ban.until));
        }
        if !self.counted.is_empty() {
            filter.count_bans(&self.counted, self.now.unix_ms);
        }
        let lasting =
            self.bans.iter().filter(|(_, ban)| ban.until.saturating_sub(self.now.unix_ms) > BRIEF_MS);
        let lasting: Vec<_> = lasting.map(|(prefix, ban)| (*prefix, ban.origin)).collect();
        if let Err(refusal) = filter.list(&lasting) {
            warn!(%refusal, "bans could not be listed; the source table holds them, as long as it has room");
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let first = self.bans.iter().take(MOST_NAMED);
        let first = first.map(|(prefix, ban)| (prefix.to_string(), ban.rule.clone())).collect();
        (!self.bans.is_empty()).then_some(What::Banned { bans: self.bans.len() as u64, first })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.bans.len() as u64
    }
}
