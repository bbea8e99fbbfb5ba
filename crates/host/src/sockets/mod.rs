//! The sockets of this host: where something listens, and whom the host itself has connected to.

mod diag;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
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

/// The kernel lists no sockets over netlink. To ask again would have it look for its modules each time.
static WITHOUT_NETLINK: AtomicBool = AtomicBool::new(false);

/// Shows `take` the sockets of this thread's network namespace that are in one of some states, until it wants no more.
fn each(udp: bool, states: &[State], mut take: impl FnMut(Socket) -> bool) -> io::Result<()> {
    if WITHOUT_NETLINK.load(Ordering::Relaxed) {
        return text::each(udp, states, take);
    }
    match diag::each(udp, states, &mut take) {
        Err(error) if is_without(&error) => {
            WITHOUT_NETLINK.store(true, Ordering::Relaxed);
            text::each(udp, states, take)
        }
        other => other,
    }
}

/// Whether the error says that the kernel lists no sockets over netlink: its modules for that are missing, or it is not allowed.
fn is_without(error: &io::Error) -> bool {
    const MISSING: [i32; 3] = [libc::ENOENT, libc::EPROTONOSUPPORT, libc::EOPNOTSUPP];
    const FORBIDDEN: [i32; 3] = [libc::EACCES, libc::EPERM, libc::EAFNOSUPPORT];
    error.raw_os_error().is_some_and(|number| MISSING.contains(&number) || FORBIDDEN.contains(&number))
}

/// What the sockets of this thread's network namespace tell.
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
            let has_room = found.peers.len() < MOST_PEERS;
            found.peers.extend(peer(&socket).filter(|_| opened && has_room));
            has_room
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

    type Way = fn(bool, &[State], &mut dyn FnMut(Socket) -> bool) -> io::Result<()>;
    const WAYS: [Way; 2] = [
        |udp, states, take| diag::each(udp, states, take),
        |udp, states, take| text::each(udp, states, take),
    ];

    fn all(way: Way, udp: bool, states: &[State]) -> Vec<Socket> {
        let mut found = Vec::new();
        way(udp, states, &mut |socket| {
            found.push(socket);
            true
        })
        .unwrap();
        found
    }

    /// Both ways of asking tell of a listener, a datagram socket and a connection of this test alike; those of IPv4 that come to a
    /// listener of both families are told of as such.
    #[test]
    fn netlink_and_text_tell_the_same() {
        let listening = TcpListener::bind("[::]:0").unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = listening.local_addr().unwrap().port();
        let connected = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_accepted, _) = listening.accept().unwrap();
        let (client, server) = (connected.local_addr().unwrap(), connected.peer_addr().unwrap());
        for way in WAYS {
            let tcp = all(way, false, &ALL);
            let is_there = |local: SocketAddr, state| {
                tcp.iter().any(|socket| socket.local == local && socket.state == state && socket.inode != 0)
            };
            assert!(is_there(SocketAddr::new("::".parse().unwrap(), port), State::Listen));
            assert!(is_there(server, State::Established) && is_there(client, State::Established));
            let here = datagrams.local_addr().unwrap();
            let udp = all(way, true, &ALL);
            assert!(udp.iter().any(|socket| socket.local == here && socket.state == State::Close));
        }
    }

    #[test]
    fn only_sockets_in_the_states_that_are_asked_for_are_told_of() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listening.local_addr().unwrap();
        let _connected = TcpStream::connect(here).unwrap();
        for way in WAYS {
            for state in [State::Listen, State::Established] {
                let found = all(way, false, &[state]);
                assert!(found.iter().any(|socket| socket.local == here));
                assert!(found.iter().all(|socket| socket.state == state));
            }
        }
    }

    #[test]
    fn who_wants_no_more_is_shown_no_more() {
        let _listening = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        for way in WAYS {
            let mut shown = 0;
            way(false, &[State::Listen], &mut |_| {
                shown += 1;
                shown < 2
            })
            .unwrap();
            assert_eq!(shown, 2);
        }
    }

    #[test]
    fn text_is_read_where_the_kernel_has_no_list_or_gives_none() {
        for (number, expected) in [(libc::ENOENT, true), (libc::EACCES, true), (libc::EIO, false)] {
            assert_eq!(is_without(&io::Error::from_raw_os_error(number)), expected, "{number}");
        }
        assert!(!is_without(&io::ErrorKind::TimedOut.into()));
    }
}
