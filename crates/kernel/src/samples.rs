//! Sampled packets out of the ring buffer.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Context as _;
use aya::maps::{MapData, RingBuf};
use floodwall_common::wire::{SAMPLE_BYTES, SampleEvent};
use parking_lot::RwLock;

/// The reading end of the ring buffer; there is one.
pub struct SampleReader {
    ring: RingBuf<MapData>,
    /// Indices of interfaces whose frames begin with the IP header.
    without_link: Arc<RwLock<BTreeSet<u32>>>,
}

impl SampleReader {
    pub(super) fn new(map: aya::maps::Map, without_link: Arc<RwLock<BTreeSet<u32>>>) -> anyhow::Result<Self> {
        Ok(Self { ring: RingBuf::try_from(map).context("opening the ring buffer of samples")?, without_link })
    }

    /// Hands each sample that is there to `take`, from an Ethernet header on, and does not wait for others.
    pub fn read(&mut self, mut take: impl FnMut(&SampleEvent)) {
        while let Some(item) = self.ring.next() {
            if let Some(mut sample) = decode(&item) {
                if self.without_link.read().contains(&sample.ifindex) {
                    link(&mut sample);
                }
                take(&sample);
            }
        }
    }
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Puts an Ethernet header before a packet that came without.
fn link(sample: &mut SampleEvent) {
    let ether_type: u16 = if sample.bytes[0] >> 4 == 6 { 0x86dd } else { 0x0800 };
    sample.bytes.copy_within(..SAMPLE_BYTES - ETHERNET, ETHERNET);
    sample.bytes[..ETHERNET].fill(0);
    sample.bytes[12..ETHERNET].copy_from_slice(&ether_type.to_be_bytes());
    sample.length = sample.length.saturating_add(ETHERNET as u32);
    sample.captured = (usize::from(sample.captured) + ETHERNET).min(SAMPLE_BYTES) as u16;
}

/// The kernel wrote the bytes of a `SampleEvent`; anything else is not ours.
fn decode(bytes: &[u8]) -> Option<SampleEvent> {
    let pointer: *const SampleEvent = bytes.as_ptr().cast();
    // SAFETY: as many bytes are there, any of their values is a valid `SampleEvent`, and the read may be unaligned.
    (bytes.len() == size_of::<SampleEvent>()).then(|| unsafe { pointer.read_unaligned() })
}

#[cfg(test)]
mod tests {
    use floodwall_common::{
        frame::Captured,
        parse::{Parsed, parse},
    };

    use super::*;

    #[test]
    fn what_came_without_a_link_layer_is_read_as_if_it_had_one() {
        let mut bytes = [0; SAMPLE_BYTES];
        bytes[..28].copy_from_slice(&[
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113, 7, 192, 0, 2, 10, 0, 1, 0, 2, 0, 8, 0, 0,
        ]);
        let mut sample = SampleEvent {
            time_ns: 0,
            length: 28,
            ifindex: 3,
            reason: 0,
            captured: 28,
            known: 0,
            answers: 0,
            bytes,
        };
        link(&mut sample);
        let frame = Captured::cut(&sample.bytes[..usize::from(sample.captured)], sample.length);
        let Parsed::Packet(packet) = parse(&frame) else { panic!("no packet") };
        assert_eq!((packet.source_port, packet.destination_port, packet.end), (1, 2, 42));
        sample.captured = SAMPLE_BYTES as u16;
        link(&mut sample);
        assert_eq!(usize::from(sample.captured), SAMPLE_BYTES, "no more than there is room for");
    }
}
