//! A virtual service of the kernel's load balancer, IPVS, which it hands on to one real server by network address translation.
//!
//! The layouts are those of `linux/ip_vs.h`.

use std::net::SocketAddrV4;

use floodwall_lab::namespace::Namespace;
use nix::{
    errno::Errno,
    setsockopt_impl, sockopt_impl,
    sys::socket::{self, AddressFamily, SockFlag, SockProtocol, SockType},
};

const ADD: i32 = 64 + 1_024 + 64 + 2;
const ADD_DESTINATION: i32 = 64 + 1_024 + 64 + 7;
/// One after the other.
const SCHEDULER: [u8; 16] = *b"rr\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// `struct ip_vs_service_user`
type Service = [u8; 44];
/// It, and `struct ip_vs_dest_user`.
type ServiceAndDestination = [u8; 44 + 24];

sockopt_impl!(
    /// Adds a virtual service.
    AddService, SetOnly, libc::IPPROTO_IP, ADD, Service
);
sockopt_impl!(
    /// Adds a real server to a virtual service.
    AddDestination, SetOnly, libc::IPPROTO_IP, ADD_DESTINATION, ServiceAndDestination
);

/// Has connections by TCP to one address handed on to another.
///
/// # Errors
///
/// If the kernel has no IPVS, with a reason to skip a test for; and if it takes no such service.
pub fn hand_on(who: &Namespace, from: SocketAddrV4, to: SocketAddrV4) -> anyhow::Result<Result<(), String>> {
    let service = service(from);
    let mut both = [0; 68];
    both[..44].copy_from_slice(&service);
    both[44..].copy_from_slice(&destination(to));
    let added = who.enter(move || {
        let socket =
            socket::socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)?;
        match socket::setsockopt(&socket, AddService, &service) {
            Err(Errno::ENOPROTOOPT) => Ok(false),
            other => other.and_then(|()| socket::setsockopt(&socket, AddDestination, &both)).map(|()| true),
        }
    })?;
    Ok(added.map(|is_there| is_there.then_some(()).ok_or_else(|| "this kernel has no IPVS".to_owned()))?)
}

fn service(at: SocketAddrV4) -> Service {
    let mut service = [0; 44];
    service[..2].copy_from_slice(&(libc::IPPROTO_TCP as u16).to_ne_bytes());
    service[4..8].copy_from_slice(&at.ip().octets());
    service[8..10].copy_from_slice(&at.port().to_be_bytes());
    service[16..32].copy_from_slice(&SCHEDULER);
    // Its mask: all bits of the address.
    service[40..].fill(0xff);
    service
}

/// One that gets what it is to get by network address translation, with a weight of one.
fn destination(at: SocketAddrV4) -> [u8; 24] {
    let mut destination = [0; 24];
    destination[..4].copy_from_slice(&at.ip().octets());
    destination[4..6].copy_from_slice(&at.port().to_be_bytes());
    destination[12..16].copy_from_slice(&1_u32.to_ne_bytes());
    destination
}
