//! Sockets as the kernel lists them over netlink (sock_diag(7)): only those that are in the states that are asked for, so that
//! what is handed over does not grow with the connections that are over.

use std::{io, net::SocketAddr};

use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP, SockDiagMessage,
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;

use super::{Socket, State};
use crate::dump::dump;

/// Shows `take` the sockets of both families that are in one of some states, until it wants no more.
///
/// # Errors
///
/// If the kernel lists none, or takes so long that the list would not be whole.
pub(super) fn each(udp: bool, states: &[State], mut take: impl FnMut(Socket) -> bool) -> io::Result<()> {
    let protocol = if udp { IPPROTO_UDP } else { IPPROTO_TCP };
    let bits = states.iter().map(|state| 1 << *state as u32).sum();
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        let request = SockDiagMessage::InetRequest(InetRequest {
            family,
            protocol,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::from_bits_truncate(bits),
            socket_id,
        });
        let mut wants_more = true;
        let all = dump(NETLINK_SOCK_DIAG, request, |entry| {
            let socket = read(entry).filter(|socket| states.contains(&socket.state));
            wants_more = socket.is_none_or(&mut take);
            wants_more
        })?;
        if !wants_more {
            break;
        }
        if !all {
            let text = "the kernel takes too long to list sockets";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    }
    Ok(())
}

fn read(entry: &SockDiagMessage) -> Option<Socket> {
    let SockDiagMessage::InetResponse(response) = entry else { return None };
    let header = &response.header;
    let id = &header.socket_id;
    Some(Socket {
        state: State::of(header.state)?,
        local: SocketAddr::new(id.source_address.to_canonical(), id.source_port),
        peer: SocketAddr::new(id.destination_address.to_canonical(), id.destination_port),
        inode: header.inode.into(),
    })
}
