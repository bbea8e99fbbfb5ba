//! Flows that leave the host, and what answers them: opened by what [`observe`](crate::outgoing::observe) sees, and asked about by
//! the stages that judge what comes in.

use crate::{
    branchless::nonzero,
    entry::{self, Entry, Event, Noted, State, ticks},
    memo,
    parse::{Packet, protocol},
    prefix::Address,
    tables::Tables,
    wire::{Line, Settings, knowledge},
};

/// How long a flow of anything but TCP is known after its last packet (RFC 4787, REQ-5, asks for 120 s at least), ticks.
const DATAGRAMS: u64 = ticks(180);
/// How long a TCP connection is known that was asked for and not confirmed, ticks: longer than it is asked for.
const OPENED: u64 = ticks(120);
/// How long a TCP connection is known that is confirmed: five days, as Linux itself has it (nf_conntrack), ticks.
const CONFIRMED: u64 = ticks(5 * 24 * 3_600);
/// How long a TCP connection is known that is over, ticks: four minutes would be two segments' lifetimes (RFC 9293), and
/// who still acknowledges what comes keeps it known.
const CLOSED: u64 = ticks(120);

/// How long ago a flow was last noted in which both ends speak, ticks: an end that receives acknowledges all the time, and
/// that is noted once a tick.
const MUTUAL: u64 = 2;

/// Protocol and ports of a DHCP client: its own, and that of servers (RFC 2131, section 4.1).
const DHCP: u64 = (protocol::UDP as u64) << 32 | 68 << 16 | 67;
/// The same of DHCP for IPv6 (RFC 8415, section 7.2).
const DHCP6: u64 = (protocol::UDP as u64) << 32 | 546 << 16 | 547;

/// A flow, as the end that sends out from here sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Protocol above IP.
    pub protocol: u8,
    /// The address on this side.
    pub local: Address,
    /// Its port.
    pub local_port: u16,
    /// The other end's address.
    pub remote: Address,
    /// Its port.
    pub remote_port: u16,
}

impl Flow {
    /// The flow that a packet which comes in belongs to.
    #[inline(always)]
    pub fn answered_by(packet: &Packet) -> Self {
        Self {
            protocol: packet.protocol,
            local: packet.destination,
            local_port: packet.destination_port,
            remote: packet.source,
            remote_port: packet.source_port,
        }
    }

    /// The flow that a packet which goes out belongs to.
    #[inline(always)]
    pub fn opened_by(packet: &Packet) -> Self {
        Self {
            protocol: packet.protocol,
            local: packet.source,
            local_port: packet.source_port,
            remote: packet.destination,
            remote_port: packet.destination_port,
        }
    }

    /// The same of any ports: that of echo requests, and of what answers them, is the two addresses, whatever asks.
    #[inline(always)]
    pub fn without_ports(self) -> Self {
        Self { local_port: 0, remote_port: 0, ..self }
    }

    /// A hash that nobody who does not know the seed can choose. It is the same for all that a DHCP client asks: it does not
    /// have its address yet, and knows none of a server.
    #[inline(always)]
    pub fn hash(&self, settings: &Settings) -> u64 {
        let seed = memo::seed(settings);
        let ports =
            u64::from(self.protocol) << 32 | u64::from(self.local_port) << 16 | u64::from(self.remote_port);
        let matters = nonzero(ports ^ DHCP) & nonzero(ports ^ DHCP6);
        let near = memo::hash(seed, self.local.high * matters, (self.local.low * matters) ^ ports);
        memo::hash(seed, (self.remote.high * matters) ^ near, self.remote.low * matters)
    }
}

#[inline(always)]
fn line<'t, T: Tables>(tables: &'t T, settings: &Settings, hash: u64) -> Option<&'t Line> {
    tables.flow_line(hash as u32 & settings.flow_mask.load() as u32)
}

/// Has an event happen to the flow with this hash. `None` if the table could not be reached.
#[inline(always)]
pub fn note<T: Tables>(
    tables: &T,
    settings: &Settings,
    hash: u64,
    event: Event,
    now_ns: u64,
) -> Option<Noted> {
    Some(entry::note(line(tables, settings, hash)?, hash, event, now_ns))
}

/// What is known of the flow with this hash, of a protocol: nothing, once its life is over. `None` if the table could not
/// be reached.
#[inline(always)]
pub fn recall<T: Tables>(
    tables: &T,
    settings: &Settings,
    protocol: u8,
    hash: u64,
    now_ns: u64,
) -> Option<Option<State>> {
    let entry = entry::recall(line(tables, settings, hash)?, hash);
    Some(match entry {
        Some(entry) if lives(protocol, entry, now_ns) => Some(entry.state),
        _ => None,
    })
}

/// Whether a packet belongs to a flow in which both ends have spoken within the last seconds, if only to end it.
#[inline(always)]
pub fn is_mutual<T: Tables>(tables: &T, settings: &Settings, packet: &Packet, now_ns: u64) -> Option<bool> {
    let hash = Flow::answered_by(packet).hash(settings);
    Some(match entry::recall(line(tables, settings, hash)?, hash) {
        None => false,
        Some(entry) => matches!(entry.state, State::Confirmed | State::Closed) && entry.age(now_ns) <= MUTUAL,
    })
}

#[inline(always)]
fn lives(protocol: u8, entry: Entry, now_ns: u64) -> bool {
    let life = match entry.state {
        _ if protocol != protocol::TCP => DATAGRAMS,
        State::Confirmed => CONFIRMED,
        State::Closed => CLOSED,
        State::Opened | State::Asked => OPENED,
    };
    entry.age(now_ns) <= life
}

/// Whether a packet belongs to a flow that has left from here; one of anything but TCP is confirmed thereby. Where answers to
/// requests for connections are not seen, these are taken to be answered.
#[inline(always)]
pub fn answers<T: Tables>(tables: &T, settings: &Settings, packet: &Packet, now_ns: u64) -> Option<bool> {
    let sees_answers = settings.knowledge.load() & knowledge::ANSWERS != 0;
    let assumed = packet.protocol == protocol::TCP && !sees_answers;
    let hash = Flow::answered_by(packet).hash(settings);
    let known = match recall(tables, settings, packet.protocol, hash, now_ns)? {
        None => false,
        Some(State::Asked) => assumed,
        Some(_) => true,
    };
    if known && packet.protocol != protocol::TCP {
        note(tables, settings, hash, Event::Confirm, now_ns)?;
    }
    Some(known)
}

/// Notes a flow of which only the beginning will be told: it is known for as long as one that is confirmed. `None` if the
/// table could not be reached.
pub fn adopt<T: Tables>(tables: &T, settings: &Settings, flow: &Flow, now_ns: u64) -> Option<Noted> {
    note(tables, settings, flow.hash(settings), Event::Confirm, now_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{HOST, Memory, NOW, SOURCE, udp},
        prefix::Address,
    };

    #[test]
    fn a_dhcp_client_is_answered_by_whoever_has_addresses() {
        let memory = Memory::new();
        let question = |own, servers| Packet {
            source: Address::v4(0),
            destination: Address::v4(u32::MAX),
            source_port: own,
            destination_port: servers,
            ..udp()
        };
        let answer = |servers, own| Packet {
            source: SOURCE,
            destination: HOST,
            source_port: servers,
            destination_port: own,
            ..udp()
        };
        for (own, servers) in [(68, 67), (546, 547)] {
            let is_known = |packet| answers(&memory, memory.set(), &packet, NOW) == Some(true);
            assert!(!is_known(answer(servers, own)), "nothing was asked");
            let hash = Flow::opened_by(&question(own, servers)).hash(memory.set());
            note(&memory, memory.set(), hash, Event::Open, NOW);
            assert!(is_known(answer(servers, own)));
            assert!(!is_known(answer(servers, own + 1)) && !is_known(answer(53, own)), "not DHCP");
        }
        let hash = Flow::opened_by(&question(1_068, 67)).hash(memory.set());
        note(&memory, memory.set(), hash, Event::Open, NOW);
        let other = Packet { source_port: 67, destination_port: 1_068, ..answer(67, 1_068) };
        assert_eq!(answers(&memory, memory.set(), &other, NOW), Some(false), "addresses matter elsewhere");
    }
}
