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
    /// Passed: neighbour discovery from this very link (RFC 4861: hop limit 255), which no rate may cut off.
    Control = 3,
    /// Dropped: headers that contradict themselves or end too early.
    Malformed = 4,
    /// Dropped: a blocklist prefix covers the source.
    Blocked = 5,
    /// Dropped: the source is over its limit of packets/s.
    PacketRate = 6,
    /// Dropped: the source is over its limit of SYN/s.
    SynRate = 7,
    /// Passed: the filter's own tables were out of reach. Never seen unless floodwall itself is at fault.
    Fault = 8,
}

impl Reason {
    /// How many there are; the size of the counter table.
    pub const COUNT: u32 = 9;

    /// All of them, in the order of their counters.
    pub const ALL: [Self; Self::COUNT as usize] = [
        Self::Clean,
        Self::NotIp,
        Self::Trusted,
        Self::Control,
        Self::Malformed,
        Self::Blocked,
        Self::PacketRate,
        Self::SynRate,
        Self::Fault,
    ];

    /// What this reason does to the packet.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Clean | Self::NotIp | Self::Trusted | Self::Control | Self::Fault => Verdict::Pass,
            Self::Malformed | Self::Blocked | Self::PacketRate | Self::SynRate => Verdict::Drop,
        }
    }

    /// The name that people and scripts see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::NotIp => "not-ip",
            Self::Trusted => "trusted",
            Self::Control => "control",
            Self::Malformed => "malformed",
            Self::Blocked => "blocked",
            Self::PacketRate => "packet-rate",
            Self::SynRate => "syn-rate",
            Self::Fault => "fault",
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
