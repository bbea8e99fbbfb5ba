//! What the kernel program tells of, out of its ring buffers.

use std::marker::PhantomData;

use anyhow::{Context as _, anyhow};
use aya::maps::{MapData, RingBuf};
use floodwall_common::wire::{BanEvent, DropEvent};
use tokio::io::{Interest, unix::AsyncFd};

/// Something that the kernel program writes into a ring buffer.
///
/// # Safety
///
/// The type consists of integers, without padding: any bytes are a value of it.
pub unsafe trait Told: Copy {}

// SAFETY: a `repr(C)` struct of integers without padding; its size is asserted beside it.
unsafe impl Told for DropEvent {}
// SAFETY: as above.
unsafe impl Told for BanEvent {}

/// The reading end of a ring buffer; there is one.
pub struct EventReader<E> {
    ring: AsyncFd<RingBuf<MapData>>,
    of: PhantomData<E>,
}

impl<E: Told> EventReader<E> {
    pub(super) fn new(map: aya::maps::Map) -> anyhow::Result<Self> {
        let ring = RingBuf::try_from(map).context("opening a ring buffer of events")?;
        // SAFETY: the map owns its descriptor, gives out the same one for as long as it lives, and is not
        // replaced inside the `AsyncFd`.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .map_err(|error| anyhow!("watching a ring buffer of events: {}", error.into_parts().1))?;
        Ok(Self { ring, of: PhantomData })
    }

    /// Waits for events and hands each to `take`.
    pub async fn read(&mut self, mut take: impl FnMut(E)) -> anyhow::Result<()> {
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

/// The kernel wrote the bytes of an event; anything else is not ours.
fn decode<E: Told>(bytes: &[u8]) -> Option<E> {
    let pointer: *const E = bytes.as_ptr().cast();
    // SAFETY: as many bytes are there, any of their values is valid, as `Told` promises, and the read may be unaligned.
    (bytes.len() == size_of::<E>()).then(|| unsafe { pointer.read_unaligned() })
}
