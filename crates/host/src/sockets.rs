//! The sockets of this host: where something listens, and whom the host itself has connected to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use floodwall_policy::Listener;

/// States in `/proc/net`: a TCP socket that listens; a UDP socket that is not connected; a connection, or one that is asked
/// for (`include/net/tcp_states.h`).
const LISTEN: &str = "0A";
const CLOSE: &str = "07";
const CONNECTED: [&str; 2] = ["01", "02"];
/// Most hosts that are named as those that the host has connected to.
const MOST_PEERS: usize = 4_096;

/// What the sockets of this process's network namespace tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Where something listens, loopback left out.
    pub listening: BTreeSet<Listener>,
    /// Whom the host has opened a connection to itself: not from a port at which something listens. Of very many, some.
    pub peers: BTreeSet<IpAddr>,
}

/// Reads the sockets of this process's network namespace.
pub fn sockets() -> io::Result<Sockets> {
    let mut found = Sockets::default();
    let mut connected = BTreeSet::new();
    for (path, udp) in [
        ("/proc/thread-self/net/tcp", false),
        ("/proc/thread-self/net/tcp6", false),
        ("/proc/thread-self/net/udp", true),
        ("/proc/thread-self/net/udp6", true),
    ] {
        match fs::read_to_string(path) {
            Ok(text) => {
                found.listening.extend(text.lines().skip(1).filter_map(|line| listener(line, udp)));
                connected.extend(text.lines().skip(1).filter_map(|line| connection(line, udp)));
            }
            // IPv6 may be switched off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // A connection from a port at which something listens was opened by the other end.
    let offered: BTreeSet<_> = found.listening.iter().map(|listener| (listener.udp, listener.port)).collect();
    let opened = connected.into_iter().filter(|(udp, port, _)| !offered.contains(&(*udp, *port)));
    found.peers = opened.map(|(_, _, peer)| peer).take(MOST_PEERS).collect();
    Ok(found)
}

/// A TCP connection that the other end has opened, to a port at which something listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepted {
    /// The other end.
    pub peer: IpAddr,
    /// This end.
    pub local: IpAddr,
    /// The port of this end.
    pub port: u16,
}

/// The connections of this process's network namespace that were accepted from elsewhere, by the inodes of their sockets.
pub(super) fn accepted() -> io::Result<BTreeMap<u64, Accepted>> {
    let mut listening = BTreeSet::new();
    let mut connected = Vec::new();
    for path in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        match fs::read_to_string(path) {
            Ok(text) => {
                listening.extend(text.lines().skip(1).filter_map(listening_port));
                connected.extend(text.lines().skip(1).filter_map(established));
            }
            // IPv6 may be switched off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    connected.retain(|(_, accepted)| listening.contains(&accepted.port));
    Ok(connected.into_iter().collect())
}

/// `0: 00000000:0016 00000000:0000 0A …`: the port at which a socket listens.
fn listening_port(line: &str) -> Option<u16> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    (state == LISTEN).then(|| u16::from_str_radix(local.split_once(':')?.1, 16).ok())?
}

/// `0: 0A0200C0:0016 0700333A:C350 01 … UID TIMEOUT INODE`: both ends of a connection, and the inode of its socket.
fn established(line: &str) -> Option<(u64, Accepted)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, peer, "01", _, _, _, _, _, inode, ..] = fields[..] else { return None };
    let (local, port) = local.split_once(':')?;
    let accepted = Accepted {
        peer: address_of(peer.split_once(':')?.0)?.to_canonical(),
        local: address_of(local)?.to_canonical(),
        port: u16::from_str_radix(port, 16).ok()?,
    };
    let inode = inode.parse().ok()?;
    (!accepted.peer.is_loopback() && inode != 0).then_some((inode, accepted))
}

/// `0: 0200000A:C350 350200C0:0035 01 …`: the port of a socket that is connected, and whom to.
fn connection(line: &str, udp: bool) -> Option<(bool, u16, IpAddr)> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    if !CONNECTED.contains(&state) {
        return None;
    }
    let port = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
    let peer = address_of(remote.split_once(':')?.0)?.to_canonical();
    (!peer.is_loopback() && !peer.is_unspecified()).then_some((udp, port, peer))
}

/// `0: 0100007F:0277 00000000:0000 0A …`: a socket that listens, if it can be reached from outside.
fn listener(line: &str, udp: bool) -> Option<Listener> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    if state != if udp { CLOSE } else { LISTEN } {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let address = address_of(address)?.to_canonical();
    let port = u16::from_str_radix(port, 16).ok()?;
    if address.is_loopback() || port == 0 {
        return None;
    }
    // A socket bound to `::` takes IPv4 as well, unless it was told not to, which cannot be seen here.
    Some(Listener { udp, address: (!address.is_unspecified()).then_some(address), port })
}

/// An address as the kernel prints it: words of 32 bits in host order, whose bytes are in network order.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for (at, place) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *place = word(at)?;
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn connections_are_found() {
        let peer = "192.0.2.53".parse().unwrap();
        assert_eq!(connection("0: 0200000A:C350 350200C0:0035 01 0:0", false), Some((false, 50_000, peer)));
        assert_eq!(connection("0: 0200000A:C350 350200C0:0035 02 0:0", true), Some((true, 50_000, peer)));
        for line in [
            "0: 0200000A:C350 350200C0:0035 06 0:0",
            "0: 0200000A:C350 0100007F:0035 01 0:0",
            "0: 0200000A:C350 00000000:0000 07 0:0",
            "nonsense",
        ] {
            assert_eq!(connection(line, false), None, "{line}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn connections_of_others_are_found_by_the_inodes_of_their_sockets() {
        let line = |local: &str, peer: &str, state: &str, inode: u64| {
            format!(
                "3: {local} {peer} {state} 00000000:00000000 02:000A7D3A 00000000     0        0 {inode} 2 0 20 4"
            )
        };
        let login = Accepted {
            peer: "198.51.100.7".parse().unwrap(),
            local: "192.0.2.10".parse().unwrap(),
            port: 22,
        };
        let (local, peer) = ("0A0200C0:0016", "076433C6:C350");
        assert_eq!(established(&line(local, peer, "01", 4711)), Some((4_711, login)));
        assert_eq!(established(&line(local, peer, "06", 4711)), None, "it is over");
        assert_eq!(established(&line(local, peer, "01", 0)), None, "nobody has it");
        assert_eq!(established(&line(local, "0100007F:C350", "01", 4711)), None, "from here");
        assert_eq!(listening_port(&line("00000000:0016", "00000000:0000", "0A", 1)), Some(22));
        assert_eq!(listening_port(&line(local, peer, "01", 1)), None);
        assert_eq!((established("nonsense"), listening_port("nonsense")), (None, None));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_that_can_be_reached_are_found() {
        let of = |line: &str, udp| listener(line, udp);
        let any = Some(Listener { udp: false, address: None, port: 80 });
        assert_eq!(of("0: 00000000:0050 00000000:0000 0A 0:0 00:0 0 0 0 1 1", false), any);
        assert_eq!(of("0: 00000000000000000000000000000000:0050 0:0000 0A 0:0", false), any);
        let one = Listener { udp: true, address: "192.0.2.1".parse().ok(), port: 53 };
        assert_eq!(of("7: 010200C0:0035 00000000:0000 07 0:0", true), Some(one));
        let six = Listener { udp: false, address: "2001:db8::1".parse().ok(), port: 443 };
        assert_eq!(of("1: B80D0120000000000000000001000000:01BB 0:0000 0A 0:0", false), Some(six));
        for (line, udp) in [
            ("0: 0100007F:0277 00000000:0000 0A 0:0", false),
            ("0: 00000000:0050 00000000:0000 01 0:0", false),
            ("0: 00000000:0050 00000000:0000 0A 0:0", true),
            ("nonsense", false),
        ] {
            assert_eq!(of(line, udp), None, "{line}");
        }
    }
}
