//! Bans: the kernel makes them, at the packet that crosses a limit; here they are made durable, listed, and ended.
//!
//! The kernel notes a ban in the source's own entry and tells of it. Whoever is told ([`Filter::note_bans`]) writes it
//! down, makes it longer for a repeated offender, and lists the source in the blocklist, on account of its own: there it
//! cannot be pushed out, and outlives a restart. A ban that was not told of, as the ring buffer was full, is found
//! where it stands ([`Filter::find_bans`]).

mod notice;

use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use floodwall_common::{
    prefix::Family,
    source::{self, Key},
    tables::Tables as _,
    wire::{History, standing},
};
use tracing::warn;

use super::{
    filter::{Filter, grace},
    ledger::Transaction,
    refusal::Refusal,
    report::maker,
};
use floodwall_api::{BanEntry, BanPage};
use floodwall_event::What;
use floodwall_store::Store;
use floodwall_store::records::{Change, Origin};
use floodwall_tables::{
    Prefix,
    prefixes::{self, Changes, List, PrefixTable},
};
use floodwall_units::unix;

/// So many prefixes are listed or taken off one by one; more, all at once.
const FEW: usize = 256;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    unix_ms: u64,
    kernel_ns: u64,
}

impl Moment {
    pub(super) fn now(filter: &Filter) -> Self {
        Self { unix_ms: unix::millis(SystemTime::now()), kernel_ns: filter.tables.clock() }
    }

    /// A time of the kernel's as Unix milliseconds.
    pub(super) fn unix(self, kernel_ns: u64) -> u64 {
        let ahead = kernel_ns.cast_signed().wrapping_sub(self.kernel_ns.cast_signed()) / 1_000_000;
        self.unix_ms.saturating_add_signed(ahead)
    }

    /// Unix milliseconds as a time of the kernel's.
    fn kernel(self, unix_ms: u64) -> u64 {
        self.kernel_ns + unix_ms.saturating_sub(self.unix_ms) * 1_000_000
    }
}

impl Filter {
    /// When the next ban ends.
    pub fn next_ban_end(&self) -> Option<SystemTime> {
        let at = self.records.lock().bans.next_end()?;
        Some(UNIX_EPOCH + Duration::from_millis(at))
    }

    /// Ends the bans whose time is over; returns how many.
    pub fn end_bans(&self, now: SystemTime) -> Result<u64, Refusal> {
        self.transact(End { now, ended: 0 })
    }

    /// Bans in force, in order of address.
    pub fn bans(&self, after: Option<Prefix>, limit: usize) -> BanPage {
        let records = self.records.lock();
        let mut table = self.table.lock();
        if after.is_none() {
            // Once for all pages: to do it for each prefix reads all that lies near it.
            table.harvest(0..PrefixTable::SLOTS);
        }
        let entries: Vec<_> = records
            .bans
            .after(after)
            .take(limit)
            .map(|(prefix, ban)| BanEntry {
                prefix: prefix.to_string(),
                since: ban.since as f64 / 1e3,
                until: ban.until as f64 / 1e3,
                count: ban.count,
                rule: ban.rule.clone(),
                hits: table.get(List::Block, prefix).map_or(0, |listed| listed.hits),
            })
            .collect();
        let next = (entries.len() == limit).then(|| entries.last().map(|last| last.prefix.clone())).flatten();
        BanPage { entries, next, total: records.bans.len() as u64 }
    }

    /// How many bans are in force. A page of them would read the counters of the whole prefix table.
    pub fn ban_count(&self) -> u64 {
        self.records.lock().bans.len() as u64
    }

    /// Lifts bans before their time, and forgets the offences: all or none. In force when it returns.
    pub fn lift_bans(&self, prefixes: &[Prefix]) -> Result<u64, Refusal> {
        self.transact(Lift::<false> { prefixes: prefixes.to_vec() })
    }

    /// Lifts bans, and forgets the offences, though nobody has asked for it.
    fn lift_by_itself(&self, prefixes: &[Prefix]) -> Result<u64, Refusal> {
        self.transact(Lift::<true> { prefixes: prefixes.to_vec() })
    }

    /// Lifts all bans, and forgets all offences. Returns how many were in force.
    pub fn lift_all_bans(&self) -> Result<u64, Refusal> {
        self.transact(LiftAll { lifted: 0 })
    }

    /// Makes bans entries of the blocklist as if they were made manually: for a time, or for ever.
    pub fn keep_bans(&self, prefixes: &[Prefix], lifetime: Option<Duration>) -> Result<u64, Refusal> {
        self.check_changeable()?;
        let rules: Vec<_> = {
            let records = self.records.lock();
            let rule = |prefix: &Prefix| match records.bans.in_force(*prefix) {
                Some(ban) => Ok(maker(ban).to_owned()),
                None => Err(Refusal::NotFound(format!("{prefix} is not banned"))),
            };
            prefixes.iter().map(rule).collect::<Result<_, _>>()?
        };
        for (prefix, rule) in prefixes.iter().zip(rules) {
            let note = format!("was banned by {rule}");
            self.add(floodwall_api::ListName::Block, &[*prefix], lifetime, Some(note), None)?;
        }
        self.lift_bans(prefixes)
    }

    /// Lists banned prefixes, each on account of who has made the ban.
    fn list(&self, bans: &[(Prefix, Origin)]) -> Result<(), Refusal> {
        let banned = bans.iter().map(|(prefix, origin)| (*prefix, self.owned_by(*origin)));
        if bans.len() > FEW {
            self.apply(Changes::new().insert(List::Block, banned), &mut |_, _| ())?;
            return Ok(());
        }
        for (prefix, owners) in banned {
            prefixes::change(&self.table, grace, |table| match table.get(List::Block, prefix) {
                Some(_) => table.join(List::Block, prefix, owners),
                None => table.insert(List::Block, prefix, owners),
            })?;
        }
        Ok(())
    }

    /// Takes prefixes off the list that were on it as they were banned.
    fn unlist(&self, prefixes: &[Prefix]) -> Result<(), Refusal> {
        let owners = self.owned_by_bans();
        if prefixes.len() > FEW {
            let gone: HashSet<Prefix> = prefixes.iter().copied().collect();
            let left: Vec<_> = {
                let records = self.records.lock();
                let left = records.bans.after(None).filter(|(prefix, _)| !gone.contains(prefix));
                left.map(|(prefix, ban)| (prefix, self.owned_by(ban.origin))).collect()
            };
            let changes = Changes::new().withdraw(List::Block, owners).insert(List::Block, left);
            self.apply(changes, &mut |_, _| ())?;
            return Ok(());
        }
        for prefix in prefixes {
            match self.unlist_one(List::Block, *prefix, owners) {
                Ok(()) | Err(Refusal::NotFound(_)) => {}
                Err(error) => warn!(%prefix, %error, "a ban that is over is still in force"),
            }
        }
        Ok(())
    }

    /// Whether the kernel has a ban in the source's own entry.
    fn is_marked(&self, prefix: Prefix) -> bool {
        let Some(key) = self.key_of(prefix) else { return false };
        let settings = &self.tables.settings[0];
        source::way_of(&*self.tables, settings, key)
            .is_some_and(|way| History::unpack(way.history.load()).standing & standing::BANNED != 0)
    }

    /// Lifts the ban in the source's own entry.
    pub(super) fn unmark(&self, prefix: Prefix) {
        let Some(key) = self.key_of(prefix) else { return };
        let settings = &self.tables.settings[0];
        if let Some(way) = source::way_of(&*self.tables, settings, key) {
            source::lift(way, self.tables.clock());
        }
    }

    /// Lifts all bans in the entries of sources.
    pub(super) fn unmark_all(&self) {
        let now = self.tables.clock();
        self.tables.sources.iter().flat_map(|set| &set.ways).for_each(|way| source::lift(way, now));
    }

    /// The key of a source, if the prefix is just that.
    fn key_of(&self, prefix: Prefix) -> Option<Key> {
        let whole = match prefix.family() {
            Family::V4 => 32,
            Family::V6 => 64,
        };
        (prefix.length() == whole).then(|| Key::of(&self.tables.settings[0], prefix.address()))
    }
}

/// Ends bans whose time is over. That they end is written down since they began.
struct End {
    now: SystemTime,
    ended: u64,
}

impl Transaction for End {
    type Outcome = u64;
    const BY_ITSELF: bool = true;

    fn take(&mut self, _: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        Ok(Vec::new())
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let ended = filter.records.lock().bans.end(unix::millis(self.now));
        self.ended = ended.len() as u64;
        filter.unlist(&ended)
    }

    fn tell(&self) -> Option<What> {
        (self.ended > 0).then_some(What::Unbanned { bans: self.ended, lifted: false })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.ended
    }
}

/// Lifts bans before their time; `BY_ITSELF`: though no operator has asked for it.
struct Lift<const BY_ITSELF: bool> {
    prefixes: Vec<Prefix>,
}

impl<const BY_ITSELF: bool> Transaction for Lift<BY_ITSELF> {
    type Outcome = u64;
    const BY_ITSELF: bool = BY_ITSELF;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let records = filter.records.lock();
        for prefix in &self.prefixes {
            if !BY_ITSELF && records.bans.in_force(*prefix).is_none() && !filter.is_marked(*prefix) {
                return Err(Refusal::NotFound(format!("{prefix} is not banned")));
            }
        }
        Ok(self.prefixes.iter().map(|prefix| Change::Lift { prefix: *prefix }).collect())
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        filter.unlist(&self.prefixes)?;
        self.prefixes.iter().for_each(|prefix| filter.unmark(*prefix));
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        Some(What::Unbanned { bans: self.prefixes.len() as u64, lifted: true })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.prefixes.len() as u64
    }
}

/// Lifts all bans.
struct LiftAll {
    lifted: u64,
}

impl Transaction for LiftAll {
    type Outcome = u64;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        self.lifted = filter.records.lock().bans.len() as u64;
        Ok(vec![Change::LiftAll])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let owners = filter.owned_by_bans();
        filter.apply(Changes::new().withdraw(List::Block, owners), &mut |_, _| ())?;
        filter.unmark_all();
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        Some(What::Unbanned { bans: self.lifted, lifted: true })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.lifted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_either_clock() {
        let now = Moment { unix_ms: 10_000, kernel_ns: 5_000_000 };
        assert_eq!([4_000_000, 5_000_000, 8_000_000].map(|time| now.unix(time)), [9_999, 10_000, 10_003]);
        assert_eq!([9_000, 10_000, 10_003].map(|time| now.kernel(time)), [5_000_000, 5_000_000, 8_000_000]);
    }
}
