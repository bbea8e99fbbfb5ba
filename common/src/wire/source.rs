//! The source table: an array of sets, each of them two cache lines.

use super::Word;

/// Sources that a set can hold.
pub const WAYS: usize = 4;

/// What is known of one source, or of one prefix of sources. Empty while `key` is 0.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Way {
    /// Whose it is; see [`Key`](crate::source::Key).
    pub key: Word,
    /// What it has sent since it was entered: a packed [`Volume`].
    pub volume: Word,
    /// When it was seen, and how it behaved: a packed [`History`].
    pub history: Word,
    /// Times at which the packet bucket (low half) and the SYN bucket (high half) are full again, in units
    /// of 64 ns modulo 2³². Of a banned source: the time until which it is banned, ns.
    pub buckets: Word,
}

/// The sources that share a hash.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub struct SourceSet {
    /// In no order.
    pub ways: [Way; WAYS],
}

impl SourceSet {
    /// Asks memory for both of its cache lines, and waits for neither.
    #[inline(always)]
    pub fn prefetch(&self) {
        self.ways[0].key.load();
        self.ways[WAYS / 2].key.load();
    }
}

const _: () = assert!(size_of::<Way>() == 32);
const _: () = assert!(size_of::<SourceSet>() == 128);

/// Packets (28 bits) and bytes (36 bits), counted by one addition; both stop once either is about to overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume(pub u64);

impl Volume {
    const PACKET_BITS: u32 = 28;
    /// Beyond this many packets, or this many bytes, nothing is counted any more.
    const MAX_PACKETS: u64 = (1 << Self::PACKET_BITS) - 1;
    const MAX_BYTES: u64 = (1 << 36) - (1 << 33);

    /// One packet of `bytes` bytes, as what is to be added.
    #[inline(always)]
    pub const fn one(bytes: u32) -> u64 {
        1 | (bytes as u64) << Self::PACKET_BITS
    }

    /// Packets.
    #[inline(always)]
    pub const fn packets(self) -> u32 {
        (self.0 & Self::MAX_PACKETS) as u32
    }

    /// Bytes.
    #[inline(always)]
    pub const fn bytes(self) -> u64 {
        self.0 >> Self::PACKET_BITS
    }

    /// Whether there is no room for what each of up to 4,096 CPUs may add at once, see [`crate::busy`].
    #[inline(always)]
    pub const fn is_full(self) -> bool {
        self.packets() as u64 >= Self::MAX_PACKETS - (1 << 17) || self.bytes() >= Self::MAX_BYTES
    }
}

/// When a source was seen, and how it behaved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// When it was last seen: 24 bits of ticks of 2²⁴ ns, about three days.
    pub seen: u32,
    /// When it was entered: 16 bits of 2³⁰ ns, about twenty hours.
    pub entered: u16,
    /// SYNs since then: 8 bits; stops at [`Self::MAX_SYNS`].
    pub syns: u16,
    /// [`standing`] bits.
    pub standing: u16,
}

/// Bits of [`History::standing`].
pub mod standing {
    /// Known: it takes part in conversations.
    pub const KNOWN: u16 = 1;
    /// Banned, until the time that stands in place of the buckets.
    pub const BANNED: u16 = 1 << 1;
    /// The entry is that of a prefix, or of a source under one rule only.
    pub const PART: u16 = 1 << 2;
    /// The key is that of an IPv6 /64.
    pub const IPV6: u16 = 1 << 3;
    /// It is never banned: somebody is logged in from there.
    pub const SPARED: u16 = 1 << 4;
    /// The address is no forged one: it has completed a handshake, for which it had to receive what was sent to it.
    pub const PROVEN: u16 = 1 << 5;
    /// It has sent data in a connection that it had asked for, or says so.
    pub const SPOKE: u16 = 1 << 6;
    /// One of its connections bore fruit: it has acknowledged data of the host's. See [`crate::fruitless_sources`].
    pub const FRUITFUL: u16 = 1 << 7;
    /// It completes handshakes, minutes apart, without an attack.
    pub const REGULAR: u16 = 1 << 8;
    /// It comes time and again with whole requests in a flood of such, as detection says for a while.
    pub const RETURNS: u16 = 1 << 9;
    /// The lowest bit of how many connections it has asked for and not completed: one that it completes makes up for two.
    pub const OPENING: u16 = 1 << 11;
    /// As far as these are counted.
    pub const MOST_OPENING: u16 = 31;
    /// Set once they are 16 or more, which only others make of a client that completes what it asks for.
    pub const TOO_MANY_OPENING: u16 = 16 * OPENING;
}

impl History {
    /// Values of `seen` are below this.
    pub const SEEN_MASK: u32 = (1 << 24) - 1;
    /// The most SYNs that are counted.
    pub const MAX_SYNS: u16 = (1 << 8) - 1;

    /// How many connections the source has asked for and not completed, as far as that is counted.
    #[inline(always)]
    pub const fn openings(self) -> u16 {
        self.standing / standing::OPENING
    }

    /// Whether the source completes the connections that it asks for: of one in whose name others ask, those grow that are
    /// not completed.
    #[inline(always)]
    pub const fn completes(self) -> bool {
        self.standing & (standing::PROVEN | standing::TOO_MANY_OPENING) == standing::PROVEN
    }

    /// As it stands in [`Way::history`].
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        (self.seen & Self::SEEN_MASK) as u64
            | (self.standing as u64) << 24
            | (self.syns as u64 & Self::MAX_SYNS as u64) << 40
            | (self.entered as u64) << 48
    }

    /// From [`Way::history`].
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        Self {
            seen: word as u32 & Self::SEEN_MASK,
            standing: (word >> 24) as u16,
            syns: (word >> 40) as u16 & Self::MAX_SYNS,
            entered: (word >> 48) as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_survives_packing() {
        let history =
            History { seen: History::SEEN_MASK, entered: 0x1234, syns: History::MAX_SYNS, standing: 0xf805 };
        assert_eq!(History::unpack(history.pack()), history);
    }

    #[test]
    fn volumes_add_up() {
        let volume = Volume(Volume::one(1_500) + Volume::one(60));
        assert_eq!((volume.packets(), volume.bytes(), volume.is_full()), (2, 1_560, false));
    }
}
