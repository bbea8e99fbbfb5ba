//! What becomes of an address's packets, and why: everything that is asked on a packet's way, asked of one address.

mod packet;
mod verdict;

use std::net::IpAddr;

use floodwall_common::{
    client,
    prefix::Family,
    tables::Tables as _,
    wire::{MAX_SERVICES, Reason},
};

use super::{bans::Moment, filter::Filter, lifeline_check::Danger, source::Seen};
use floodwall_api::{AppliedBan, AppliedSignature, Outcome, PastBan, WhyPast, WhyReport};
use floodwall_detect::Snapshot;
use floodwall_policy::Lifelines;
use floodwall_store::records::{Ban, Origin};
use floodwall_tables::{Prefix, prefixes::List};

pub use packet::FiveTuple;

/// What is to be known beside the state.
pub struct Around<'a> {
    /// Whom no rule bans.
    pub never_banned: &'a Lifelines,
    /// What the detector knows.
    pub detection: &'a Snapshot,
    /// Packets and bytes that matched signatures, by number.
    pub signature_counters: &'a [(u64, u64)],
    /// What keeps the filter from doing all of its work.
    pub problems: Vec<String>,
}

impl Filter {
    /// What becomes of an address's packets, and why.
    pub fn why(&self, address: IpAddr, around: Around<'_>) -> WhyReport {
        let Around { never_banned, detection, signature_counters, problems } = around;
        let seen = Seen::of(&self.tables, address);
        let (limits, rules) = self.applied_rules(&seen);
        let lists = self.test(address);
        let source = self.source_as_seen(&seen, limits);
        let mut report = WhyReport {
            address: address.to_string(),
            outcome: Outcome::Passes,
            verdict: String::new(),
            problems,
            bypass_seconds: self.bypassed(),
            spared: spared(&seen, never_banned),
            checks: self.address_blind_checks(),
            signatures: self.applied_signatures(source.known, detection, signature_counters),
            bans: self.bans_of(&seen),
            lists,
            source,
            rules,
            closed: self.closed_to(&seen),
            attacked: self.attacked_services(),
            past: WhyPast { bans: self.past_bans_of(&seen), ..WhyPast::default() },
            undo: Vec::new(),
            packet: None,
        };
        (report.outcome, report.verdict) = verdict::of(&report);
        report
    }

    /// Checks that go by what a packet claims to be. Signatures are told of one by one.
    fn address_blind_checks(&self) -> Vec<floodwall_api::CheckStatus> {
        let mut checks = self.checks();
        checks.retain(|check| check.check != Reason::Signature.name());
        checks
    }

    /// Services that are closed to a source.
    fn closed_to(&self, seen: &Seen<'_>) -> Vec<String> {
        let (settings, now_ns) = (&self.tables.settings[0], self.tables.clock());
        let known = client::is_known(&*self.tables, settings, seen.address, now_ns) == Some(true);
        if known || seen.is_spared() {
            return Vec::new();
        }
        self.lockdowns().into_iter().map(|closed| closed.service).collect()
    }

    /// Services that packets are judged as attacked for.
    fn attacked_services(&self) -> Vec<String> {
        let settings = &self.tables.settings[0];
        let attacked = (0..MAX_SERVICES as u8).filter(|number| settings.is_attacked(u32::from(*number)));
        attacked.filter_map(|number| self.service_name(number)).collect()
    }

    /// The signatures that are deployed, as they hold for a source.
    fn applied_signatures(
        &self,
        known: bool,
        detection: &Snapshot,
        counters: &[(u64, u64)],
    ) -> Vec<AppliedSignature> {
        let only_count = self.tables.settings[0].monitored.load() & Reason::Signature.bit() != 0;
        let applied = detection.signatures.iter().map(|(number, deployed, _)| AppliedSignature {
            number: *number as u32,
            text: self.signature_in_words(&deployed.signature),
            drops: deployed.enforced && !only_count,
            new_sources_only: deployed.signature.new_sources,
            may_match: !(deployed.signature.new_sources && known),
            packets: counters.get(*number).map_or(0, |(packets, _)| *packets),
        });
        applied.collect()
    }

    /// Bans that hold for a source: its own, and those of prefixes that it lies in, the longest first.
    fn bans_of(&self, seen: &Seen<'_>) -> Vec<AppliedBan> {
        let Some(whole) = seen.prefix() else { return Vec::new() };
        let monitored = self.tables.settings[0].monitored.load();
        let enforced = |reason: Reason| monitored & reason.bit() == 0;
        let marked = seen.banned_until();
        let mut bans = Vec::new();
        {
            let records = self.records.lock();
            let table = self.table.lock();
            for length in (0..=whole.length()).rev() {
                let Ok(prefix) = Prefix::around(seen.address, length) else { continue };
                let Some(ban) = records.bans.in_force(prefix) else { continue };
                let origins = table.get(List::Block, prefix).map(|listed| self.origins(listed.owner));
                let listed = origins.is_some_and(|origins| origins.contains(&ban.origin));
                bans.push(AppliedBan {
                    prefix: prefix.to_string(),
                    since: Some(ban.since as f64 / 1e3),
                    until: ban.until as f64 / 1e3,
                    count: Some(ban.count),
                    rule: ban.rule.clone(),
                    because: because(ban, prefix, whole),
                    listed,
                    enforced: if listed {
                        enforced(Reason::Blocked)
                    } else {
                        prefix == whole && marked.is_some() && enforced(Reason::Banned)
                    },
                });
            }
        }
        // The kernel has banned it, and nobody has been told of it yet, or it is too brief to be listed.
        if let Some(until_ns) = marked
            && !bans.iter().any(|ban| ban.prefix == whole.to_string())
        {
            bans.insert(
                0,
                AppliedBan {
                    prefix: whole.to_string(),
                    since: None,
                    until: Moment::now(self).unix(until_ns) as f64 / 1e3,
                    count: None,
                    rule: None,
                    because: "it crossed a limit or a rule a moment ago".to_owned(),
                    listed: false,
                    enforced: enforced(Reason::Banned),
                },
            );
        }
        bans
    }
}

impl Filter {
    /// Bans of a source, and of prefixes that it lies in, that are over and still remembered.
    fn past_bans_of(&self, seen: &Seen<'_>) -> Vec<PastBan> {
        let Some(whole) = seen.prefix() else { return Vec::new() };
        let records = self.records.lock();
        let prefixes =
            (0..=whole.length()).rev().filter_map(|length| Prefix::around(seen.address, length).ok());
        let over = prefixes.filter_map(|prefix| {
            let ban = records.bans.remembered(prefix)?;
            records.bans.in_force(prefix).is_none().then(|| PastBan {
                prefix: prefix.to_string(),
                since: ban.since as f64 / 1e3,
                until: ban.until as f64 / 1e3,
                because: because(ban, prefix, whole),
            })
        });
        over.collect()
    }
}

/// Why a ban was made.
fn because(ban: &Ban, prefix: Prefix, whole: Prefix) -> String {
    let who = if prefix == whole { "it".to_owned() } else { prefix.to_string() };
    match (&ban.rule, ban.origin) {
        (Some(rule), _) => format!("{who} crossed rule {rule}"),
        (None, Origin::Detection) => format!("detection took {who} for an attacker"),
        (None, Origin::Fleet) => format!("another host has banned {who}"),
        (None, _) => format!("{who} crossed a rule of which no more is known"),
    }
}

/// Why a source is never banned, and what of it passes in any case.
fn spared(seen: &Seen<'_>, lifelines: &Lifelines) -> Vec<String> {
    let lifeline = match seen.prefix().and_then(|prefix| Danger::of(prefix, lifelines)) {
        Some(Danger::Own(address)) => Some(format!("{address} is this host's own address")),
        Some(Danger::Gateway(address)) => Some(format!("{address} is this host's default gateway")),
        Some(Danger::Login(address)) => Some(format!("somebody is logged in from {address}")),
        Some(Danger::Resolver(address)) => Some(format!("{address} is a resolver that this host asks")),
        Some(Danger::Peer(address)) => Some(format!("this host has opened a connection to {address}")),
        Some(Danger::Everything) | None => {
            seen.is_spared().then(|| "it is marked as one that the host lives by".to_owned())
        }
    };
    let lifeline = lifeline.map(|why| format!("no rule bans it: {why}"));
    let control = (seen.address.family == Family::V6).then(|| {
        "its neighbour discovery passes, if it comes from this very link and the address is on no list"
            .to_owned()
    });
    lifeline.into_iter().chain(control).collect()
}
