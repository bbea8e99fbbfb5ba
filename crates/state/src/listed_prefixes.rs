//! Prefixes that are named one by one: they come and go at once.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use floodwall_common::prefix::Family;
use tracing::warn;

use super::{
    breadth::covers_most,
    expiry::expiry,
    filter::{Filter, grace, list_of},
    ledger::Transaction,
    lifeline_check::Danger,
    refusal::Refusal,
};
use floodwall_api::{AddResponse, ListName};
use floodwall_event::What;
use floodwall_policy::Lifelines;
use floodwall_store::Store;
use floodwall_store::records::{Change, Origin};
use floodwall_tables::{
    Prefix,
    prefixes::{self, List, Owners},
};
use floodwall_units::unix;

/// Prefixes of this length or shorter may hold much of a family.
const WIDE: u8 = 20;
/// So many prefixes may hold much of a family, however long each is.
const MANY: usize = 10_000;

impl Filter {
    /// Lists prefixes: all or none. In force and on disk when it returns.
    pub fn add(
        &self,
        list: ListName,
        wanted: &[Prefix],
        lifetime: Option<Duration>,
        note: Option<String>,
        lifelines: Option<&Lifelines>,
    ) -> Result<AddResponse, Refusal> {
        self.check_changeable()?;
        if let Some(lifelines) = lifelines {
            match list {
                ListName::Block => refuse_dangers(wanted, lifelines)?,
                // To let everything in is as grave as to let nothing in; the host's own addresses are not.
                ListName::Allow => refuse_dangers(wanted, &Lifelines::default())?,
            }
            self.refuse_most(list, wanted)?;
        }
        let expires = lifetime.map(|lifetime| expiry(SystemTime::now(), lifetime)).transpose()?;
        self.transact(Add { list, wanted: wanted.to_vec(), expires, note, done: Vec::new() })
    }

    /// Refuses prefixes that, with those that were listed by hand before, hold most of the addresses that there are.
    pub(super) fn refuse_most(&self, list: ListName, wanted: &[Prefix]) -> Result<(), Refusal> {
        // What is added to little is little; the list is only looked through for what is much.
        let Some(widest) = wanted.iter().min_by_key(|prefix| prefix.length()) else { return Ok(()) };
        if wanted.len() < MANY && widest.length() > WIDE {
            return Ok(());
        }
        let there: Vec<_> = {
            let records = self.records.lock();
            records.noted().filter(|(of, _)| *of == list).map(|(_, prefix)| prefix).collect()
        };
        match covers_most(wanted.iter().copied().chain(there)) {
            None => Ok(()),
            Some((family, share)) => Err(Refusal::Dangerous(format!(
                "{widest} and the others, with what is listed by hand already, cover {share} % of the {} addresses that \
                 anybody has",
                match family {
                    Family::V4 => "IPv4",
                    Family::V6 => "IPv6",
                }
            ))),
        }
    }

    /// Takes prefixes off a list, whoever wanted them: all or none. Returns how many.
    pub fn remove(&self, list: ListName, prefixes: &[Prefix]) -> Result<u64, Refusal> {
        self.transact(Remove { list, prefixes: prefixes.to_vec(), owners: BTreeMap::new(), done: Vec::new() })
    }

    /// Lists a prefix on an operator's account, in force; says who wanted it before, if it was listed.
    fn list_manually(&self, list: List, prefix: Prefix) -> Result<Option<Owners>, Refusal> {
        let manual = self.owned_by(Origin::Manual);
        prefixes::change(&self.table, grace, |table| {
            let was = table.get(list, prefix).map(|listed| listed.owner);
            match was {
                Some(_) => table.join(list, prefix, manual)?,
                None => table.insert(list, prefix, manual)?,
            }
            Ok(was)
        })
    }
}

impl Filter {
    /// Has a prefix no longer wanted by somebody; memory that is lacking for that is reclaimed first.
    pub(super) fn unlist_one(&self, list: List, prefix: Prefix, owner: Owners) -> Result<(), Refusal> {
        prefixes::change(&self.table, grace, |table| table.leave(list, prefix, owner)).map(drop)
    }
}

/// Lists prefixes.
struct Add {
    list: ListName,
    wanted: Vec<Prefix>,
    expires: Option<u64>,
    note: Option<String>,
    /// What is in force of it, and who wanted it before.
    done: Vec<(Prefix, Option<Owners>)>,
}

impl Transaction for Add {
    type Outcome = AddResponse;

    fn take(&mut self, _: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let Self { list, wanted, expires, note, .. } = self;
        let since = unix::seconds(SystemTime::now());
        let change = |prefix: &Prefix| Change::Add {
            list: *list,
            prefix: *prefix,
            since,
            expires: *expires,
            note: note.clone(),
        };
        Ok(wanted.iter().map(change).collect())
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let list = list_of(self.list);
        for prefix in &self.wanted {
            match filter.list_manually(list, *prefix) {
                Ok(was) => self.done.push((*prefix, was)),
                Err(refusal) => {
                    let manual = filter.owned_by(Origin::Manual);
                    for (prefix, was) in &self.done {
                        let leaves =
                            was.is_none_or(|owners| !filter.origins(owners).contains(&Origin::Manual));
                        if leaves && let Err(error) = filter.unlist_one(list, *prefix, manual) {
                            warn!(%prefix, %error, "a change that failed could not be taken back");
                        }
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let added = self.done.iter().filter(|(_, was)| was.is_none()).count() as u64;
        Some(What::List { list: self.list.name(), added, removed: 0, account: "manual".to_owned() })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> AddResponse {
        let mut response = AddResponse::default();
        for (prefix, was) in self.done {
            let of = if was.is_some() { &mut response.updated } else { &mut response.added };
            of.push(prefix.to_string());
        }
        response
    }
}

/// Takes prefixes off a list.
struct Remove {
    list: ListName,
    prefixes: Vec<Prefix>,
    /// Who wants them.
    owners: BTreeMap<Prefix, Owners>,
    /// Those that are off the list.
    done: Vec<Prefix>,
}

impl Transaction for Remove {
    type Outcome = u64;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let list = self.list;
        for prefix in &self.prefixes {
            self.owners.insert(*prefix, filter.owners_of(list, *prefix)?);
        }
        let removal = |(prefix, owners): (&Prefix, &Owners)| Change::Remove {
            list,
            prefix: *prefix,
            imports: filter.origins(*owners).into_iter().filter(|origin| origin.has_list()).collect(),
        };
        let mut changes: Vec<_> = self.owners.iter().map(removal).collect();
        if list == ListName::Block {
            let records = filter.records.lock();
            let banned = self.owners.keys().filter(|prefix| records.bans.in_force(**prefix).is_some());
            changes.extend(banned.map(|prefix| Change::Lift { prefix: *prefix }));
        }
        Ok(changes)
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let list = list_of(self.list);
        for prefix in self.owners.keys() {
            match prefixes::change(&filter.table, grace, |table| table.remove(list, *prefix)) {
                Ok(()) => self.done.push(*prefix),
                Err(refusal) => {
                    for prefix in &self.done {
                        let owners = self.owners.get(prefix).copied();
                        let owners = owners.unwrap_or_else(|| filter.owned_by(Origin::Manual));
                        let back = prefixes::change(&filter.table, grace, |table| {
                            table.insert(list, *prefix, owners)
                        });
                        if let Err::<(), Refusal>(error) = back {
                            warn!(%prefix, %error, "a change that failed could not be taken back");
                        }
                    }
                    return Err(refusal);
                }
            }
        }
        if self.list == ListName::Block {
            self.done.iter().for_each(|prefix| filter.unmark(*prefix));
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let removed = self.done.len() as u64;
        Some(What::List { list: self.list.name(), added: 0, removed, account: "manual".to_owned() })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.done.len() as u64
    }
}

impl Filter {
    /// Who wants a prefix of a list, if it is there.
    fn owners_of(&self, list: ListName, prefix: Prefix) -> Result<Owners, Refusal> {
        let table = self.table.lock();
        if let Some(listed) = table.get(list_of(list), prefix) {
            return Ok(listed.owner);
        }
        let why = match table.covering(prefix.address()).find(|found| found.list == list_of(list)) {
            Some(found) => format!("; {} is, and covers it", found.prefix),
            None => String::new(),
        };
        Err(Refusal::NotFound(format!("{prefix} is not in the {}list{why}", list_of(list))))
    }
}

fn refuse_dangers(prefixes: &[Prefix], lifelines: &Lifelines) -> Result<(), Refusal> {
    match prefixes.iter().find_map(|prefix| Danger::of(*prefix, lifelines).map(|danger| (prefix, danger))) {
        Some((prefix, danger)) => Err(Refusal::Dangerous(format!("{prefix} {danger}"))),
        None => Ok(()),
    }
}
