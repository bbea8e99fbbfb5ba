//! Destinations as ranges, and classes of those that share a fate.
//!
//! Where services or the host's own addresses begin and end, ranges do; ranges for which the same services and the
//! same open ports count are of one class, and share a page of ports.

use std::collections::{BTreeMap, BTreeSet};

use floodwall_common::{
    prefix::{Address, Family},
    service::mapped,
    wire::{MAX_CLASSES, MAX_DESTINATIONS},
};

use super::{Unfit, numbers::Numbers, pages};
use crate::{
    facts::{HostFacts, Listener},
    model::{Policy, Service},
};
use floodwall_tables::Prefix;

/// A range of destinations: from `first` to the next one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// Its first address, IPv4 mapped.
    pub(super) first: u128,
    /// Number of its class.
    pub(super) class: u8,
}

/// Destinations by class, and the ports of each class.
#[derive(Debug)]
pub(super) struct Map {
    /// In order; the first begins at 0.
    pub(super) ranges: Vec<Range>,
    /// By class.
    pub(super) pages: Vec<pages::Page>,
}

/// How closely the host's addresses are told apart. Where there are too many, less is known, and nothing refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// Each has its own open ports.
    Addresses,
    /// All have the same.
    Host,
    /// They are not told from others.
    None,
}

/// What all destinations of a class have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fate {
    /// Places of the services in the policy.
    services: Vec<usize>,
    /// Where something listens; `None`: not known, or not this host's.
    listening: Option<BTreeSet<(bool, u16)>>,
    /// They are not the host's own, and what they offer is learned from what leaves.
    carried: bool,
}

impl Map {
    pub(super) fn of(policy: &Policy, numbers: &Numbers, facts: &HostFacts) -> Result<Self, Unfit> {
        let mut fates = Err(0);
        for detail in [Detail::Addresses, Detail::Host, Detail::None] {
            fates = ranges(policy, facts, detail);
            if fates.is_ok() {
                break;
            }
        }
        let (ranges, fates) = fates.map_err(|count| {
            Unfit::Whole(format!(
                "the services' destinations divide all addresses into {count} ranges or more; {MAX_DESTINATIONS} \
                 ranges of {MAX_CLASSES} different kinds can be told apart"
            ))
        })?;
        let pages = fates
            .iter()
            .map(|fate| {
                let services = fate.services.iter().filter_map(|place| policy.services.get(*place));
                pages::page(services, numbers, fate.listening.as_ref(), fate.carried)
            })
            .collect();
        let map = Self { ranges, pages };
        map.refuse_hidden(policy, numbers)?;
        Ok(map)
    }

    /// A service that no packet can be for is a mistake.
    fn refuse_hidden(&self, policy: &Policy, numbers: &Numbers) -> Result<(), Unfit> {
        let mut seen = [false; 256];
        for page in &self.pages {
            page.mark(&mut seen);
        }
        for service in policy.services.iter().skip(1) {
            if !seen[usize::from(numbers.service(&service.name))] {
                return Err(Unfit::Service {
                    service: service.name.clone(),
                    message:
                        "no packet is for it: services before it name all that it does; put it before them"
                            .to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// The ranges and the fates of their classes; how many ranges there are, if that is too many.
fn ranges(policy: &Policy, facts: &HostFacts, detail: Detail) -> Result<(Vec<Range>, Vec<Fate>), usize> {
    let own: BTreeSet<u128> = match detail {
        Detail::None => BTreeSet::new(),
        _ => facts.own.iter().map(|address| bits(*address)).collect(),
    };
    let mut firsts = BTreeSet::from([0]);
    for service in &policy.services {
        for prefix in &service.destinations {
            let (first, last) = span(*prefix);
            firsts.insert(first);
            firsts.extend(last.checked_add(1));
        }
    }
    for address in &own {
        firsts.insert(*address);
        firsts.extend(address.checked_add(1));
    }
    let mut classes = BTreeMap::new();
    let mut fates = Vec::new();
    let mut ranges: Vec<Range> = Vec::new();
    for first in firsts {
        let carried = facts.flows && !own.is_empty() && !own.contains(&first);
        let listening = if carried { Some(BTreeSet::new()) } else { listening(facts, &own, first, detail) };
        let fate = Fate { services: covering(policy, first), listening, carried };
        let class = *classes.entry(fate.clone()).or_insert_with(|| {
            fates.push(fate);
            fates.len() - 1
        });
        let class = u8::try_from(class).unwrap_or(u8::MAX);
        if ranges.last().is_none_or(|last| last.class != class) {
            ranges.push(Range { first, class });
        }
    }
    if ranges.len() > MAX_DESTINATIONS as usize || fates.len() > MAX_CLASSES as usize {
        return Err(ranges.len());
    }
    Ok((ranges, fates))
}

/// Places of the services that an address belongs to.
fn covering(policy: &Policy, address: u128) -> Vec<usize> {
    let covers = |service: &Service| {
        service.destinations.is_empty()
            || service.destinations.iter().any(|prefix| {
                let (first, last) = span(*prefix);
                first <= address && address <= last
            })
    };
    policy
        .services
        .iter()
        .enumerate()
        .filter(|(_, service)| covers(service))
        .map(|(place, _)| place)
        .collect()
}

/// Where something listens at an address; `None`: not known, or not this host's.
fn listening(
    facts: &HostFacts,
    own: &BTreeSet<u128>,
    address: u128,
    detail: Detail,
) -> Option<BTreeSet<(bool, u16)>> {
    let listeners = facts.listening.as_ref()?;
    if !own.is_empty() && !own.contains(&address) {
        return None;
    }
    let told_apart = detail == Detail::Addresses && !own.is_empty();
    let is_here = |listener: &&Listener| !told_apart || listener.address.is_none_or(|at| bits(at) == address);
    Some(listeners.iter().filter(is_here).map(|listener| (listener.udp, listener.port)).collect())
}

/// First and last address of a prefix, IPv4 mapped.
fn span(prefix: Prefix) -> (u128, u128) {
    let address = prefix.address();
    let first = wide(address);
    let length = match address.family {
        Family::V4 => 96 + u32::from(prefix.length()),
        Family::V6 => u32::from(prefix.length()),
    };
    (first, first | u128::MAX.checked_shr(length).unwrap_or(0))
}

fn wide(address: Address) -> u128 {
    let (high, low) = mapped(address);
    u128::from(high) << 64 | u128::from(low)
}

/// An address as it stands in the table of destinations.
fn bits(address: std::net::IpAddr) -> u128 {
    wide(address.into())
}
