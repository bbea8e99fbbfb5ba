//! Questions, and what the state answers.

use std::net::IpAddr;

use floodwall_common::{
    prefix::{Address, Family},
    wire::Reason,
};

use super::filter::{Filter, list_of, name_of};
use floodwall_api::{
    ChallengeStatus, Covering, Entry, ListName, ListPage, ListStatus, Lists, MemoryUse, Status,
};
use floodwall_store::records::{Ban, Origin, Records};
use floodwall_tables::{
    Prefix,
    prefixes::{List, Listed, PrefixTable},
};

/// Who has listed what was listed by an operator, one by one.
pub(super) const BY_HAND: &str = "hand";
/// How the note of a ban begins that nobody has written one for.
pub(super) const BANNED_BY: &str = "banned by ";

impl Filter {
    /// A part of a list, in order of address.
    pub fn page(&self, list: ListName, after: Option<Prefix>, limit: usize) -> ListPage {
        let records = self.records.lock();
        let (found, origins, hits, total) = {
            let mut table = self.table.lock();
            let found = table.range_after(list_of(list), after, limit);
            let origins: Vec<_> = found.iter().map(|listed| self.origins(listed.owner)).collect();
            let hits: Vec<_> = found.iter().map(|listed| hits(&mut table, listed)).collect();
            let total = u64::from(table.len(list_of(list)));
            (found, origins, hits, total)
        };
        let next = (found.len() == limit).then(|| found.last().map(|last| last.prefix.to_string())).flatten();
        let entries = found.iter().zip(origins).zip(hits);
        let entries =
            entries.map(|((listed, origins), hits)| entry(&records, listed, &origins, hits)).collect();
        ListPage { entries, next, total }
    }

    /// What the lists say of an address, and why.
    pub fn test(&self, address: IpAddr) -> Lists {
        let records = self.records.lock();
        // For all of it: what is found must not change its owners meanwhile.
        let mut table = self.table.lock();
        let mut found: Vec<_> = table.covering(Address::canonical(address)).collect();
        let decides = |list| {
            let of_list = found.iter().enumerate().filter(|(_, listed)| listed.list == list);
            of_list.max_by_key(|(_, listed)| listed.prefix.length()).map(|(index, _)| index)
        };
        let deciding = decides(List::Allow).or_else(|| decides(List::Block));
        if let Some(index) = deciding {
            found[..=index].rotate_right(1);
        }
        let why = explain(address, deciding.and_then(|_| found.first()), &found);
        let decided_by = deciding.and_then(|_| found.first());
        Lists {
            decided_by: decided_by.map(|listed| name_of(listed.list)),
            prefix: decided_by.map(|listed| listed.prefix.to_string()),
            why,
            covering: found
                .iter()
                .map(|listed| {
                    let origins = self.origins(listed.owner);
                    Covering {
                        list: name_of(listed.list),
                        wanted_by: origins
                            .iter()
                            .map(|origin| who(&records, listed.prefix, *origin))
                            .collect(),
                        entry: entry(&records, listed, &origins, hits(&mut table, listed)),
                    }
                })
                .collect(),
            only_counts: self.tables.settings[0].monitored.load() & Reason::Blocked.bit() != 0,
        }
    }

    /// How things stand, without what only the kernel knows.
    pub fn status(&self) -> Status {
        // Before the table is locked.
        let (limits, checks, observe) = (self.limits(), self.checks(), self.is_observing());
        let only_count = self.limits_that_only_count();
        let table = self.table.lock();
        let list = |list| {
            let [ipv4, ipv6] = [Family::V4, Family::V6].map(|family| u64::from(table.len_in(list, family)));
            ListStatus { ipv4, ipv6 }
        };
        let footprint = self.capacity.bytes();
        let lines = table.lines();
        let line_use = f64::from(lines.used) / f64::from(lines.total);
        let memory = [
            ("prefix nodes", footprint.prefix_lines, Some(line_use)),
            ("prefix roots", footprint.prefix_roots, None),
            ("prefix bitmaps", footprint.prefix_bitmaps, None),
            ("sources", footprint.sources, None),
            ("source prefixes", footprint.aggregates, None),
            ("ports", footprint.ports, None),
            ("signatures", footprint.signatures, None),
            ("flows, services, segments and fragments", footprint.memories, None),
        ];
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            interfaces: Vec::new(),
            counters: Vec::new(),
            challenges: ChallengeStatus::default(),
            would_drop: Vec::new(),
            checks,
            proofs: Vec::new(),
            observe,
            block: list(List::Block),
            allow: list(List::Allow),
            capacity: u64::from(self.capacity.prefixes),
            limits,
            limits_only_count: only_count,
            memory: memory
                .map(|(structure, bytes, used)| MemoryUse { structure: structure.to_owned(), bytes, used })
                .into(),
            machine: Default::default(),
            trials: Vec::new(),
            notify: Vec::new(),
            web: None,
            warnings: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// What keeps the state from being what it should be; empty if nothing does.
    pub fn problems(&self) -> Vec<String> {
        let stalled = self.ledger.stalled().map(|waited| {
            format!(
                "THE DISK DOES NOT ANSWER: a change has waited {:.0} s for the state directory; what is in force stays, and \
                 changes wait",
                waited.as_secs_f64()
            )
        });
        let trouble = self.ledger.trouble().map(|why| {
            format!(
                "THE STATE CANNOT BE WRITTEN: {why}. What is in force stays, and changes are refused; bans go on, and are written \
                 once that is possible"
            )
        });
        let Some(damaged) = &self.damaged else { return stalled.into_iter().chain(trouble).collect() };
        let whole = format!(
            "THE STATE IS DAMAGED: of {} what could be read is enforced, and no change is taken. Stop the daemon, put right \
             what is named here and start it again, or have it go on with what could be read: `floodwall run \
             --accept-state`",
            damaged.directory.display()
        );
        let each = damaged.damage.iter().map(|damage| format!("{damage}: {}", damage.remedy()));
        std::iter::once(whole).chain(each).collect()
    }
}

/// Packets that a prefix has decided so far.
fn hits(table: &mut PrefixTable, listed: &Listed) -> u64 {
    table.hits(listed.list, listed.prefix).unwrap_or(listed.hits)
}

fn entry(records: &Records, listed: &Listed, origins: &[Origin], hits: u64) -> Entry {
    let note = records.note(name_of(listed.list), listed.prefix);
    let import = origins.iter().find_map(|origin| records.import(*origin));
    let is_banned = origins.iter().any(|origin| Origin::BANS.contains(origin));
    let ban = records.bans.in_force(listed.prefix).filter(|_| is_banned);
    // Wanted by several: listed until the latest of their ends.
    let ends = [
        note.map(|note| note.expires),
        import.map(|record| record.expires),
        ban.map(|ban| Some(ban.until.div_ceil(1_000))),
    ];
    let since = note.map(|note| note.since).or(import.map(|record| record.since));
    Entry {
        prefix: listed.prefix.to_string(),
        hits,
        import: import.map(|record| record.name.clone()),
        since: since.or(ban.map(|ban| ban.since / 1_000)).unwrap_or(0),
        expires: ends.into_iter().flatten().reduce(|one, other| Some(one?.max(other?))).flatten(),
        note: note.and_then(|note| note.note.clone()).or_else(|| Some(format!("{BANNED_BY}{}", maker(ban?)))),
    }
}

/// Who wants a prefix listed, in words.
fn who(records: &Records, prefix: Prefix, origin: Origin) -> String {
    let name = || records.import(origin).map_or_else(|| origin.to_string(), |record| record.name.clone());
    match origin {
        Origin::Manual => BY_HAND.to_owned(),
        Origin::Import(_) => format!("import {}", name()),
        Origin::Feed(_) => format!("feed {}", name()),
        Origin::Rule => match records.bans.in_force(prefix).and_then(|ban| ban.rule.as_ref()) {
            Some(rule) => format!("rule {rule}"),
            None => "a rule".to_owned(),
        },
        Origin::Detection => "detection".to_owned(),
        Origin::Fleet => "another host".to_owned(),
    }
}

/// Who has made a ban, in words.
pub(super) fn maker(ban: &Ban) -> &str {
    match (&ban.rule, ban.origin) {
        (Some(rule), _) => rule,
        (None, Origin::Detection) => "detection",
        (None, Origin::Fleet) => "another host",
        (None, _) => "the filter",
    }
}

fn explain(address: IpAddr, deciding: Option<&Listed>, covering: &[Listed]) -> String {
    let Some(Listed { list, prefix, .. }) = deciding else {
        return format!("no listed prefix covers {address}");
    };
    let others = covering.iter().skip(1);
    match list {
        List::Allow => match others.filter(|other| other.list == List::Block).count() {
            0 => format!("{prefix} is allowed, and covers {address}"),
            _ => format!("{prefix} is allowed, and covers {address}; an allow wins over every block"),
        },
        List::Block => match others.count() {
            0 => format!("{prefix} is blocked, and covers {address}"),
            _ => format!("{prefix} is blocked, and is the longest that covers {address}"),
        },
    }
}
