//! Drop events out of the ring buffer.

use std::os::fd::{AsRawFd as _, RawFd};

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use floodwall_common::wire::DropEvent;
use tokio::io::{Interest, unix::AsyncFd};

/// The reading end of the ring buffer; there is one.
pub struct EventReader {
    ring: RingBuf<MapData>,
    ready: AsyncFd<RawFd>,
}

impl EventReader {
    pub(super) fn new(map: aya::maps::Map) -> anyhow::Result<Self> {
        let ring = RingBuf::try_from(map).context("opening the ring buffer of events")?;
        let ready = AsyncFd::with_interest(ring.as_raw_fd(), Interest::READABLE)
            .context("watching the ring buffer of events")?;
        Ok(Self { ring, ready })
    }

    /// Waits for events and hands each to `take`.
    pub async fn read(&mut self, mut take: impl FnMut(DropEvent)) -> anyhow::Result<()> {
        let mut guard = self.ready.readable().await.context("waiting for events")?;
        while let Some(item) = self.ring.next() {
            if let Some(event) = decode(&item) {
                take(event);
            }
        }
        guard.clear_ready();
        Ok(())
    }
}

/// The kernel wrote the bytes of a `DropEvent`; anything else is not ours.
fn decode(bytes: &[u8]) -> Option<DropEvent> {
    let pointer: *const DropEvent = bytes.as_ptr().cast();
    // SAFETY: as many bytes are there, any of their values is a valid `DropEvent`, and the read may be unaligned.
    (bytes.len() == size_of::<DropEvent>()).then(|| unsafe { pointer.read_unaligned() })
}
