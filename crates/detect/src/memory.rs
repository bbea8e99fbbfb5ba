//! What is kept of calm times over a restart.

use std::collections::BTreeMap;

use floodwall_common::features::{ByteField, Features, WordField};
use serde::{Deserialize, Serialize};

use super::{baseline::Usual, service_load::Habits};

/// Changes whenever the meaning of a field does.
const VERSION: u32 = 3;

/// What is usual, by the name of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    version: u32,
    services: BTreeMap<String, Remembered>,
    /// Signatures that were found and drop, with the names of services.
    #[serde(default)]
    found: Vec<String>,
}

/// What is usual for one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// Rates, as [`Load`](super::service_load::Load) has them.
    pub(super) habits: Habits,
    packets: Vec<Packet>,
}

/// A packet of calm times: octets, shorts, flow, and 1 if it came from a new source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Packet([u8; ByteField::COUNT], [u16; WordField::COUNT], u64, u8);

impl Memory {
    /// What is known of some services, and what was found.
    pub(super) fn new(services: BTreeMap<String, Remembered>, found: Vec<String>) -> Self {
        Self { version: VERSION, services, found }
    }

    /// Signatures that were found and drop, with the names of services. They are of the moment in which this was kept.
    pub fn take_found(&mut self) -> Vec<String> {
        std::mem::take(&mut self.found)
    }

    /// By name.
    ///
    /// # Errors
    ///
    /// If it was written by a floodwall whose fields mean something else.
    pub(super) fn services(self) -> Result<BTreeMap<String, Remembered>, OtherVersion> {
        if self.version == VERSION { Ok(self.services) } else { Err(OtherVersion(self.version)) }
    }
}

/// What was kept has another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is of version {0}, and {VERSION} is read")]
pub struct OtherVersion(u32);

impl Remembered {
    pub(super) fn new(habits: Habits, packets: &[Usual]) -> Self {
        let packet = |usual: &Usual| {
            let Features { octets, shorts } = usual.features;
            Packet(octets, shorts, usual.flow, u8::from(usual.from_new_source))
        };
        Self { habits, packets: packets.iter().map(packet).collect() }
    }

    /// Packets of calm times.
    pub(super) fn packets(self) -> Vec<Usual> {
        let usual = |Packet(octets, shorts, flow, from_new_source)| Usual {
            features: Features { octets, shorts },
            flow,
            from_new_source: from_new_source != 0,
        };
        self.packets.into_iter().map(usual).collect()
    }
}
