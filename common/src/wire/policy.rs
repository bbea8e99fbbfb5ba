//! What the kernel program knows of services and rules.
//!
//! **Ports.** A byte for each TCP port, each UDP port and each other protocol says which service a packet is for,
//! and whether something listens there. Eight of them make a word. There is a page of these for each class of
//! destinations, see [`Destination`].
//!
//! **Rules** stand in one array; a [`Service`] lists those that hold for it by number.

use super::{BucketSpec, Suspicion, Word};

/// Most services; the first one is for whatever no other names.
pub const MAX_SERVICES: u32 = 64;
/// Most rules of all services.
pub const MAX_RULES: u32 = 255;
/// Most rules of one service.
pub const RULES_PER_SERVICE: u32 = 8;
/// Most classes of destinations; the first one is for whatever no service names.
pub const MAX_CLASSES: u32 = 16;
/// Words of one class's page: TCP ports, UDP ports, other protocols.
pub const PORT_WORDS: u32 = 2 * (65_536 / 8) + 256 / 8;
/// Most ranges that destinations are divided into; a power of two.
pub const MAX_DESTINATIONS: u32 = 128;

/// What a byte of the ports says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Number of the service, below [`MAX_SERVICES`].
    pub service: u8,
    /// Something listens there, as far as is known.
    pub offered: bool,
    /// The destination is not one of the host's own addresses: it may be of somebody whom the host carries packets for.
    pub carried: bool,
}

impl Port {
    const OFFERED: u8 = 1 << 7;
    const CARRIED: u8 = 1 << 6;

    /// As a byte.
    pub const fn pack(self) -> u8 {
        self.service
            | if self.offered { Self::OFFERED } else { 0 }
            | if self.carried { Self::CARRIED } else { 0 }
    }

    /// From a byte.
    #[inline(always)]
    pub const fn unpack(byte: u8) -> Self {
        Self {
            service: byte & (MAX_SERVICES as u8 - 1),
            offered: byte & Self::OFFERED != 0,
            carried: byte & Self::CARRIED != 0,
        }
    }
}

/// A range of destination addresses: from `high`, `low` up to the next one's. IPv4 addresses are mapped
/// (`::ffff:0:0/96`). Unused ones at the end are all ones.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Destination {
    /// First 64 bits of the range's first address.
    pub high: Word,
    /// Last 64 bits of it.
    pub low: Word,
    /// Number of its class.
    pub class: Word,
    /// Not used.
    pub spare: Word,
}

/// What is known of a service.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Service {
    /// Up to [`RULES_PER_SERVICE`] rules: a byte each, the rule's number plus one; 0 ends the list.
    pub rules: Word,
    /// [`Traits`](crate::traits::Traits) that at least one of its rules is about.
    pub traits: Word,
    /// One packet in so many is sampled; 0: none.
    pub sample_every: Word,
    /// [`service_flag`] bits.
    pub flags: Word,
    /// Buckets of its suspects, by [`Suspicion`]: times in units of 64 ns, of which all 64 bits count.
    pub suspects: [Word; Suspicion::COUNT],
    /// The bucket of questions for new names, likewise: see [`crate::dns_names`].
    pub names: Word,
    /// Who gets to it: a packed [`Lockdown`].
    pub lockdown: Word,
    /// Not used.
    pub spare: [Word; 10 - Suspicion::COUNT],
}

/// Whether a service is closed to all but [known clients](crate::client), and those that answer a
/// [challenge](crate::challenge).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lockdown {
    /// An operator has closed it.
    pub by_operator: bool,
    /// It was closed by itself: that lapses with the controller's lease.
    pub by_itself: bool,
    /// The share of the others that gets in on trial, in 2⁻³².
    pub admitted: u32,
}

impl Lockdown {
    const BY_OPERATOR: u64 = 1;
    const BY_ITSELF: u64 = 1 << 1;

    /// As it stands in [`Service::lockdown`]; 0 if the service is open.
    pub const fn pack(self) -> u64 {
        (if self.by_operator { Self::BY_OPERATOR } else { 0 })
            | if self.by_itself { Self::BY_ITSELF } else { 0 }
            | (self.admitted as u64) << 32
    }

    /// From [`Service::lockdown`].
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        Self {
            by_operator: word & Self::BY_OPERATOR != 0,
            by_itself: word & Self::BY_ITSELF != 0,
            admitted: (word >> 32) as u32,
        }
    }

    /// Whether the service is closed, while the controller's lease has lapsed or not.
    #[inline(always)]
    pub const fn is_closed(self, lapsed: bool) -> bool {
        self.by_operator || self.by_itself && !lapsed
    }
}

/// Bits of [`Service::flags`].
pub mod service_flag {
    /// There is such a service.
    pub const USED: u64 = 1;
    /// Its packets are not held against the limit of packets/s that holds for every source.
    pub const NO_SOURCE_PACKETS: u64 = 1 << 1;
    /// Its SYNs are not held against the limit of SYN/s that holds for every source.
    pub const NO_SOURCE_SYN: u64 = 1 << 2;
}

/// A rule.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Rule {
    /// A packed [`BucketSpec`].
    pub bucket: Word,
    /// A packed [`Terms`].
    pub terms: Word,
    /// How long a ban lasts, ns.
    pub ban: Word,
    /// The bucket of a rule per service: the time at which it is full again, in units of 64 ns. As it may lie untouched
    /// for longer than 32 bits of these can tell, all 64 count.
    pub full_at: Word,
}

/// Whose packets a rule counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Per {
    /// Each source: an IPv4 address or an IPv6 /64.
    Source = 0,
    /// Each prefix of sources.
    Prefix = 1,
    /// All of the service.
    Service = 2,
}

/// What becomes of a packet that is over a rule's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Then {
    /// It is told, and passes.
    Alert = 0,
    /// It is dropped.
    Limit = 1,
    /// It is dropped, and so is whatever its source sends for a while.
    Ban = 2,
}

/// Which known sources a rule leaves alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Spares {
    /// None.
    #[default]
    Nobody = 0,
    /// All, while the service that their packets are for is not attacked; in an attack those that were there before it. What
    /// answers somebody here is left alone as well, whoever sends it.
    KnownInPeace = 1,
    /// All, at all times.
    Known = 2,
}

impl Spares {
    /// Whether a rule leaves a packet alone: one of a source that is known, and one that may do now what those of known
    /// sources may.
    #[inline(always)]
    pub const fn spares(self, known: bool, trusted: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::KnownInPeace => trusted,
            Self::Known => known,
        }
    }
}

/// What a rule is about, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// [`Traits`](crate::traits::Traits) bits; a packet with one of them is counted.
    pub traits: u32,
    /// Whose packets are counted together.
    pub per: Per,
    /// What becomes of those over the rate.
    pub then: Then,
    /// Only counts what it would do.
    pub monitor: bool,
    /// Only counts what it would do once the controller's [lease](super::Settings::lapsed) has lapsed: a condition holds, as
    /// far as the controller knows.
    pub lapses: bool,
    /// Which known sources it leaves alone.
    pub spares: Spares,
    /// Counts bytes: the bucket's increment is per byte, in 2⁻¹⁶ of its unit.
    pub bytes: bool,
    /// Length of an IPv4 prefix.
    pub v4_length: u8,
    /// Length of an IPv6 prefix, at most 64.
    pub v6_length: u8,
}

impl Terms {
    /// As it stands in [`Rule::terms`].
    pub const fn pack(self) -> u64 {
        self.traits as u64
            | (self.per as u64) << 32
            | (self.then as u64) << 34
            | (self.monitor as u64) << 36
            | (self.lapses as u64) << 37
            | (self.bytes as u64) << 38
            | (self.v4_length as u64) << 40
            | (self.v6_length as u64) << 48
            | (self.spares as u64) << 56
    }

    /// From [`Rule::terms`].
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        Self {
            traits: word as u32,
            per: match word >> 32 & 3 {
                0 => Per::Source,
                1 => Per::Prefix,
                _ => Per::Service,
            },
            then: match word >> 34 & 3 {
                0 => Then::Alert,
                1 => Then::Limit,
                _ => Then::Ban,
            },
            monitor: word >> 36 & 1 != 0,
            lapses: word >> 37 & 1 != 0,
            spares: match word >> 56 & 3 {
                0 => Spares::Nobody,
                1 => Spares::KnownInPeace,
                _ => Spares::Known,
            },
            bytes: word >> 38 & 1 != 0,
            v4_length: (word >> 40) as u8,
            v6_length: (word >> 48) as u8,
        }
    }

    /// The bucket that lets `rate` bytes/s through after a burst of `burst` bytes.
    ///
    /// `None` if either is 0, or the rate or the burst is more than the arithmetic holds.
    pub const fn byte_bucket(rate: u64, burst: u64) -> Option<BucketSpec> {
        if rate == 0 || burst == 0 {
            return None;
        }
        let increment = ((BucketSpec::UNITS_PER_SECOND << Self::BYTE_SHIFT) + rate / 2) / rate;
        let tolerance = (burst as u128 * increment as u128) >> Self::BYTE_SHIFT;
        let longest = BucketSpec::MAX_DRAIN_SECONDS * BucketSpec::UNITS_PER_SECOND;
        if increment < 50 || increment > u32::MAX as u64 || tolerance > longest as u128 {
            return None;
        }
        Some(BucketSpec { increment: increment as u32, tolerance: tolerance as u32 })
    }

    /// Increments per byte are in this fraction of a unit, as a shift.
    pub const BYTE_SHIFT: u32 = 16;
}

const _: () = assert!(MAX_SERVICES as u8 == Port::CARRIED);
const _: () = assert!(size_of::<Destination>() == 32);
const _: () = assert!(size_of::<Service>() == 128);
const _: () = assert!(size_of::<Rule>() == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_survive_packing() {
        let terms = Terms {
            traits: 0x8000_0001,
            per: Per::Prefix,
            then: Then::Ban,
            monitor: true,
            lapses: true,
            spares: Spares::KnownInPeace,
            bytes: true,
            v4_length: 24,
            v6_length: 48,
        };
        assert_eq!(Terms::unpack(terms.pack()), terms);
    }

    #[test]
    fn ports_survive_packing() {
        for (offered, carried) in [(true, false), (false, true), (true, true)] {
            let port = Port { service: MAX_SERVICES as u8 - 1, offered, carried };
            assert_eq!(Port::unpack(port.pack()), port);
        }
    }

    #[test]
    fn bytes_are_paid_for_in_fractions() {
        let spec = Terms::byte_bucket(125_000_000, 1_000_000).expect("1 Gbit/s");
        assert_eq!(spec.increment, 8_192, "an eighth of a unit of 64 ns");
        assert_eq!(spec.tolerance, 125_000, "8 ms");
        assert_eq!(Terms::byte_bucket(100, 1_000_000), None, "hours to drain");
    }
}
