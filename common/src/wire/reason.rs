//! Why a packet was passed or dropped.

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on to the network stack.
    Pass,
    /// Ends at the network card.
    Drop,
}

/// The one reason that a packet leaves with; indexes the counters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Passed: no stage objected.
    Clean = 0,
    /// Passed: neither IPv4 nor IPv6 (ARP, LLDP, spanning tree …).
    NotIp = 1,
    /// Passed: an allowlist prefix covers the source.
    Trusted = 2,
    /// Passed: neighbour discovery from this very link (RFC 4861: hop limit 255), which no rate may cut
    /// off.
    Control = 3,
    /// Passed: for a time that an operator has set, everything does.
    Bypass = 4,
    /// Dropped: headers that contradict themselves or end too early.
    Malformed = 5,
    /// Dropped: a blocklist prefix covers the source.
    Blocked = 6,
    /// Dropped: the source is banned, as it has crossed a limit.
    Banned = 7,
    /// Dropped: an answer to nothing the host asked, or for a port where nothing listens, and too many of
    /// these.
    Unsolicited = 8,
    /// Dropped: a segment of no TCP connection that was asked for, and too many of these.
    OutOfState = 9,
    /// Dropped: a later fragment of a packet whose first fragment was dropped or not seen, and too many of
    /// these.
    Fragment = 10,
    /// Dropped: the headers match a signature.
    Signature = 11,
    /// Dropped: the source is over its limit of packets/s.
    PacketRate = 12,
    /// Dropped: the source is over its limit of SYN/s.
    SynRate = 13,
    /// Dropped: the source is over the rate of a rule per source.
    SourceRate = 14,
    /// Dropped: the source's prefix is over the rate of a rule per prefix.
    PrefixRate = 15,
    /// Dropped: the service is over the rate of a rule per service.
    ServiceRate = 16,
    /// Passed: the filter's own tables were out of reach. Never seen unless floodwall itself is at fault.
    Fault = 17,
    /// Dropped: a request for a connection of a source whose connections come to nothing, or that comes time and again, or
    /// more of an overdue request; while there are too many of these.
    Fruitless = 18,
    /// Dropped: a question for a name that was never asked for before, while there are too many of these.
    NewName = 19,
    /// Dropped: of nobody who is known, while the service is closed to all others. See [`crate::client`].
    Lockdown = 20,
}

/// Counters of what is only monitored: for each reason those of sources that are not known, then those of known ones.
pub const MONITOR_COUNTERS: u32 = 2 * Reason::COUNT;

impl Reason {
    /// How many there are; the size of the counter table.
    pub const COUNT: u32 = 21;

    /// All of them, in the order of their counters.
    pub const ALL: [Self; Self::COUNT as usize] = [
        Self::Clean,
        Self::NotIp,
        Self::Trusted,
        Self::Control,
        Self::Bypass,
        Self::Malformed,
        Self::Blocked,
        Self::Banned,
        Self::Unsolicited,
        Self::OutOfState,
        Self::Fragment,
        Self::Signature,
        Self::PacketRate,
        Self::SynRate,
        Self::SourceRate,
        Self::PrefixRate,
        Self::ServiceRate,
        Self::Fault,
        Self::Fruitless,
        Self::NewName,
        Self::Lockdown,
    ];

    /// What this reason does to the packet.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Clean | Self::NotIp | Self::Trusted | Self::Control | Self::Bypass | Self::Fault => {
                Verdict::Pass
            }
            _ => Verdict::Drop,
        }
    }

    /// Its bit in [`Settings::monitored`](super::Settings::monitored).
    #[inline(always)]
    pub const fn bit(self) -> u64 {
        1 << self as u32
    }

    /// Where the packets are counted that this reason would have dropped, were it not monitored, out of
    /// [`MONITOR_COUNTERS`]: those of known sources apart from others.
    #[inline(always)]
    pub const fn monitor_index(self, known: bool) -> u32 {
        self as u32 + if known { Self::COUNT } else { 0 }
    }

    /// The name that people and scripts see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::NotIp => "not-ip",
            Self::Trusted => "trusted",
            Self::Control => "control",
            Self::Bypass => "bypass",
            Self::Malformed => "malformed",
            Self::Blocked => "blocked",
            Self::Banned => "banned",
            Self::Unsolicited => "unsolicited",
            Self::OutOfState => "out-of-state",
            Self::Fragment => "fragment",
            Self::Signature => "signature",
            Self::PacketRate => "packet-rate",
            Self::SynRate => "syn-rate",
            Self::SourceRate => "source-rate",
            Self::PrefixRate => "prefix-rate",
            Self::ServiceRate => "service-rate",
            Self::Fault => "fault",
            Self::Fruitless => "fruitless",
            Self::NewName => "new-name",
            Self::Lockdown => "lockdown",
        }
    }

    /// The reason with this counter index, if there is one.
    pub fn from_index(index: u32) -> Option<Self> {
        Self::ALL.get(index as usize).copied()
    }
}

const _: () = {
    let mut i = 0;
    while i < Reason::ALL.len() {
        assert!(Reason::ALL[i] as usize == i, "Reason::ALL is not in counter order");
        i += 1;
    }
};
