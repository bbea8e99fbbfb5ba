//! Which packets are shown to whom.

use floodwall_common::{prefix::Family, wire::Reason};

use crate::{
    candidate::Candidate::{self, Floodwall, Lpm, LpmAndLru, Lru, OneRead, Signed, Unlisted, XdpFilter},
    floodwall::Limits,
    frames::Frame,
    measure::Group,
    shapes,
    situation::{Situation, Spares},
    sources::{CLEAN, Window},
};

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const EVERYONE: [Candidate; 8] = [OneRead, Lpm, Lru, LpmAndLru, XdpFilter, Unlisted, Floodwall, Signed];

/// `IPv4` or `IPv6`.
pub(crate) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// Sources that are not listed, of which there are so many.
pub(crate) fn clean(family: Family, count: usize) -> String {
    format!("{} clean, {}", family_name(family), of_sources(count))
}

fn of_sources(count: usize) -> String {
    match count {
        1 => "1 source".to_owned(),
        many if many < 1_000_000 => format!("{} k sources", many / 1_000),
        many => format!("{} M sources", many / 1_000_000),
    }
}

/// One source that sends more than it may.
pub(crate) fn hot(family: Family) -> String {
    format!("{} 1 source, over its limit", family_name(family))
}

/// Sources drawn from what is listed.
pub(crate) fn blocked(family: Family) -> String {
    format!("{} blocked, in each prefix", family_name(family))
}

/// A million clean and blocked IPv4 sources where single addresses are listed.
pub(crate) const HOSTS_BLOCKED: &str = "IPv4 blocked, 1 M random /32";
/// Sources in the same /24 as listed ones.
pub(crate) const HOSTS_NEAR: &str = "IPv4 clean, beside 1 M random /32";
/// Sources in the prefixes of a routing table.
pub(crate) const TABLE_BLOCKED: &str = "IPv4 blocked, full routing table";

/// Where prefixes of all lengths are listed.
pub(crate) fn mixed(quick: bool) -> Vec<Group> {
    let mut groups = Vec::new();
    for family in FAMILIES {
        let v4 = matches!(family, Family::V4);
        for count in [1, 100_000, 1_000_000, CLEAN] {
            if !v4 && count == 1_000_000 || quick && !v4 && count == 100_000 {
                continue;
            }
            let candidates = if v4 && count != 1_000_000 { EVERYONE.to_vec() } else { without_parts() };
            groups.push(group(clean(family, count), Frame::Ack, Window::clean(family, count), candidates));
        }
        groups.push(Group {
            limits: Limits::Default,
            expected: Reason::PacketRate,
            ..group(hot(family), Frame::Ack, Window::clean(family, 1), vec![XdpFilter, Floodwall])
        });
        groups.push(blocked_group(blocked(family), Window::blocked(family)));
        for frame in [Frame::Syn, Frame::Udp, Frame::Dns] {
            if !quick {
                groups.push(group(
                    format!("{} clean, 10 M sources, {}", family_name(family), frame.name()),
                    frame,
                    Window::clean(family, CLEAN),
                    vec![XdpFilter, Floodwall, Signed],
                ));
            }
        }
    }
    groups
}

/// Where a million single IPv4 addresses are listed.
pub(crate) fn hosts() -> Vec<Group> {
    let candidates = vec![OneRead, LpmAndLru, Floodwall];
    vec![
        blocked_group(HOSTS_BLOCKED.to_owned(), Window::blocked(Family::V4)),
        group(HOSTS_NEAR.to_owned(), Frame::Ack, Window::clean(Family::V4, CLEAN), candidates),
    ]
}

/// Where a routing table of so many IPv4 prefixes is listed.
pub(crate) fn routing_table(prefixes: usize) -> Vec<Group> {
    let window = Window::blocked(Family::V4).up_to(prefixes.min(shapes::PREFIXES_V4));
    vec![blocked_group(TABLE_BLOCKED.to_owned(), window)]
}

/// Packets of connections that are known.
pub(crate) fn connected(count: usize) -> String {
    format!("IPv4 {} of a known connection", of_sources(count))
}

/// What is dropped of an attack, by what drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hostile {
    /// Requests for connections that a signature tells.
    Signature,
    /// Likewise, by one that spares known sources.
    NewSources,
    /// Likewise, by one that challenges who it matches.
    Challenge,
    /// Datagrams that nobody asked for.
    Unsolicited,
    /// Segments of no connection.
    OutOfState,
    /// Packets that are cut short.
    Malformed,
    /// Requests from prefixes of which there are few, and large ones.
    ShortPrefix,
}

impl Hostile {
    pub(crate) const ALL: [Self; 7] = [
        Self::Signature,
        Self::NewSources,
        Self::Challenge,
        Self::Unsolicited,
        Self::OutOfState,
        Self::Malformed,
        Self::ShortPrefix,
    ];

    /// The row about packets from so many sources.
    pub(crate) fn row(self, count: usize) -> String {
        let what = match self {
            Self::Signature => "SYN, signature",
            Self::NewSources => "SYN, signature on new sources",
            Self::Challenge => "SYN, challenged",
            Self::Unsolicited => "UDP, unsolicited",
            Self::OutOfState => "ACK, out of state",
            Self::Malformed => "malformed",
            Self::ShortPrefix => "SYN, in a /8",
        };
        format!("IPv4 {what}, {}", of_sources(count))
    }

    /// Random reads that it may cost beside what it costs with one source, whose lines are all in a cache: as many as there are
    /// tables without which the packet cannot be judged, and a fifth. Of a challenge there is no row with one source.
    pub(crate) const fn reads(self) -> f64 {
        match self {
            Self::Signature | Self::Malformed | Self::ShortPrefix => 0.0,
            Self::NewSources | Self::Challenge | Self::Unsolicited => 1.2,
            Self::OutOfState => 2.0,
        }
    }

    fn group(self, count: usize) -> Group {
        let (frame, situation, expected) = match self {
            Self::Signature => (Frame::Syn, Situation::Signed(Spares::Nobody), Reason::Signature),
            Self::NewSources => (Frame::Syn, Situation::Signed(Spares::Known), Reason::Signature),
            Self::Challenge => (Frame::BareSyn, Situation::Signed(Spares::WhoIsThere), Reason::Signature),
            Self::Unsolicited => (Frame::Udp, Situation::Attack, Reason::Unsolicited),
            Self::OutOfState => (Frame::Stray, Situation::Attack, Reason::OutOfState),
            Self::Malformed => (Frame::Cut, Situation::Attack, Reason::Malformed),
            Self::ShortPrefix => (Frame::Syn, Situation::Attack, Reason::Blocked),
        };
        let mut candidates = vec![OneRead, Floodwall];
        // xdp-filter takes headers that are cut short for a fault of its own (`XDP_ABORTED`).
        if self != Self::Malformed {
            candidates.push(XdpFilter);
        }
        let window = Window::clean(Family::V4, count);
        Group { situation, expected, ..group(self.row(count), frame, window, candidates) }
    }
}

/// What an attack sends, where prefixes of all lengths are listed; and the packets of connections meanwhile.
pub(crate) fn hostile() -> Vec<Group> {
    let told = Hostile::ALL.into_iter().filter(|hostile| *hostile != Hostile::ShortPrefix);
    let mut groups: Vec<Group> = told.flat_map(one_and_many).collect();
    for count in [1, 100_000, 1_000_000] {
        let window = Window::clean(Family::V4, count);
        groups.push(Group {
            situation: Situation::Peace,
            connected: true,
            ..group(connected(count), Frame::Ack, window, vec![OneRead, XdpFilter, Floodwall])
        });
    }
    groups
}

/// Where few and large prefixes are listed.
pub(crate) fn short_prefixes() -> Vec<Group> {
    one_and_many(Hostile::ShortPrefix)
}

/// The same from one source and from as many as there are. Of one, a request that is challenged is soon one that comes again.
fn one_and_many(hostile: Hostile) -> Vec<Group> {
    let counts = [1, CLEAN].into_iter().filter(|count| *count > 1 || hostile != Hostile::Challenge);
    counts.map(|count| hostile.group(count)).collect()
}

fn without_parts() -> Vec<Candidate> {
    vec![OneRead, LpmAndLru, XdpFilter, Unlisted, Floodwall, Signed]
}

fn blocked_group(name: String, window: Window) -> Group {
    let candidates = vec![OneRead, Lpm, Floodwall];
    Group { expected: Reason::Blocked, ..group(name, Frame::Syn, window, candidates) }
}

/// Of packets that pass.
fn group(name: String, frame: Frame, window: Window, candidates: Vec<Candidate>) -> Group {
    // A single source reaches the benchmark's full speed, and would be over any limit that one can set.
    let limits = if window.count == 1 { Limits::OutOfReach } else { Limits::Default };
    let situation = Situation::FreshInstall;
    Group { name, frame, window, limits, situation, connected: false, candidates, expected: Reason::Clean }
}
