//! The kernel's word that an interface has come, gone or changed.

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

/// Tells that something has become of an interface of the network namespace that it was opened in; what, has to be asked.
/// That a program was detached from one is not told.
pub struct LinkEvents {
    socket: AsyncFd<Socket>,
}

impl LinkEvents {
    /// Listens from now on. Must be called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// If a socket cannot be had.
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

    /// Waits for the next change. All that have happened until it returns are one.
    ///
    /// # Errors
    ///
    /// If the socket is of no use any more.
    pub async fn changed(&self) -> io::Result<()> {
        let mut guard = self.socket.readable().await?;
        // Only that there is a message counts; what does not fit is dropped by the kernel.
        let mut start = [0; 16];
        loop {
            match recv(self.socket.get_ref().as_raw_fd(), &mut start, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => {
                    guard.clear_ready();
                    return Ok(());
                }
                // There were more than the socket holds: something has changed, too.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
