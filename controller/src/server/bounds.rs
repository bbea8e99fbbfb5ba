//! How much of the daemon clients may take: connections, streams, uploads, and the time of each.

use std::time::Duration;

use super::descriptors::Descriptors;

/// Requests that are worked on at once, imports among them; more wait their turn.
pub(super) const MAX_REQUESTS: usize = 64;
/// Incidents that are read off the disk at once.
pub(super) const MAX_READING: usize = 4;
/// Largest body of an ordinary request, bytes.
pub(super) const MAX_BODY: usize = 1 << 20;
/// Largest list that can be imported, bytes as sent. No longer text is read either.
pub(super) const MAX_LIST: usize = 256 << 20;
/// Bytes that any upload may hold; of those that have more there is one at a time.
pub(super) const SMALL_UPLOAD: usize = 8 << 20;
/// Most that the head of a request, or a piece of a body, takes, bytes.
pub(super) const MAX_HEAD: usize = 64 << 10;
/// Header fields of a request.
pub(super) const MAX_FIELDS: usize = 64;

/// Connections, where there are descriptors enough.
const CONNECTIONS: u64 = 128;
/// Connections that there are in any case.
const FEWEST_CONNECTIONS: u64 = 4;
/// Descriptors that clients never get: for what the daemon reads and opens itself, and for telling a client that there is no
/// room for it.
const RESERVED: u64 = 20;

/// What clients may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Streams of events among them.
    pub streams: usize,
    /// Uploads among them.
    pub uploads: usize,
    /// How long a client may take for the head of a request; one that is connected and asks nothing is let go of after
    /// that.
    pub head: Duration,
    /// How long it may take for the body of an ordinary request.
    pub body: Duration,
    /// How long nothing may come of an upload.
    pub upload_pause: Duration,
    /// How long an upload may take in all.
    pub upload: Duration,
    /// How long a client may leave unread what it was sent.
    pub unread: Duration,
    /// How long somebody waits for room, before it is told that there is none.
    pub room: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self::within(Descriptors { limit: u64::MAX, used: 0 })
    }
}

impl Bounds {
    /// Those that leave the daemon what it needs of these descriptors.
    pub fn within(descriptors: Descriptors) -> Self {
        let free = descriptors.limit.saturating_sub(descriptors.used).saturating_sub(RESERVED);
        // A fourth of these again is for those who may only look.
        let connections = (free / 5).saturating_mul(4).clamp(FEWEST_CONNECTIONS, CONNECTIONS) as usize;
        Self {
            connections,
            // Whatever listens, half is left for those who ask.
            streams: (connections / 2).min(32),
            uploads: (connections / 4).clamp(1, 4),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            upload_pause: Duration::from_secs(30),
            upload: Duration::from_secs(900),
            unread: Duration::from_secs(30),
            room: Duration::from_secs(2),
        }
    }

    /// What of this those get, all together, who may only look, and come by a socket of their own.
    pub(super) fn of_onlookers(self) -> Self {
        Self { connections: (self.connections / 4).max(2), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_leave_few_connections_and_some_for_those_who_ask() {
        let connections = |limit, used| Bounds::within(Descriptors { limit, used }).connections;
        assert_eq!(connections(1_024, 60), 128);
        assert_eq!(connections(64, 34), 8);
        assert_eq!(connections(64, 64), 4);
        for limit in 0..300 {
            let bounds = Bounds::within(Descriptors { limit, used: 40 });
            let Bounds { connections, streams, uploads, .. } = bounds;
            assert!(streams > 0 && uploads > 0 && streams + uploads < connections, "{bounds:?}");
        }
    }
}
