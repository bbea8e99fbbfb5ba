//! Who is on the other end of the socket.

use std::net::IpAddr;

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::UnixListener;

use crate::host::login_addresses;

/// The process that connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pid: Option<i32>,
}

impl Peer {
    /// Where it is logged in from.
    pub(super) fn logins(self) -> Vec<IpAddr> {
        self.pid.map(login_addresses).unwrap_or_default()
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { pid: stream.io().peer_cred().ok().and_then(|credentials| credentials.pid()) }
    }
}
