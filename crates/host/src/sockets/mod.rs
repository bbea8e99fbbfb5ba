//! The sockets of this host: where something listens, and whom the host itself has connected to.

mod diag;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
};

use floodwall_policy::Listener;

/// Most hosts that are named as those that the host has connected to.
const MOST_PEERS: usize = 4_096;

/// States of sockets (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// It is connected.
    Established = 1,
    /// It asks for a TCP connection.
    SynSent = 2,
    /// It is a UDP socket that is not connected.
    Close = 7,
    /// It is a TCP socket that listens.
    Listen = 10,
}

impl State {
    fn of(number: u8) -> Option<Self> {
        let all = [Self::Established, Self::SynSent, Self::Close, Self::Listen];
        all.into_iter().find(|state| *state as u8 == number)
    }
}

/// A socket, as the kernel lists it; its addresses are of IPv4 wherever they are mapped to IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    state: State,
    local: SocketAddr,
    peer: SocketAddr,
    inode: u64,
}

/// Shows `take` the sockets of this thread's network namespace that are in one of some states, until it wants no more.
fn each(udp: bool, states: &[State], mut take: impl FnMut(Socket) -> bool) -> io::Result<()> {
    match diag::each(udp, states, &mut take) {
        Err(error) if is_without(&error) => text::each(udp, states, take),
        other => other,
    }
}

/// Whether the error says that the kernel lists no sockets over netlink: its modules for that are missing, or not allowed.
fn is_without(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EPROTONOSUPPORT))
}

/// What the sockets of this process's network namespace tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Where something listens, loopback left out.
    pub listening: BTreeSet<Listener>,
    /// Whom the host has opened a connection to itself: not from a port at which something listens. Of very many, some.
    pub peers: BTreeSet<IpAddr>,
}

/// Reads the sockets of this thread's network namespace.
///
/// # Errors
///
/// If the kernel does not list them.
pub fn sockets() -> io::Result<Sockets> {
    let mut found = Sockets::default();
    let mut offered = BTreeSet::new();
    for (udp, state) in [(false, State::Listen), (true, State::Close)] {
        each(udp, &[state], |socket| {
            offered.extend(reachable(&socket).then_some((udp, socket.local.port())));
            found.listening.extend(listener(udp, &socket));
            true
        })?;
    }
    for udp in [false, true] {
        each(udp, &[State::Established, State::SynSent], |socket| {
            // A connection from a port at which something listens was opened by the other end.
            let opened = !offered.contains(&(udp, socket.local.port()));
            found.peers.extend(peer(&socket).filter(|_| opened));
            found.peers.len() < MOST_PEERS
        })?;
    }
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

/// The connections of this thread's network namespace that were accepted from elsewhere, by the inodes of their sockets.
pub(super) fn accepted() -> io::Result<BTreeMap<u64, Accepted>> {
    let mut listening = BTreeSet::new();
    each(false, &[State::Listen], |socket| {
        listening.insert(socket.local.port());
        true
    })?;
    let mut found = BTreeMap::new();
    each(false, &[State::Established], |socket| {
        let port = socket.local.port();
        if listening.contains(&port) && !socket.peer.ip().is_loopback() && socket.inode != 0 {
            let accepted = Accepted { peer: socket.peer.ip(), local: socket.local.ip(), port };
            found.insert(socket.inode, accepted);
        }
        true
    })?;
    Ok(found)
}

/// Whether a socket that listens can be reached from outside.
fn reachable(socket: &Socket) -> bool {
    !socket.local.ip().is_loopback() && socket.local.port() != 0
}

/// Where a socket listens, if it can be reached from outside.
fn listener(udp: bool, socket: &Socket) -> Option<Listener> {
    let (address, port) = (socket.local.ip(), socket.local.port());
    // A socket bound to `::` takes IPv4 as well, unless it was told not to, which is not asked.
    let address = (!address.is_unspecified()).then_some(address);
    reachable(socket).then_some(Listener { udp, address, port })
}

/// Whom a socket is connected to, if that is somebody else.
fn peer(socket: &Socket) -> Option<IpAddr> {
    let peer = socket.peer.ip();
    (!peer.is_loopback() && !peer.is_unspecified()).then_some(peer)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    const ALL: [State; 4] = [State::Established, State::SynSent, State::Close, State::Listen];

    fn socket(local: &str, peer: &str, state: State) -> Socket {
        Socket { state, local: local.parse().unwrap(), peer: peer.parse().unwrap(), inode: 7 }
    }

    #[test]
    fn sockets_that_can_be_reached_are_found() {
        let of = |udp, local: &str| listener(udp, &socket(local, "0.0.0.0:0", State::Listen));
        let any = Some(Listener { udp: false, address: None, port: 80 });
        assert_eq!([of(false, "0.0.0.0:80"), of(false, "[::]:80")], [any, any]);
        let one = Listener { udp: true, address: "192.0.2.1".parse().ok(), port: 53 };
        assert_eq!(of(true, "192.0.2.1:53"), Some(one));
        let six = Listener { udp: false, address: "2001:db8::1".parse().ok(), port: 443 };
        assert_eq!(of(false, "[2001:db8::1]:443"), Some(six));
        assert_eq!([of(false, "127.0.0.1:631"), of(false, "[::1]:631"), of(true, "0.0.0.0:0")], [None; 3]);
    }

    #[test]
    fn whom_a_socket_is_connected_to_is_found() {
        let of = |other: &str| peer(&socket("192.0.2.10:50000", other, State::Established));
        assert_eq!(of("192.0.2.53:53"), "192.0.2.53".parse().ok());
        assert_eq!([of("127.0.0.1:53"), of("0.0.0.0:0")], [None; 2]);
    }

    /// Both ways of asking tell of a listener, a datagram socket and a connection of this test alike.
    #[test]
    fn netlink_and_text_tell_the_same() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let here = listening.local_addr().unwrap();
        let connected = TcpStream::connect(here).unwrap();
        let (_accepted, _) = listening.accept().unwrap();
        let at = |address: SocketAddr, found: &[Socket]| {
            let mut states: Vec<u8> = found
                .iter()
                .filter(|socket| socket.local == address)
                .map(|socket| socket.state as u8)
                .collect();
            states.sort_unstable();
            states
        };
        type Way = fn(bool, &mut dyn FnMut(Socket) -> bool) -> io::Result<()>;
        let ways: [Way; 2] =
            [|udp, take| diag::each(udp, &ALL, take), |udp, take| text::each(udp, &ALL, take)];
        for way in ways {
            let (mut tcp, mut udp) = (Vec::new(), Vec::new());
            for (is_udp, found) in [(false, &mut tcp), (true, &mut udp)] {
                way(is_udp, &mut |socket| {
                    found.push(socket);
                    true
                })
                .unwrap();
            }
            assert_eq!(at(here, &tcp), [State::Established as u8, State::Listen as u8]);
            assert_eq!(at(connected.local_addr().unwrap(), &tcp), [State::Established as u8]);
            assert_eq!(at(datagrams.local_addr().unwrap(), &udp), [State::Close as u8]);
            assert!(tcp.iter().all(|socket| socket.local != here || socket.inode != 0));
        }
    }
}
