//! What of this host a proposal goes by.

use std::collections::BTreeSet;

use floodwall_setup::Listening;

use crate::{
    cli::exit::{Failed, Kind},
    host::{Interface, Netlink, sockets},
    policy::Listener,
};

/// What an interface is that is made of others, and is filtered at these.
const MADE_OF_OTHERS: [&str; 4] = ["bond", "bridge", "team", "vlan"];

/// Where something listens that can be reached from outside.
pub(super) fn listening() -> Result<BTreeSet<Listening>, Failed> {
    let sockets = sockets()
        .map_err(|error| Failed::new(Kind::Internal, format!("reading where something listens: {error}")))?;
    Ok(sockets.listening.into_iter().map(|Listener { udp, port, .. }| Listening { udp, port }).collect())
}

/// The interfaces that packets come in by from elsewhere: those that default routes lead by, or what these are made of.
pub(super) async fn outward() -> Result<Vec<String>, Failed> {
    let failed =
        |error: anyhow::Error| Failed::new(Kind::Internal, format!("looking at the interfaces: {error:#}"));
    let netlink = Netlink::open().map_err(failed)?;
    let (all, out) = (netlink.interfaces().await.map_err(failed)?, netlink.ways_out().await.map_err(failed)?);
    Ok(ports(&all, &out.interfaces))
}

/// Names of the interfaces at which packets of these come in.
fn ports(all: &[Interface], these: &BTreeSet<u32>) -> Vec<String> {
    let mut wanted: Vec<u32> = these.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    while let Some(index) = wanted.pop() {
        let Some(interface) = all.iter().find(|one| one.index == index && seen.insert(index)) else {
            continue;
        };
        let is_made = interface.kind.as_deref().is_some_and(|kind| MADE_OF_OTHERS.contains(&kind));
        let members = all.iter().filter(|one| one.master == Some(index)).map(|one| one.index);
        let below: Vec<u32> = members.chain(interface.lower).collect();
        if is_made && !below.is_empty() {
            // Containers' and guests' ends of a bridge lead inwards.
            let leads_out = |index: &u32| {
                let end = all.iter().find(|one| one.index == *index).and_then(|one| one.kind.as_deref());
                !matches!(end, Some("veth" | "tun"))
            };
            wanted.extend(below.into_iter().filter(leads_out));
        } else {
            names.insert(interface.name.clone());
        }
    }
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_others_is_filtered_at_these() {
        let interface = |index, name: &str, kind: Option<&str>, master, lower| Interface {
            index,
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            master,
            lower,
            ..Interface::default()
        };
        let all = [
            interface(2, "eth0", None, Some(4), None),
            interface(3, "eth1", None, Some(4), None),
            interface(4, "bond0", Some("bond"), None, None),
            interface(5, "bond0.17", Some("vlan"), None, Some(4)),
            interface(6, "br0", Some("bridge"), None, None),
            interface(7, "eth2", None, Some(6), None),
            interface(8, "veth7", Some("veth"), Some(6), None),
            interface(9, "ppp0", Some("ppp"), None, None),
        ];
        let of = |indices: &[u32]| ports(&all, &indices.iter().copied().collect()).join(" ");
        assert_eq!(of(&[5]), "eth0 eth1");
        assert_eq!(of(&[6, 9]), "eth2 ppp0");
        assert_eq!(of(&[2, 77]), "eth0");
    }
}
