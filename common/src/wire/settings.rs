//! What the controller tells the kernel program.

use super::{MAX_SERVICES, Word};

/// A token bucket's rate and depth, packed into one word so that a change takes effect at once.
///
/// The bucket is kept by virtual scheduling (GCRA, ITU-T I.371): a packet advances the bucket's time by
/// `increment`, and conforms while that time is at most `tolerance` ahead of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketSpec {
    /// Time between packets at the limit, in units of 64 ns, or, with the bit [`Self::FINE`], in 2⁻¹⁶ of them; 0 means no limit.
    pub increment: u32,
    /// How far ahead of the clock a bucket may run, in units of 64 ns: (burst - 1) × increment.
    pub tolerance: u32,
}

impl BucketSpec {
    /// Takes nothing, and leaves a bucket as far ahead as it is.
    pub const UNTOUCHED: Self = Self { increment: 0, tolerance: u32::MAX >> 1 };
    /// Nanoseconds in a unit of bucket time, as a shift.
    pub const UNIT_SHIFT: u32 = 6;
    /// Units in a second.
    pub const UNITS_PER_SECOND: u64 = 1_000_000_000 >> Self::UNIT_SHIFT;
    /// Highest rate in whole units, per second: it keeps the rounding of `increment` under 2 %. Above it the increment is fine.
    pub const MAX_WHOLE_RATE: u64 = 400_000;
    /// Of an increment in fractions of a unit.
    pub const FINE: u32 = 1 << 31;
    /// These fractions, as a shift.
    pub const FINE_SHIFT: u32 = 16;
    /// Highest rate, per second: more packets than a link of 100 Gbit/s carries. What is offered beyond it still is less than a
    /// packet per ns, so that [`Self::cost`] can be told another number each time.
    pub const MAX_RATE: u64 = 200_000_000;
    /// Longest time that a burst may take to drain, in seconds; bucket times are compared modulo 2³².
    pub const MAX_DRAIN_SECONDS: u64 = 60;

    /// The bucket that lets `rate` packets/s through after a burst of `burst`.
    ///
    /// `None` if the rate is 0 or above [`Self::MAX_RATE`], the burst is 0, or the burst would take longer
    /// than [`Self::MAX_DRAIN_SECONDS`] to drain.
    pub const fn new(rate: u64, burst: u64) -> Option<Self> {
        if rate == 0 || rate > Self::MAX_RATE || burst == 0 || burst > rate * Self::MAX_DRAIN_SECONDS {
            return None;
        }
        let (shift, mark) = if rate > Self::MAX_WHOLE_RATE { (Self::FINE_SHIFT, Self::FINE) } else { (0, 0) };
        let increment = ((Self::UNITS_PER_SECOND << shift) + rate / 2) / rate;
        Some(Self {
            increment: increment as u32 | mark,
            tolerance: (((burst - 1) * increment) >> shift) as u32,
        })
    }

    /// What a packet costs, in units of 64 ns. Of a fine increment the fraction is rounded up as often as it says, by `dither`:
    /// a number below 2¹⁶ that is another one each time.
    #[inline(always)]
    pub const fn cost(self, dither: u32) -> u32 {
        // Without branches: of whole increments both are 0.
        let is_fine = self.increment >> 31;
        ((self.increment & !Self::FINE) + dither * is_fine) >> (is_fine * Self::FINE_SHIFT)
    }

    /// How many packets conform at once while the bucket is `room` units short of its tolerance; `None` without a limit.
    pub const fn packets_in(self, room: u32) -> Option<u64> {
        let is_fine = self.increment & Self::FINE != 0;
        let room = if is_fine { (room as u64) << Self::FINE_SHIFT } else { room as u64 };
        match room.checked_div((self.increment & !Self::FINE) as u64) {
            Some(more) => Some(more + 1),
            None => None,
        }
    }

    /// As it stands in [`Settings`].
    pub const fn pack(self) -> u64 {
        self.increment as u64 | (self.tolerance as u64) << 32
    }

    /// From [`Settings`].
    #[inline(always)]
    pub const fn unpack(word: u64) -> Self {
        Self { increment: word as u32, tolerance: (word >> 32) as u32 }
    }
}

/// The single entry of the settings map.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Settings {
    /// [`ABI_VERSION`](super::ABI_VERSION) of whoever made the maps.
    pub abi: Word,
    /// Bit 0 names the half of the prefix roots and bitmaps that packets are judged by.
    pub generation: Word,
    /// 0: the kernel's clock; otherwise the time in ns that the program is to believe (replay, tests).
    pub clock: Word,
    /// Secrets of the tables' hashes, drawn anew at each boot; the multipliers are odd.
    pub seed: [Word; 3],
    /// Number of sets in the source table less one (a power of two less one).
    pub source_mask: Word,
    /// Until this time every packet passes, ns.
    pub bypass_until: Word,
    /// Bits by [`Reason`](super::Reason): what only counts, and does not drop.
    pub monitored: Word,
    /// [`knowledge`] bits.
    pub knowledge: Word,
    /// Ranges that destinations are divided into; 0: all are of the first class.
    pub destinations: Word,
    /// Which half of the [signatures](super::signature) is in force: 0: none, 1: the first, 2: the second.
    pub signatures: Word,
    /// Packets/s of a source: a packed [`BucketSpec`].
    pub packet_bucket: Word,
    /// SYN/s of a source: a packed [`BucketSpec`].
    pub syn_bucket: Word,
    /// How long a source is banned that crosses the limit of packets/s, ns; 0: it is only limited.
    pub packet_ban: Word,
    /// How long a source is banned that crosses the limit of SYN/s, ns; 0: it is only limited.
    pub syn_ban: Word,
    /// How many packets/s may come that claim to be answers and are not, of each [`Suspicion`]: a packed
    /// [`BucketSpec`].
    pub suspect_bucket: Word,
    /// Services that are attacked, a bit each by their number: there, being one of few makes nobody known.
    pub attacked: Word,
    /// Time between drop events on one CPU, ns; 0 tells of none.
    pub event_interval: Word,
    /// Time between samples on one CPU, ns; 0 takes none.
    pub sample_interval: Word,
    /// Bans that nobody was told of, as the ring buffer had no room or the controller itself made them; the source table
    /// holds them.
    pub lost_bans: Word,
    /// Number of lines in the table of flows less one (a power of two less one).
    pub flow_mask: Word,
    /// [`spared`] bits.
    pub spared: Word,
    /// When the attack began that goes on, or the first of those that do, ns.
    pub attacked_since: Word,
    /// Indices of interfaces that lead to the outside, two a word; unused ones are 0.
    pub outside: [Word; MAX_OUTSIDE / 2],
    /// The bucket of segments that pass as they come again: a time in units of 64 ns, of which all 64 bits count.
    pub retransmissions: Word,
    /// The bucket of ICMP errors about flows that are known, likewise.
    pub errors: Word,
    /// Services that new connections are refused for to sources whose connections come to nothing, a bit each by their
    /// number.
    pub refuses_fruitless: Word,
    /// [`families`] bits: those in which what is held against what has left, and the host's sockets, only counts.
    pub unprovable: Word,
    /// Until this time, ns, the controller answers for what was decided by itself: see [`lapsed`](Settings::lapsed). 0: for
    /// ever.
    pub lease_until: Word,
    /// Bits by [`Reason`](super::Reason): what only counts, and does not drop, once the lease has lapsed.
    pub lapsing: Word,
    /// Services for which questions for new names are limited, a bit each by their number: see [`crate::dns_names`].
    pub limits_names: Word,
    /// The secret of [challenges](crate::challenge), drawn anew with the maps.
    pub challenge_key: [Word; 2],
    /// The secrets of the memory of [clients](crate::client), which outlives the maps.
    pub client_seed: [Word; 3],
    /// The bucket of echo replies that somebody here has asked for: a time in units of 64 ns, of which all 64 bits count.
    pub echoes: Word,
}

/// Most interfaces that lead to the outside.
pub const MAX_OUTSIDE: usize = 16;

impl Settings {
    /// Whether the controller has not been heard of for so long that nobody answers any more for what was decided by itself:
    /// what was found, whom was banned, what listens, which conditions hold. What operators have said holds on.
    #[inline(always)]
    pub fn lapsed(&self, now_ns: u64) -> bool {
        self.lease_until.load().wrapping_sub(1) < now_ns
    }

    /// Whether a service is attacked.
    #[inline(always)]
    pub fn is_attacked(&self, service: u32) -> bool {
        self.attacked.load() >> (service & (MAX_SERVICES - 1)) & 1 != 0
    }

    /// Whether new connections are refused for a service to sources whose connections come to nothing.
    #[inline(always)]
    pub fn refuses_fruitless(&self, service: u32) -> bool {
        self.refuses_fruitless.load() >> (service & (MAX_SERVICES - 1)) & 1 != 0
    }

    /// Whether questions for new names are limited that come for a service.
    #[inline(always)]
    pub fn limits_names(&self, service: u32) -> bool {
        self.limits_names.load() >> (service & (MAX_SERVICES - 1)) & 1 != 0
    }
}

const _: () = assert!(MAX_SERVICES == u64::BITS);

/// Bits of [`Settings::spared`]: whom the limits that hold for every source leave alone.
pub mod spared {
    /// That of packets: known sources, while the service that their packets are for is not attacked; in an attack those that
    /// were there for half a minute before one began.
    pub const PACKETS_OF_KNOWN: u64 = 1;
    /// That of SYNs, likewise.
    pub const SYNS_OF_KNOWN: u64 = 1 << 1;
    /// That of packets: flows in which both ends speak.
    pub const FLOWS: u64 = 1 << 2;
}

/// Bits of [`Settings::unprovable`].
pub mod families {
    use crate::prefix::Family;

    /// IPv4.
    pub const V4: u64 = 1;
    /// IPv6.
    pub const V6: u64 = 1 << 1;
    /// Both.
    pub const BOTH: u64 = V4 | V6;

    /// That of a family.
    #[inline(always)]
    pub const fn bit(family: Family) -> u64 {
        1 << family as u32
    }
}

/// Bits of [`Settings::knowledge`].
pub mod knowledge {
    /// The ports say where something listens.
    pub const PORTS: u64 = 1;
    /// Every flow that leaves is noted, whoever on this side of the interface has sent it.
    pub const FLOWS: u64 = 1 << 1;
    /// The kernel's sockets can be asked.
    pub const SOCKETS: u64 = 1 << 2;
    /// Connections that were open when floodwall was started have been seen by now: a segment of one that was never
    /// asked for is a segment out of state.
    pub const CONNECTIONS: u64 = 1 << 4;
    /// It is seen what the host answers: requests for connections are counted where they are answered.
    pub const ANSWERS: u64 = 1 << 5;
    /// Requests for connections can be answered with a [challenge](crate::challenge).
    pub const CHALLENGES: u64 = 1 << 6;
    /// Questions for a name server can be answered with a [truncated answer](crate::truncation).
    pub const TRUNCATION: u64 = 1 << 7;
}

/// Why a packet may be bogus, though nothing in its headers is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Suspicion {
    /// TCP to a port where nothing listens, or a SYN-ACK: the host has opened no such connection.
    Tcp = 0,
    /// UDP to a port where nothing listens: the host has asked nothing there.
    Udp = 1,
    /// A TCP segment to a port where something listens, from a source that never asked for a connection.
    OutOfState = 2,
    /// A later fragment of a packet whose first fragment was not seen.
    Fragment = 3,
    /// An ICMP error about a packet of a flow that is not known.
    Error = 4,
}

impl Suspicion {
    /// How many there are.
    pub const COUNT: usize = 5;
}

const _: () = assert!(size_of::<Settings>() == 360 && core::mem::offset_of!(Settings, outside) == 192);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_survives_packing() {
        let spec = BucketSpec::new(10_000, 20_000).expect("valid");
        assert_eq!(BucketSpec::unpack(spec.pack()), spec);
        assert_eq!(spec.increment, 1563);
    }

    #[test]
    fn limits_that_the_arithmetic_cannot_hold_are_refused() {
        for (rate, burst) in [(0, 1), (1, 0), (1, 61), (BucketSpec::MAX_RATE + 1, 1)] {
            assert_eq!(BucketSpec::new(rate, burst), None, "{rate}/s burst {burst}");
        }
        let most = BucketSpec::MAX_RATE;
        assert!(BucketSpec::new(1, 60).is_some() && BucketSpec::new(most, 1).is_some());
        for rate in [1, BucketSpec::MAX_WHOLE_RATE, BucketSpec::MAX_WHOLE_RATE + 1, 148_809_523, most] {
            let burst = rate * BucketSpec::MAX_DRAIN_SECONDS;
            assert_eq!(BucketSpec::new(rate, burst + 1), None);
            let deepest = BucketSpec::new(rate, burst).expect("the longest burst");
            // Times are compared modulo 2³², and a bucket may get further ahead than its tolerance: see `token_bucket`.
            assert!(deepest.tolerance < 1 << 30, "{rate}/s: {deepest:?}");
        }
    }

    #[test]
    fn packets_of_fast_links_cost_fractions_of_a_unit() {
        // What a link of 100 Gbit/s carries of the smallest packets: 0.105 units each.
        let spec = BucketSpec::new(148_809_523, 1_000_000).expect("valid");
        assert_eq!((spec.increment & !BucketSpec::FINE, spec.tolerance), (6_881, 104_995));
        let costs: u32 = (0..1 << 16).map(|dither| spec.cost(dither)).sum();
        assert_eq!(costs, 6_881, "over all of the fractions");
        assert_eq!(spec.packets_in(spec.tolerance), Some(999_994));
        let whole = BucketSpec::new(BucketSpec::MAX_WHOLE_RATE, 10).expect("valid");
        assert_eq!(
            (whole.cost(0), whole.cost(0xffff), whole.packets_in(whole.tolerance)),
            (39, 39, Some(10))
        );
        assert_eq!((BucketSpec::UNTOUCHED.cost(0xffff), BucketSpec::default().packets_in(7)), (0, None));
    }
}
