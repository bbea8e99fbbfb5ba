//! Whether the host is plainly an end host, or carries packets that none of its own sockets has asked for.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::Interface;
use floodwall_policy::Carries;

/// Where the kernel says whether it forwards, by interface and for all (ip-sysctl.rst).
const FORWARDING: [(&str, &str); 2] =
    [("IPv4", "/proc/sys/net/ipv4/conf"), ("IPv6", "/proc/sys/net/ipv6/conf")];
/// What a setting is for interfaces to come, and says nothing of those that there are.
const TO_COME: &str = "default";
/// IPVS's services (ipvsadm(8)), below lines of headings.
const IPVS: &str = "/proc/thread-self/net/ip_vs";
const IPVS_HEADINGS: usize = 3;
/// Pairs of interfaces name each other where others name what they are built upon.
const PAIRS: [&str; 3] = ["veth", "netkit", "vxcan"];

/// The interfaces, as far as they tell what the host carries.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// All that there are.
    pub all: &'a [Interface],
    /// Indices of those that are protected.
    pub protected: &'a [u32],
    /// By index, link-layer addresses that interfaces take packets for beside their own.
    pub taken: &'a [(u32, Vec<u8>)],
}

/// Why the host is not plainly an end host; nothing if it is. `routes` are its default routes of IPv4 and IPv6, and `nat`
/// what translates addresses.
pub fn carries(
    links: Links<'_>,
    routes: [usize; 2],
    nat: anyhow::Result<Option<&'static str>>,
) -> BTreeSet<Carries> {
    let mut found = upper_devices(links);
    for (family, path) in FORWARDING {
        match forwards(Path::new(path)) {
            Ok(true) => drop(found.insert(Carries::Forwards(family))),
            Ok(false) => {}
            Err(error) => drop(found.insert(unknown("whether the host forwards packets", &error))),
        }
    }
    match nat {
        Ok(Some(by)) => drop(found.insert(Carries::Nat(by))),
        Ok(None) => {}
        Err(error) => drop(found.insert(unknown("whether addresses are translated", &format!("{error:#}")))),
    }
    match fs::read_to_string(IPVS) {
        Ok(text) if has_services(&text) => drop(found.insert(Carries::Ipvs)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => drop(found.insert(unknown("whether IPVS is at work", &error))),
    }
    for (family, routes) in ["IPv4", "IPv6"].into_iter().zip(routes) {
        if routes > 1 {
            found.insert(Carries::DefaultRoutes(family, routes));
        }
    }
    found
}

fn unknown(what: &str, error: &impl std::fmt::Display) -> Carries {
    Carries::Unknown(format!("it could not be read {what} ({error})"))
}

/// Whether one of the interfaces forwards, or all do; `directory` has a folder for each.
fn forwards(directory: &Path) -> io::Result<bool> {
    let folders = match fs::read_dir(directory) {
        Ok(folders) => folders,
        // The family is switched off.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for folder in folders {
        let folder: PathBuf = folder?.path();
        if folder.file_name().is_some_and(|name| name == TO_COME) {
            continue;
        }
        match fs::read_to_string(folder.join("forwarding")) {
            Ok(value) if value.trim() != "0" => return Ok(true),
            Ok(_) => {}
            // An interface may go while it is looked at.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn has_services(text: &str) -> bool {
    text.lines().skip(IPVS_HEADINGS).any(|line| !line.trim().is_empty())
}

/// What protected interfaces belong to, and what is built upon them.
fn upper_devices(links: Links<'_>) -> BTreeSet<Carries> {
    let mut found = BTreeSet::new();
    for port in links.all.iter().filter(|interface| links.protected.contains(&interface.index)) {
        let interface = || port.name.clone();
        if let Some(master) = port.master {
            let to = links.all.iter().find(|interface| interface.index == master);
            let to = to.map_or_else(|| format!("interface {master}"), |interface| interface.name.clone());
            found.insert(Carries::Enslaved { interface: interface(), to });
        }
        let is_pair = |upper: &Interface| upper.kind.as_deref().is_some_and(|kind| PAIRS.contains(&kind));
        let uppers: Vec<_> =
            links.all.iter().filter(|upper| upper.lower == Some(port.index) && !is_pair(upper)).collect();
        for upper in &uppers {
            found.insert(Carries::Upper { interface: interface(), upper: upper.name.clone() });
        }
        let is_new = |address: &[u8]| {
            !is_group(address)
                && address != port.address
                && !uppers.iter().any(|upper| upper.address == address)
        };
        let elsewhere = links.taken.iter().any(|(index, address)| *index == port.index && is_new(address));
        // A bridge's ports list what the bridge has learned; that it is one is told already.
        if elsewhere && port.master.is_none() {
            let upper = "an interface of another network namespace".to_owned();
            found.insert(Carries::Upper { interface: interface(), upper });
        }
    }
    found
}

/// Whether a link-layer address is one of a group, which any interface listens to (IEEE 802, bit 0).
fn is_group(address: &[u8]) -> bool {
    address.first().is_none_or(|first| first & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str) -> Interface {
        Interface {
            name: name.to_owned(),
            index,
            mtu: 1_500,
            address: vec![2, 0, 0, 0, 0, index as u8],
            ..Interface::default()
        }
    }

    fn words(all: &[Interface], taken: &[(u32, Vec<u8>)]) -> Vec<String> {
        upper_devices(Links { all, protected: &[2], taken }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_protected_interface_belongs_to_and_what_is_built_upon_it() {
        let (e0, mut other) = (interface(2, "e0"), interface(3, "e1"));
        assert!(words(&[e0.clone(), other.clone()], &[]).is_empty());
        let port = Interface { master: Some(9), ..e0.clone() };
        assert_eq!(words(&[port.clone(), interface(9, "br0")], &[]), ["e0 belongs to br0"]);
        assert_eq!(words(&[port], &[]), ["e0 belongs to interface 9"]);
        other.lower = Some(2);
        assert_eq!(words(&[e0.clone(), other.clone()], &[]), ["e1 is built upon e0"]);
        other.kind = Some("veth".to_owned());
        assert!(words(&[e0, other], &[]).is_empty(), "the other end of a pair");
    }

    #[test]
    fn a_device_in_another_namespace_is_told_by_the_address_it_added() {
        let e0 = interface(2, "e0");
        let mine = (2, e0.address.clone());
        let group = (2, vec![0x33, 0x33, 0, 0, 0, 1]);
        let others = (3, vec![2, 9, 9, 9, 9, 9]);
        assert!(words(std::slice::from_ref(&e0), &[mine, group, others]).is_empty());
        let macvlan = (2, vec![2, 9, 9, 9, 9, 9]);
        let found = words(std::slice::from_ref(&e0), std::slice::from_ref(&macvlan));
        assert_eq!(found, ["an interface of another network namespace is built upon e0"]);
    }

    #[test]
    fn forwarding_of_one_interface_is_forwarding() {
        let directory = tempfile::tempdir().unwrap();
        let set = |name: &str, value: &str| {
            let folder = directory.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("forwarding"), value).unwrap();
        };
        for name in ["all", "e0", "lo"] {
            set(name, "0\n");
        }
        set("default", "1\n");
        assert!(!forwards(directory.path()).unwrap(), "for those to come only");
        set("e0", "1\n");
        assert!(forwards(directory.path()).unwrap());
        assert!(!forwards(&directory.path().join("none")).unwrap());
    }

    #[test]
    fn ipvs_is_at_work_once_it_has_a_service() {
        let empty = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
        assert!(!has_services(empty));
        assert!(has_services(&format!("{empty}TCP  C0000201:0050 rr\n")));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let links = Links { all: &[], protected: &[], taken: &[] };
        let found = carries(links, [1, 2], Err(anyhow::anyhow!("no")));
        let words: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(words.iter().any(|words| words == "there are 2 IPv6 default routes"), "{words:?}");
        assert!(words.iter().any(|words| words.contains("addresses are translated (no)")), "{words:?}");
    }
}
