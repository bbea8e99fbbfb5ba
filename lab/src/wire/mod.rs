//! Frames onto a cable and off it, through packet sockets (`packet(7)`).

mod receiver;
mod sender;

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};

pub use receiver::Receiver;
pub use sender::Sender;

use crate::interface;
use crate::namespace::Namespace;

/// A packet socket bound to one interface of a namespace. `protocol` is an EtherType in host
/// order; zero receives nothing.
fn open(namespace: &Namespace, name: &str, protocol: u16) -> Result<OwnedFd> {
    namespace.enter(|| {
        let interface =
            libc::c_int::try_from(interface::index(name)?).context("an interface index overflows")?;
        // Protocol zero: nothing arrives before the socket is bound to its one interface.
        // SAFETY: plain system call; the result is checked before it is owned.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error())
                .with_context(|| format!("opening a packet socket for {name} (needs root: CAP_NET_RAW)"));
        }
        // SAFETY: the kernel has just given us this descriptor and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // SAFETY: all-zero is a valid `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::c_ushort::try_from(libc::AF_PACKET).context("AF_PACKET overflows")?;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = interface;
        let length = libc::socklen_t::try_from(size_of_val(&address)).context("sockaddr_ll overflows")?;
        // SAFETY: the address is live and `length` is its size.
        if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } < 0 {
            return Err(io::Error::last_os_error())
                .with_context(|| format!("binding a packet socket to {name} in {}", namespace.name()));
        }
        Ok(socket)
    })?
}

/// Sets an integer option.
fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    // SAFETY: `value` is live and `length` is its size.
    if unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
