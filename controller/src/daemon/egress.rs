//! The program that looks at what leaves, kept on every interface that leads out.
//!
//! These are the protected ones, those that a default route or a route to another router leads by, and those that have an
//! address of the host's: answers may come in by a protected one to what has left by any of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use floodwall_common::wire::families;
use tracing::{info, warn};

use crate::{
    api::ProofStatus,
    host::{Framing, Interface, WaysOut},
    kernel::{Kernel, Observer},
    policy::{Carries, family_names},
};

/// Most interfaces that it is kept on. Those that come first by their index are.
const MOST: usize = 256;

/// Where it is.
#[derive(Debug, Default)]
pub(super) struct Egress {
    held: BTreeMap<u32, Held>,
    /// Why it is not, or does not see what leaves, by the name of the interface; and the families that lead out by that.
    unseen: BTreeMap<String, (String, u64)>,
}

/// An interface that leads out.
#[derive(Clone, Debug)]
pub(super) struct WayOut {
    interface: Interface,
    /// The [`families`] that do.
    families: u64,
}

/// What is seen of what leaves, for those who only want to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Why not all that leaves is seen; empty if it is.
    pub(super) unseen: BTreeSet<Carries>,
    /// Names of the interfaces by which it is seen what leaves.
    pub(super) names: Vec<String>,
    /// Those of them by which a filter sees it, as the kernel has no TCX.
    pub(super) filters: BTreeSet<String>,
    /// The [`families`] of which all that leaves is seen.
    pub(super) families: u64,
}

#[derive(Debug)]
struct Held {
    name: String,
    observer: Observer,
    /// What had left by it when that was last looked at: as we have seen, and as the interface says.
    counts: Option<(u64, u64)>,
    /// What of another tool's, which comes before ours, keeps what leaves from us.
    hidden: Option<String>,
}

impl Seen {
    /// By what it is known on each interface what packets belong to: the program reads both families.
    pub(super) fn proofs(&self) -> Vec<ProofStatus> {
        let status = |interface: &str, proof: &str, of: u64, why: Option<String>| ProofStatus {
            interface: interface.to_owned(),
            families: family_names(of).into_iter().map(str::to_owned).collect(),
            proof: proof.to_owned(),
            by: None,
            why,
        };
        let seen = self.names.iter().map(|name| {
            let by = if self.filters.contains(name) { "clsact" } else { "tcx" };
            ProofStatus { by: Some(by.to_owned()), ..status(name, "egress", families::BOTH, None) }
        });
        let unseen = self.unseen.iter().filter_map(|carries| match carries {
            Carries::Unseen { interface, families, why } => {
                Some(status(interface, "sockets", *families, Some(why.clone())))
            }
            _ => None,
        });
        seen.chain(unseen).collect()
    }
}

impl Egress {
    fn seen(&self) -> Seen {
        let unseen = self.unseen.iter().map(|(interface, (why, families))| Carries::Unseen {
            interface: interface.clone(),
            families: *families,
            why: why.clone(),
        });
        let missed = self.unseen.values().fold(0, |missed, (_, families)| missed | families);
        let seeing = || self.held.values().filter(|held| held.hidden.is_none());
        let filters = seeing().filter(|held| held.observer.is_filter());
        Seen {
            unseen: unseen.collect(),
            names: seeing().map(|held| held.name.clone()).collect(),
            filters: filters.map(|held| held.name.clone()).collect(),
            families: if self.held.is_empty() { 0 } else { families::BOTH & !missed },
        }
    }

    /// Puts it on those that lead out and takes it off others. Says what is seen now.
    pub(super) fn look(&mut self, kernel: &Kernel, out: &[WayOut]) -> Seen {
        let before = std::mem::take(&mut self.unseen);
        let wanted: BTreeSet<u32> = out.iter().map(|out| out.interface.index).collect();
        self.held.retain(|index, _| wanted.contains(index));
        for index in kernel.observed().into_iter().filter(|index| !wanted.contains(index)) {
            if let Err(error) = kernel.let_leave(index) {
                warn!(index, error = format!("{error:#}"), "what leaves by an interface is looked at still");
            }
        }
        let sent = sent();
        for WayOut { interface, families } in out {
            let why = match self.look_at(kernel, interface, &sent) {
                Ok(None) => continue,
                Ok(Some(other)) => {
                    format!(
                        "another tool's {other} is asked before floodwall's and keeps it from being asked"
                    )
                }
                Err(error) => format!("{error:#}"),
            };
            let unseen = (why, *families);
            if before.get(&interface.name) != Some(&unseen) {
                let (why, families) = (&unseen.0, family_names(*families).join(" and "));
                warn!(interface = interface.name, why, families, "WHAT LEAVES IS NOT SEEN");
            }
            self.unseen.insert(interface.name.clone(), unseen);
        }
        self.seen()
    }

    /// Says what of another tool's keeps us from seeing what leaves by an interface, if something does.
    fn look_at(
        &mut self,
        kernel: &Kernel,
        interface: &Interface,
        sent: &BTreeMap<String, u64>,
    ) -> anyhow::Result<Option<String>> {
        let Interface { index, name, .. } = interface;
        if self.held.get(index).is_some_and(|held| !held.observer.is_on(*index)) {
            warn!(interface = name, "another tool has detached what looks at what leaves: it is put back");
            self.held.remove(index);
        }
        if !self.held.contains_key(index) {
            let observer = kernel.observe(interface)?;
            info!(interface = name, "what leaves is seen");
            let held = Held { name: name.clone(), observer, counts: None, hidden: None };
            self.held.insert(*index, held);
        }
        let Some(held) = self.held.get_mut(index) else { return Ok(None) };
        held.name.clone_from(name);
        // A kernel that cannot tell who else is there has said so when ours was attached.
        let first = kernel.before_observer(*index).unwrap_or_default().into_iter().next();
        let now = (kernel.left(*index)?, sent.get(name).copied().unwrap_or_default());
        let before = held.counts.replace(now);
        held.hidden = match (first, before) {
            (None, _) => None,
            (Some(_), Some((seen, _))) if now.0 != seen => None,
            (Some(program), Some((_, sent))) if now.1 != sent => Some(program),
            // Nothing has left since.
            (Some(_), _) => held.hidden.take(),
        };
        Ok(held.hidden.clone())
    }
}

/// The interfaces that lead out; `addressed` are the families of which those have addresses that have any, by their indices.
/// By a protected one anything may leave, as it may carry for others.
pub(super) fn ways_out(
    all: Vec<Interface>,
    protected: &[u32],
    routes: &WaysOut,
    addressed: &BTreeMap<u32, u64>,
) -> Vec<WayOut> {
    let leads_out = |interface: Interface| {
        let index = &interface.index;
        let of = |families: &BTreeMap<u32, u64>| families.get(index).copied().unwrap_or_default();
        let own = if protected.contains(index) { families::BOTH } else { 0 };
        let families = own | of(&routes.families) | of(addressed);
        (families != 0).then_some(WayOut { interface, families })
    };
    all.into_iter().filter(is_readable).filter_map(leads_out).take(MOST).collect()
}

/// Whether it is known what frames of an interface begin with; loopback leads nowhere.
fn is_readable(interface: &Interface) -> bool {
    match interface.framing() {
        Ok(Framing::Ethernet) => {
            interface.address.len() == 6 && interface.address.iter().any(|byte| *byte != 0)
        }
        Ok(Framing::Ip) => true,
        Err(_) => false,
    }
}

/// Packets sent, by interface (proc(5), `/proc/net/dev`).
fn sent() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let of = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        Some((name.trim().to_owned(), numbers.split_whitespace().nth(9)?.parse().ok()?))
    };
    text.lines().skip(2).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, address: &[u8]) -> Interface {
        Interface {
            name: format!("e{index}"),
            index,
            mtu: 1_500,
            link_type: 1,
            address: address.to_vec(),
            ..Interface::default()
        }
    }

    #[test]
    fn what_leads_out_is_protected_addressed_or_has_a_route() {
        let ethernet = [2, 0, 0, 0, 0, 1];
        let mut all: Vec<_> = (1..=7).map(|index| interface(index, &ethernet)).collect();
        all[0].address = vec![0; 6];
        all[6].address = Vec::new();
        all.push(Interface { link_type: 65_534, kind: Some("tun".to_owned()), ..interface(8, &[]) });
        let (v4, v6) = (families::V4, families::V6);
        let routes = WaysOut { families: [(4, v6), (5, v4)].into(), ..WaysOut::default() };
        let out = ways_out(all, &[2], &routes, &[(1, v4), (3, v6), (4, v4), (7, v4), (8, v4)].into());
        let found: Vec<_> = out.iter().map(|out| (out.interface.index, out.families)).collect();
        assert_eq!(
            found,
            [(2, v4 | v6), (3, v6), (4, v4 | v6), (5, v4), (8, v4)],
            "not loopback, nor one whose frames are not known, nor one that leads nowhere"
        );
    }
}
