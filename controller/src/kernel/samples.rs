//! Sampled packets out of the ring buffer.

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use floodwall_common::wire::SampleEvent;

/// The reading end of the ring buffer; there is one.
pub struct SampleReader {
    ring: RingBuf<MapData>,
}

impl SampleReader {
    pub(super) fn new(map: aya::maps::Map) -> anyhow::Result<Self> {
        Ok(Self { ring: RingBuf::try_from(map).context("opening the ring buffer of samples")? })
    }

    /// Hands each sample that is there to `take`, and does not wait for others.
    pub fn read(&mut self, mut take: impl FnMut(&SampleEvent)) {
        while let Some(item) = self.ring.next() {
            if let Some(sample) = decode(&item) {
                take(&sample);
            }
        }
    }
}

/// The kernel wrote the bytes of a `SampleEvent`; anything else is not ours.
fn decode(bytes: &[u8]) -> Option<SampleEvent> {
    let pointer: *const SampleEvent = bytes.as_ptr().cast();
    // SAFETY: as many bytes are there, any of their values is a valid `SampleEvent`, and the read may be unaligned.
    (bytes.len() == size_of::<SampleEvent>()).then(|| unsafe { pointer.read_unaligned() })
}
