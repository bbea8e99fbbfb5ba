//! What the tables know of a source.

use std::net::IpAddr;

use floodwall_common::{
    address::SourceOf,
    prefix::{Address, Family},
    source::{self, Key, TICK_SHIFT},
    tables::{AGGREGATE_SETS, Tables as _},
    token_bucket::unit_time,
    wire::{BucketSpec, History, Settings, Terms, Volume, Way, standing},
};

use super::filter::Filter;
use floodwall_api::SourceReport;
use floodwall_policy::Per;
use floodwall_tables::{Prefix, SharedTables};

/// A source as the tables have it at one moment.
#[derive(Clone, Copy)]
pub(super) struct Seen<'t> {
    /// An IPv4 address, or the first of an IPv6 /64.
    pub(super) address: Address,
    /// Its entry in the source table, if it has one.
    pub(super) way: Option<&'t Way>,
    /// The moment, by the kernel's clock, ns.
    pub(super) now_ns: u64,
}

impl<'t> Seen<'t> {
    /// The source that an address belongs to.
    pub(super) fn of(tables: &'t SharedTables, address: IpAddr) -> Self {
        let address = Address::canonical(address).source();
        let settings = &tables.settings[0];
        let way = source::way_of(tables, settings, Key::of(settings, address));
        Self { address, way, now_ns: tables.told_clock().unwrap_or_else(|| tables.clock()) }
    }

    /// All of it as a prefix.
    pub(super) fn prefix(&self) -> Option<Prefix> {
        Prefix::around(self.address, self.address.family.source_bits()).ok()
    }

    /// As people write it: an IPv4 address or an IPv6 /64.
    pub(super) fn text(&self) -> String {
        SourceOf(self.address).to_string()
    }

    fn history(&self) -> Option<History> {
        self.way.map(|way| History::unpack(way.history.load()))
    }

    fn is(&self, bit: u16) -> bool {
        self.history().is_some_and(|history| history.standing & bit != 0)
    }

    /// Whether it has taken part in conversations before.
    pub(super) fn is_known(&self) -> bool {
        self.is(standing::KNOWN)
    }

    /// Whether it was there for half a minute before the attack that goes on.
    pub(super) fn was_there_before(&self, settings: &Settings) -> bool {
        let entered = self.way.map(|way| History::unpack(way.history.load()).entered);
        entered.is_some_and(|entered| source::was_there_at(entered, settings.attacked_since.load()))
    }

    /// Whether it is marked as one that is never banned.
    pub(super) fn is_spared(&self) -> bool {
        self.is(standing::SPARED)
    }

    /// The time until which its own entry says that it is banned, by the kernel's clock, ns; `None` if it does not.
    pub(super) fn banned_until(&self) -> Option<u64> {
        let until = self.way.filter(|_| self.is(standing::BANNED))?.buckets.load();
        (until > self.now_ns).then_some(until)
    }

    /// What the bucket of its packets, or else that of its SYNs, would let through at once.
    pub(super) fn left(&self, syn: bool, spec: BucketSpec) -> Option<u64> {
        if self.banned_until().is_some() {
            return None;
        }
        let shift = if syn { 32 } else { 0 };
        left(spec, false, self.way.map_or(0, |way| ahead(way, shift, self.now_ns)))
    }

    /// What a rule with this number would let through at once of what the source sends; `None` if there is no such rule.
    pub(super) fn left_by_rule(&self, tables: &SharedTables, number: u8, per: Per) -> Option<u64> {
        let settings = &tables.settings[0];
        let rule = tables.rule(number.into())?;
        let (spec, terms) = (BucketSpec::unpack(rule.bucket.load()), Terms::unpack(rule.terms.load()));
        let (key, set) = match per {
            Per::Service => {
                let now = floodwall_common::token_bucket::long_time(self.now_ns);
                let ahead = rule.full_at.load().saturating_sub(now);
                return left(spec, terms.bytes, u32::try_from(ahead).unwrap_or(u32::MAX));
            }
            Per::Source => {
                let key = Key::of(settings, self.address).under(number.into());
                (key, tables.source_set(key.set(settings, settings.source_mask.load()))?)
            }
            Per::SourcePrefix => {
                let length = match self.address.family {
                    Family::V4 => terms.v4_length,
                    Family::V6 => terms.v6_length,
                };
                let prefix = Prefix::around(self.address, length).ok()?;
                let key = Key::of(settings, prefix.address()).under(number.into());
                (key, tables.aggregate_set(key.set(settings, u64::from(AGGREGATE_SETS - 1)))?)
            }
        };
        let way = source::find(set, key).and_then(|way| set.ways.get(way as usize));
        left(spec, terms.bytes, way.map_or(0, |way| ahead(way, 0, self.now_ns)))
    }
}

/// How far ahead of now a bucket is, in its units of time. Who has been silent for long finds it full.
fn ahead(way: &Way, shift: u32, now_ns: u64) -> u32 {
    if source::is_stale(History::unpack(way.history.load()), now_ns) {
        return 0;
    }
    let full_at = (way.buckets.load() >> shift) as u32;
    full_at.wrapping_sub(unit_time(now_ns)).cast_signed().max(0).cast_unsigned()
}

/// How many packets, or bytes, a bucket lets through that is so far ahead of now; `None` without a limit.
fn left(spec: BucketSpec, bytes: bool, ahead: u32) -> Option<u64> {
    let BucketSpec { increment, tolerance } = spec;
    if increment == 0 {
        return None;
    }
    let Some(room) = tolerance.checked_sub(ahead) else { return Some(0) };
    if bytes {
        // The last packet may go beyond.
        Some(((u64::from(room) << Terms::BYTE_SHIFT) / u64::from(increment)).max(1))
    } else {
        spec.packets_in(room)
    }
}

impl Filter {
    /// What is known of a source, and the limits that hold for it.
    pub fn source(&self, address: IpAddr) -> SourceReport {
        let seen = Seen::of(&self.tables, address);
        let (limits, _) = self.applied_rules(&seen);
        self.source_as_seen(&seen, limits)
    }

    /// What is known of a source for which these limits hold.
    pub(super) fn source_as_seen(
        &self,
        seen: &Seen<'_>,
        limits: Vec<floodwall_api::AppliedRule>,
    ) -> SourceReport {
        let settings = &self.tables.settings[0];
        let mut report = SourceReport {
            source: seen.text(),
            tracked: seen.way.is_some(),
            known: seen.is_known(),
            packets: 0,
            bytes: 0,
            syns: 0,
            packet_tokens: None,
            syn_tokens: None,
            idle_seconds: None,
            banned_seconds: seen.banned_until().map(|until| (until - seen.now_ns) as f64 / 1e9),
            spared: seen.is_spared(),
            limits,
            origin: None,
        };
        let (Some(way), Some(history)) = (seen.way, seen.history()) else { return report };
        let volume = Volume(way.volume.load());
        report.packets = u64::from(volume.packets());
        report.bytes = volume.bytes();
        report.syns = u64::from(history.syns);
        let silence = source::silence(history, seen.now_ns);
        report.idle_seconds = Some(f64::from(silence) * (1_u64 << TICK_SHIFT) as f64 / 1e9);
        report.packet_tokens = seen.left(false, BucketSpec::unpack(settings.packet_bucket.load()));
        report.syn_tokens = seen.left(true, BucketSpec::unpack(settings.syn_bucket.load()));
        report
    }
}
