//! The ports of one class of destinations: a byte for each says which service a packet is for.

use std::collections::BTreeSet;

use floodwall_common::{
    parse::protocol,
    service::byte_of,
    wire::{PORT_WORDS, Port},
};

use super::numbers::Numbers;
use crate::model::Service;

/// A page of ports, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page(pub(super) Vec<u64>);

impl Page {
    /// Marks the services that it names.
    pub(super) fn mark(&self, seen: &mut [bool; 256]) {
        for word in &self.0 {
            for byte in word.to_le_bytes() {
                seen[usize::from(Port::unpack(byte).service)] = true;
            }
        }
    }
}

/// The page for destinations of these services, of which the first that names a port has it. Something listens at
/// `listening`, or, if that is not known, everywhere. `carried`: they are not the host's own.
pub(super) fn page<'p>(
    services: impl DoubleEndedIterator<Item = &'p Service>,
    numbers: &Numbers,
    listening: Option<&BTreeSet<(bool, u16)>>,
    carried: bool,
) -> Page {
    let mut bytes = vec![0_u8; PORT_WORDS as usize * 8];
    // The default service is the policy's first, and asked last.
    let mut services: Vec<_> = services.collect();
    services.rotate_left(1);
    for service in services.into_iter().rev() {
        paint(&mut bytes, service, numbers.service(&service.name));
    }
    match listening {
        None => bytes.iter_mut().for_each(|byte| *byte = offered(*byte)),
        Some(ports) => {
            for (udp, port) in ports {
                let of = if *udp { protocol::UDP } else { protocol::TCP };
                let byte = &mut bytes[byte_of(of, *port) as usize];
                *byte = offered(*byte);
            }
        }
    }
    if carried {
        bytes.iter_mut().for_each(|byte| *byte = Port { carried, ..Port::unpack(*byte) }.pack());
    }
    let (words, _) = bytes.as_chunks::<8>();
    Page(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

fn offered(byte: u8) -> u8 {
    Port { offered: true, ..Port::unpack(byte) }.pack()
}

/// Writes a service's number wherever it is meant.
fn paint(bytes: &mut [u8], service: &Service, number: u8) {
    let byte = Port { service: number, ..Port::default() }.pack();
    let with_ports = [(service.protocol.is_tcp(), protocol::TCP), (service.protocol.is_udp(), protocol::UDP)];
    for (_, of) in with_ports.into_iter().filter(|(is, _)| *is) {
        if service.ports.is_empty() {
            bytes[byte_of(of, 0) as usize..=byte_of(of, u16::MAX) as usize].fill(byte);
            // Later fragments do not say what port they are for.
            bytes[later_fragments_of(of)] = byte;
        }
        for ports in &service.ports {
            bytes[byte_of(of, *ports.start()) as usize..=byte_of(of, *ports.end()) as usize].fill(byte);
        }
    }
    if !service.ports.is_empty() {
        return;
    }
    for of in 0..=u8::MAX {
        if !matches!(of, protocol::TCP | protocol::UDP) && service.protocol.is_other(of) {
            bytes[byte_of(of, 0) as usize] = byte;
        }
    }
}

/// The byte for later fragments of a protocol with ports: where other protocols have theirs.
fn later_fragments_of(protocol: u8) -> usize {
    byte_of(0, 0) as usize + usize::from(protocol)
}
