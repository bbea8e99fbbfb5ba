//! Whether the host is plainly an end host, as it is read now and then.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use floodwall_common::wire::families;

use super::egress::Seen;
use crate::{
    event::What,
    host::{Links, Netlink, carries, nat},
    policy::{Carries, family_names},
};

/// How long a host has to be plainly an end host again until it is taken for one: what it carried may go on for a while.
const SETTLED: Duration = Duration::from_secs(60);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Role {
    carries: BTreeSet<Carries>,
    /// The [`families`] of which none of that counts.
    proven: u64,
    /// Since when nothing is found any more that keeps it from being an end host.
    clear_since: Option<Instant>,
    was_read: bool,
}

impl Role {
    /// Why it is not plainly an end host.
    pub(super) fn carries(&self) -> BTreeSet<Carries> {
        self.carries.clone()
    }

    /// The [`families`] of which none of that counts, since all that leaves is seen.
    pub(super) fn proven(&self) -> u64 {
        self.proven
    }

    /// Takes what was read: what the host carries, what is seen of what leaves, and whether that has been so for long
    /// enough. Says what is news of it.
    #[must_use]
    pub(super) fn take(&mut self, found: BTreeSet<Carries>, seen: Seen, settled: bool) -> Option<What> {
        let Seen { unseen, names, families, .. } = seen;
        let proven = if settled { families } else { 0 };
        self.take_at(unproven(found, unseen, &names, settled), proven, &names, Instant::now())
    }

    fn take_at(
        &mut self,
        found: BTreeSet<Carries>,
        proven: u64,
        seen: &[String],
        now: Instant,
    ) -> Option<What> {
        let was_read = std::mem::replace(&mut self.was_read, true);
        let is_news = self.carries.iter().all(|before| *before == Carries::Fresh);
        if found.is_empty() && !is_news {
            let since = *self.clear_since.get_or_insert(now);
            if now.duration_since(since) < SETTLED {
                return None;
            }
        }
        if !found.is_empty() {
            self.clear_since = None;
        }
        let before = std::mem::replace(&mut self.proven, proven);
        if found == self.carries && (found.is_empty() || proven == before) && was_read {
            return None;
        }
        let loud = found.iter().any(|why| *why != Carries::Fresh);
        let text = if !found.is_empty() {
            let why: Vec<_> = found.iter().map(ToString::to_string).collect();
            let of = match family_names(families::BOTH & !proven)[..] {
                [family] => format!(" of {family}"),
                _ => String::new(),
            };
            format!(
                "unsolicited and out-of-state packets{of} are only counted: what they belong to may not be known: {}",
                why.join("; ")
            )
        } else if seen.is_empty() {
            "the checks of unsolicited and out-of-state packets hold (observed, they only count): this is plainly an end host"
                .to_owned()
        } else {
            format!(
                "the checks of unsolicited and out-of-state packets hold (observed, they only count): what leaves is seen on {}",
                seen.join(", ")
            )
        };
        self.carries = found;
        Some(What::Health { text, loud })
    }
}

/// Why packets may belong to flows that nothing is known of: not on an end host, whose sockets know all of them, nor where
/// all that leaves is seen.
fn unproven(
    carries: BTreeSet<Carries>,
    unseen: BTreeSet<Carries>,
    seen: &[String],
    settled: bool,
) -> BTreeSet<Carries> {
    if carries.is_empty() {
        return carries;
    }
    match (unseen.is_empty() && !seen.is_empty(), settled) {
        (true, true) => BTreeSet::new(),
        (true, false) => BTreeSet::from([Carries::Fresh]),
        (false, _) => carries.into_iter().chain(unseen).collect(),
    }
}

/// Reads why the host is not plainly an end host. `protected` are the indices of the protected interfaces, and `routes` how
/// many default routes of IPv4 and IPv6 there are.
pub(super) async fn read(netlink: &Netlink, protected: &[u32], routes: [usize; 2]) -> BTreeSet<Carries> {
    let unknown = |what: &str, error: &anyhow::Error| {
        BTreeSet::from([Carries::Unknown(format!("it could not be read {what} ({error:#})"))])
    };
    let all = match netlink.interfaces().await {
        Ok(all) => all,
        Err(error) => return unknown("which interfaces there are", &error),
    };
    let taken = match netlink.taken_addresses().await {
        Ok(taken) => taken,
        Err(error) => return unknown("what is built upon the interfaces", &error),
    };
    let protected = protected.to_vec();
    let work = move || carries(Links { all: &all, protected: &protected, taken: &taken }, routes, nat());
    match tokio::task::spawn_blocking(work).await {
        Ok(found) => found,
        Err(error) => unknown("what the host carries", &error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_carried_is_waited_for_to_end() {
        let mut role = Role::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(role.take_at(BTreeSet::new(), 0, &[], at(0)).is_some(), "the first time it is news");
        assert!(role.carries().is_empty(), "an end host from the start");
        let nat = BTreeSet::from([Carries::Nat("nftables")]);
        let news = role.take_at(nat.clone(), 0, &[], at(1));
        assert!(matches!(news, Some(What::Health { loud: true, .. })), "{news:?}");
        assert_eq!(role.carries(), nat, "at once");
        drop(role.take_at(BTreeSet::new(), 0, &[], at(2)));
        drop(role.take_at(BTreeSet::new(), 0, &[], at(61)));
        assert_eq!(role.carries(), nat, "59 s");
        drop(role.take_at(nat.clone(), 0, &[], at(62)));
        drop(role.take_at(BTreeSet::new(), 0, &[], at(63)));
        drop(role.take_at(BTreeSet::new(), 0, &[], at(122)));
        assert_eq!(role.carries(), nat, "it begins anew");
        drop(role.take_at(BTreeSet::new(), 0, &[], at(123)));
        assert!(role.carries().is_empty());
    }

    #[test]
    fn what_is_carried_is_no_reason_where_all_that_leaves_is_seen() {
        let nat = BTreeSet::from([Carries::Nat("nftables")]);
        let unseen = BTreeSet::from([Carries::Unseen {
            interface: "e1".to_owned(),
            families: families::V6,
            why: "no TCX".to_owned(),
        }]);
        let seen = ["e0".to_owned()];
        assert!(unproven(nat.clone(), BTreeSet::new(), &seen, true).is_empty());
        assert_eq!(unproven(nat.clone(), BTreeSet::new(), &[], true), nat);
        assert_eq!(unproven(nat.clone(), unseen.clone(), &seen, true).len(), 2);
        assert!(unproven(BTreeSet::new(), unseen, &seen, false).is_empty(), "sockets know an end host's");
        assert_eq!(unproven(nat, BTreeSet::new(), &seen, false), BTreeSet::from([Carries::Fresh]));
    }

    #[test]
    fn once_flows_have_had_the_time_to_show_themselves_the_checks_hold() {
        let mut role = Role::default();
        let seen = ["e0".to_owned()];
        let fresh = role.take_at(BTreeSet::from([Carries::Fresh]), 0, &seen, Instant::now());
        assert!(matches!(fresh, Some(What::Health { loud: false, .. })), "{fresh:?}");
        assert!(role.take_at(BTreeSet::new(), 0, &seen, Instant::now()).is_some(), "without waiting");
        assert!(role.carries().is_empty());
    }

    #[test]
    fn a_family_of_which_all_that_leaves_is_seen_is_proven_once_that_is_settled() {
        let mut role = Role::default();
        let nat = BTreeSet::from([Carries::Nat("nftables")]);
        let unseen = Carries::Unseen {
            interface: "e1".to_owned(),
            families: families::V6,
            why: "another program".to_owned(),
        };
        let seen = || Seen {
            unseen: [unseen.clone()].into(),
            names: vec!["e0".to_owned()],
            families: families::V4,
            ..Seen::default()
        };
        let told = role.take(nat.clone(), seen(), false);
        assert!(
            matches!(&told, Some(What::Health { loud: true, text }) if text.contains("out-of-state packets are only"))
        );
        assert_eq!(role.proven(), 0, "not settled");
        let told = role.take(nat.clone(), seen(), true);
        assert!(
            matches!(&told, Some(What::Health { text, .. }) if text.contains("out-of-state packets of IPv6 are only")),
            "{told:?}"
        );
        assert_eq!((role.proven(), role.carries().len()), (families::V4, 2));
        assert!(role.take(nat, seen(), true).is_none(), "no news");
    }
}
