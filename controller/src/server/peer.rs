//! Who is on the other end of the socket.

use std::fmt;

use tokio::net::UnixStream;

use crate::host::{Accepted, logins_of};

/// The process that connected, or the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    uid: Option<u32>,
    pid: Option<i32>,
    /// A browser that knows the page's token; whose it is, is not known.
    is_page: bool,
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_page {
            return formatter.write_str("the page");
        }
        match (self.uid, self.pid) {
            (Some(uid), Some(pid)) => write!(formatter, "uid {uid} (pid {pid})"),
            (Some(uid), None) => write!(formatter, "uid {uid}"),
            _ => formatter.write_str("somebody"),
        }
    }
}

impl Peer {
    /// Whoever has connected, as the kernel has it.
    pub(super) fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self {
            uid: credentials.map(|credentials| credentials.uid()),
            pid: credentials.and_then(|credentials| credentials.pid()),
            is_page: false,
        }
    }

    /// A browser that the page lets in.
    pub(super) fn page() -> Self {
        Self { uid: None, pid: None, is_page: true }
    }

    pub(super) fn uid(self) -> Option<u32> {
        self.uid
    }

    pub(super) fn pid(self) -> Option<i32> {
        self.pid
    }

    /// What the process calls itself, if it is still there.
    pub(super) fn process(self) -> Option<String> {
        if self.is_page {
            return Some("the page".to_owned());
        }
        let name = std::fs::read(format!("/proc/{}/comm", self.pid?)).ok()?;
        Some(String::from_utf8_lossy(&name).trim_end().to_owned())
    }

    /// The connections by which it is logged in.
    pub(super) fn logins(self) -> Vec<Accepted> {
        self.pid.map(logins_of).unwrap_or_default()
    }
}
