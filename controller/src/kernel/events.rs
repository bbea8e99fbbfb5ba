//! Drop events out of the ring buffer.

use anyhow::{Context as _, anyhow};
use aya::maps::{MapData, RingBuf};
use floodwall_common::wire::DropEvent;
use tokio::io::{Interest, unix::AsyncFd};

/// The reading end of the ring buffer; there is one.
pub struct EventReader {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl EventReader {
    pub(super) fn new(map: aya::maps::Map) -> anyhow::Result<Self> {
        let ring = RingBuf::try_from(map).context("opening the ring buffer of events")?;
        // SAFETY: the map owns its descriptor, gives out the same one for as long as it lives, and is not
        // replaced inside the `AsyncFd`.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .map_err(|error| anyhow!("watching the ring buffer of events: {}", error.into_parts().1))?;
        Ok(Self { ring })
    }

    /// Waits for events and hands each to `take`.
    pub async fn read(&mut self, mut take: impl FnMut(DropEvent)) -> anyhow::Result<()> {
        let mut guard = self.ring.readable_mut().await.context("waiting for events")?;
        while let Some(item) = guard.get_inner_mut().next() {
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
