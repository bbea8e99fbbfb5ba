//! Which packets are shown to whom.

use floodwall_common::{prefix::Family, wire::Reason};

use crate::{
    candidate::Candidate::{self, Floodwall, Lpm, LpmAndLru, Lru, OneRead, Signed, Unlisted, XdpFilter},
    floodwall::Limits,
    frames::Frame,
    measure::Group,
    shapes,
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
    let sources = match count {
        1 => "1 source".to_owned(),
        many if many < 1_000_000 => format!("{} k sources", many / 1_000),
        many => format!("{} M sources", many / 1_000_000),
    };
    format!("{} clean, {sources}", family_name(family))
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
    Group { name, frame, window, limits, candidates, expected: Reason::Clean }
}
