//! Sampled packets: copied on their way to the detector, and as the record has them.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::Duration,
};

use floodwall_common::{
    dns_names,
    frame::Captured,
    parse::{self, Fragment, Packet, Parsed},
    wire::{Reason, SampleEvent, Verdict},
};
use floodwall_incident::{Frame, SampledPacket};
use floodwall_origin::{Country, Origins};
use parking_lot::{Mutex, MutexGuard};

/// Most samples that wait to be read: as many as there are in two seconds by default.
const WAITING: usize = 8_192;

/// A queue of copies of samples. Adding one never blocks.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Tap(Mutex<Vec<SampleEvent>>);

/// A locked [`Tap`], for adding several samples; `None` while it is being emptied.
pub(in crate::daemon) struct Tapped<'a>(Option<MutexGuard<'a, Vec<SampleEvent>>>);

impl Tap {
    /// Locks it, if it is not locked.
    pub(in crate::daemon) fn open(&self) -> Tapped<'_> {
        Tapped(self.0.try_lock())
    }

    pub(super) fn drain(&self) -> Vec<SampleEvent> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Tapped<'_> {
    /// Copies a sample, if there is room.
    pub(in crate::daemon) fn take(&mut self, event: &SampleEvent) {
        if let Some(waiting) = self.0.as_mut().filter(|waiting| waiting.len() < WAITING) {
            waiting.push(*event);
        }
    }
}

/// Evidence keeps everything of a frame that the kernel program samples.
const _: () = assert!(floodwall_common::wire::SAMPLE_BYTES == floodwall_incident::SNAP_LENGTH as usize);

/// Parses a sampled frame.
pub(super) fn sampled(event: &SampleEvent, time_ms: u64, origins: &Origins) -> Option<SampledPacket> {
    let reason = Reason::from_index(event.reason)?;
    let bytes = event.bytes.get(..usize::from(event.captured))?;
    let Parsed::Packet(packet) = parse::parse(&Captured::cut(bytes, event.length)) else { return None };
    let header = match packet.protocol {
        parse::protocol::TCP => {
            let words = bytes.get(packet.transport as usize + 12).map_or(5, |byte| byte >> 4);
            u32::from(words) * 4
        }
        _ => 8,
    };
    let source = IpAddr::from(packet.source);
    let (asn, country) = origins.asn_and_country(source);
    Some(SampledPacket {
        time_ms,
        source,
        destination: packet.destination.into(),
        protocol: packet.protocol,
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        tcp_flags: packet.tcp_flags,
        has_data: packet.end > packet.transport + header,
        later_fragment: packet.fragment == Fragment::Later,
        reason: reason.name(),
        dropped: reason.verdict() == Verdict::Drop,
        unproven: event.known == 0 && event.answers == 0,
        ttl: packet.hop_limit,
        asn,
        country: country.map(Country::bytes),
        question: question(&packet, bytes),
        ssdp: is_ssdp(&packet, bytes),
    })
}

/// A hash of the name in a DNS query, as far as the captured part of the frame contains it.
fn question(packet: &Packet, bytes: &[u8]) -> Option<u64> {
    const HEADERS: usize = (dns_names::UDP_HEADER + dns_names::DNS_HEADER) as usize;
    if packet.protocol != parse::protocol::UDP || packet.destination_port != dns_names::PORT {
        return None;
    }
    let name = bytes.get(packet.transport as usize + HEADERS..)?;
    let name = name.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())?;
    let mut hasher = DefaultHasher::new();
    // Resolvers randomize the case of letters (draft-vixie-dnsext-dns0x20).
    name.to_ascii_lowercase().hash(&mut hasher);
    Some(hasher.finish())
}

/// Whether a datagram begins as an answer to a search by SSDP does, or as an announcement (UPnP Device Architecture 2.0, 1.3.3 and
/// 1.2.2).
fn is_ssdp(packet: &Packet, bytes: &[u8]) -> bool {
    const UDP_HEADER: usize = dns_names::UDP_HEADER as usize;
    let data = bytes.get(packet.transport as usize + UDP_HEADER..).unwrap_or_default();
    let begins = [b"HTTP/1.1 200 OK\r\n".as_slice(), b"NOTIFY * HTTP/1.1\r\n"];
    packet.protocol == parse::protocol::UDP
        && packet.fragment != Fragment::Later
        && begins.iter().any(|begin| data.starts_with(begin))
}

/// A sampled frame as evidence.
pub(super) fn frame(event: &SampleEvent, offset: Duration) -> Option<Frame> {
    let reason = Reason::from_index(event.reason)?;
    Some(Frame {
        time_us: (offset + Duration::from_nanos(event.time_ns)).as_micros() as u64,
        length: event.length,
        reason: reason.name().to_owned(),
        by: None,
        dropped: reason.verdict() == Verdict::Drop,
        bytes: event.bytes.get(..usize::from(event.captured))?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use floodwall_common::wire::SAMPLE_BYTES;

    use super::*;

    fn event(reason: Reason) -> SampleEvent {
        let mut bytes = [0; SAMPLE_BYTES];
        let frame = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113,
            7, 192, 0, 2, 10, 0, 123, 0, 80, 0, 8, 0, 0,
        ];
        bytes[..frame.len()].copy_from_slice(&frame);
        let captured = frame.len() as u16;
        let reason = reason as u32;
        SampleEvent { time_ns: 1, length: 42, ifindex: 3, reason, captured, known: 0, answers: 0, bytes }
    }

    #[test]
    fn a_sample_is_read_as_the_kernel_has_read_it() {
        let packet = sampled(&event(Reason::Signature), 7, &Origins::default()).expect("it is a packet");
        assert_eq!((packet.source, packet.source_port), (IpAddr::from([203, 0, 113, 7]), 123));
        assert_eq!((packet.reason, packet.dropped, packet.has_data), ("signature", true, false));
        assert!(packet.unproven && !packet.later_fragment);
    }

    #[test]
    fn a_tap_that_nobody_empties_keeps_no_more_than_there_is_room_for_and_holds_up_nobody() {
        let tap = Tap::default();
        let mut tapped = tap.open();
        (0..WAITING + 5).for_each(|_| tapped.take(&event(Reason::Clean)));
        // While it is held elsewhere, samples pass by.
        tap.open().take(&event(Reason::Clean));
        drop(tapped);
        assert_eq!((tap.drain().len(), tap.drain().len()), (WAITING, 0));
    }
}
