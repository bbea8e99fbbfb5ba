//! Bans: the kernel makes them, at the packet that crosses a limit; here they are made durable, listed, and ended.
//!
//! The kernel notes a ban in the source's own entry and tells of it. Whoever is told ([`Filter::note_bans`]) writes it
//! down, makes it longer for a repeated offender, and lists the source in the blocklist, on account of its own: there it
//! cannot be pushed out, and outlives a restart. A ban that was not told of, as the ring buffer was full, is found
//! where it stands ([`Filter::find_bans`]).

mod book;
mod notice;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use floodwall_common::{
    prefix::Family,
    source::{self, Key},
    tables::Tables as _,
    wire::{History, standing},
};
use tracing::warn;

pub use self::book::{Ban, BanBook};
use super::{
    change::{Change, Origin},
    filter::{Filter, grace},
    refusal::Refusal,
};
use crate::{
    api::{BanEntry, BanPage},
    tables::{
        Prefix,
        prefixes::{self, Changes, List, PrefixTable, TableError},
    },
};

/// So many prefixes are listed or taken off one by one; more, all at once.
const FEW: usize = 256;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
struct Moment {
    unix_ms: u64,
    kernel_ns: u64,
}

impl Moment {
    fn now(filter: &Filter) -> Self {
        Self { unix_ms: unix_ms(SystemTime::now()), kernel_ns: filter.tables.clock() }
    }

    /// A time of the kernel's as Unix milliseconds.
    fn unix(self, kernel_ns: u64) -> u64 {
        let ahead = kernel_ns.cast_signed().wrapping_sub(self.kernel_ns.cast_signed()) / 1_000_000;
        self.unix_ms.saturating_add_signed(ahead)
    }

    /// Unix milliseconds as a time of the kernel's.
    fn kernel(self, unix_ms: u64) -> u64 {
        self.kernel_ns + unix_ms.saturating_sub(self.unix_ms) * 1_000_000
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl Filter {
    /// When the next ban ends.
    pub fn next_ban_end(&self) -> Option<SystemTime> {
        let at = self.books.lock().records.bans.next_end()?;
        Some(UNIX_EPOCH + Duration::from_millis(at))
    }

    /// Ends the bans whose time is over; returns how many.
    pub fn end_bans(&self, now: SystemTime) -> Result<u64, Refusal> {
        let ended = self.books.lock().records.bans.end(unix_ms(now));
        self.unlist(&ended)?;
        Ok(ended.len() as u64)
    }

    /// Bans in force, in order of address.
    pub fn bans(&self, after: Option<Prefix>, limit: usize) -> BanPage {
        let books = self.books.lock();
        let mut table = self.table.lock();
        if after.is_none() {
            // Once for all pages: to do it for each prefix reads all that lies near it.
            table.harvest(0..PrefixTable::SLOTS);
        }
        let entries: Vec<_> = books
            .records
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
        BanPage { entries, next, total: books.records.bans.len() as u64 }
    }

    /// Lifts bans before their time, and forgets the offences: all or none. In force when it returns.
    pub fn lift_bans(&self, prefixes: &[Prefix]) -> Result<u64, Refusal> {
        self.check_changeable()?;
        let books = self.books.lock();
        for prefix in prefixes {
            if books.records.bans.in_force(*prefix).is_none() && !self.is_marked(*prefix) {
                return Err(Refusal::NotFound(format!("{prefix} is not banned")));
            }
        }
        drop(books);
        self.lift(prefixes)?;
        Ok(prefixes.len() as u64)
    }

    /// Lifts bans, and forgets the offences, whether somebody has asked for that or not.
    fn lift(&self, prefixes: &[Prefix]) -> Result<(), Refusal> {
        let lifts: Vec<_> = prefixes.iter().map(|prefix| Change::Lift { prefix: *prefix }).collect();
        self.books.lock().note(&lifts)?;
        self.unlist(prefixes)?;
        prefixes.iter().for_each(|prefix| self.unmark(*prefix));
        Ok(())
    }

    /// Lifts all bans, and forgets all offences. Returns how many were in force.
    pub fn lift_all_bans(&self) -> Result<u64, Refusal> {
        self.check_changeable()?;
        let _bulk = self.bulk.lock();
        let mut books = self.books.lock();
        let lifted = books.records.bans.len() as u64;
        books.keep(&[Change::LiftAll])?;
        drop(books);
        self.apply(Changes::new().withdraw(List::Block, Origin::BAN.bit()), &mut |_, _| ())?;
        self.unmark_all();
        Ok(lifted)
    }

    /// Makes bans entries of the blocklist as if they were made by hand: for a time, or for ever.
    pub fn keep_bans(&self, prefixes: &[Prefix], lifetime: Option<Duration>) -> Result<u64, Refusal> {
        self.check_changeable()?;
        let rules: Vec<_> = {
            let books = self.books.lock();
            let rule = |prefix: &Prefix| match books.records.bans.in_force(*prefix) {
                Some(ban) => Ok(ban.rule.clone()),
                None => Err(Refusal::NotFound(format!("{prefix} is not banned"))),
            };
            prefixes.iter().map(rule).collect::<Result<_, _>>()?
        };
        for (prefix, rule) in prefixes.iter().zip(rules) {
            let note = format!("was banned by {}", rule.as_deref().unwrap_or("the filter"));
            self.add(crate::api::ListName::Block, &[*prefix], lifetime, Some(note), None)?;
        }
        self.lift(prefixes)?;
        Ok(prefixes.len() as u64)
    }

    /// Lists banned prefixes.
    fn list(&self, prefixes: &[Prefix]) -> Result<(), Refusal> {
        let owner = Origin::BAN.bit();
        if prefixes.len() > FEW {
            let _bulk = self.bulk.lock();
            let banned = prefixes.iter().map(|prefix| (*prefix, owner));
            self.apply(Changes::new().insert(List::Block, banned), &mut |_, _| ())?;
            return Ok(());
        }
        for prefix in prefixes {
            prefixes::change(&self.table, grace, |table| match table.get(List::Block, *prefix) {
                Some(_) => table.join(List::Block, *prefix, owner),
                None => table.insert(List::Block, *prefix, owner),
            })?;
        }
        Ok(())
    }

    /// Takes prefixes off the list that were on it as they were banned.
    fn unlist(&self, prefixes: &[Prefix]) -> Result<(), Refusal> {
        let owner = Origin::BAN.bit();
        if prefixes.len() > FEW {
            let _bulk = self.bulk.lock();
            let books = self.books.lock();
            let left: Vec<_> = books.records.bans.after(None).map(|(prefix, _)| (prefix, owner)).collect();
            drop(books);
            let changes = Changes::new().withdraw(List::Block, owner).insert(List::Block, left);
            self.apply(changes, &mut |_, _| ())?;
            return Ok(());
        }
        for prefix in prefixes {
            match self.table.lock().leave(List::Block, *prefix, owner) {
                Ok(_) | Err(TableError::NotThere { .. }) => {}
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
