//! Notifications of the kernel that an interface has appeared, disappeared or changed.

use std::{io, os::fd::AsRawFd as _};

use anyhow::Context as _;
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};
use tokio::io::{Interest, unix::AsyncFd};

/// `RTNLGRP_LINK` in `include/uapi/linux/rtnetlink.h`.
const LINK_GROUP: u32 = 1;

/// Wakes up when an interface of the current network namespace changes. It does not say what has changed, and does not wake up
/// when a program is detached.
pub struct LinkEvents {
    socket: AsyncFd<Socket>,
}

impl LinkEvents {
    /// Subscribes to changes. Must be called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the netlink socket cannot be opened.
    pub fn open() -> anyhow::Result<Self> {
        let open = || -> io::Result<Self> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.add_membership(LINK_GROUP)?;
            // SAFETY: the socket owns its descriptor, which stays open and the same for as long as the socket lives; it is
            // never replaced inside the `AsyncFd`.
            let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
            Ok(Self { socket })
        };
        open().context("listening to what becomes of interfaces")
    }

    /// Waits for a change. Several changes before it returns count as one.
    ///
    /// # Errors
    ///
    /// If the socket fails.
    pub async fn changed(&self) -> io::Result<()> {
        let mut guard = self.socket.readable().await?;
        // The contents do not matter; the kernel drops the part of a message that does not fit.
        let mut start = [0; 16];
        loop {
            match recv(self.socket.get_ref().as_raw_fd(), &mut start, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => {
                    guard.clear_ready();
                    return Ok(());
                }
                // ENOBUFS: the socket has overflown, so something has changed as well.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
