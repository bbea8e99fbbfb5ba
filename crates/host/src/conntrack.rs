//! Connections that the kernel tracks for its packet filter and for the translation of addresses (nf_conntrack): those of
//! whom the host forwards for stand in no table of sockets.
//!
//! They are asked for by netlink, and not read from `/proc/net/nf_conntrack`: that file is not there on many distributions'
//! kernels, is text of which every line has to be taken apart, and takes several times as long.

use std::{fs, io, net::IpAddr};

use anyhow::Context as _;
use floodwall_common::parse::protocol;
use netlink_packet_netfilter::{
    NetfilterMessageInner,
    conntrack::{
        ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo, ProtoInfoTCP, ProtoTuple, Status, Tuple,
    },
};

use crate::dump;

/// How many connections are tracked, in this network namespace (nf_conntrack-sysctl.rst). To ask by netlink where it is not
/// there would load the kernel's modules for it.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
/// `TCP_CONNTRACK_ESTABLISHED` up to `TCP_CONNTRACK_LAST_ACK` (`include/uapi/linux/netfilter/nf_conntrack_tcp.h`).
const OPEN: std::ops::RangeInclusive<u8> = 3..=6;

/// One direction of a connection, as its packets are before anything is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Who sends.
    pub source: IpAddr,
    /// From which port.
    pub source_port: u16,
    /// To whom.
    pub destination: IpAddr,
    /// To which port.
    pub destination_port: u16,
}

/// A connection of TCP or an exchange by UDP in which both ends have spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// UDP, else TCP.
    pub udp: bool,
    /// From who began.
    pub original: Direction,
    /// Back to who began: not the other way round where addresses are translated.
    pub reply: Direction,
}

/// Shows `take` every connection in which both ends have spoken, for as long as it wants another. Says whether it has seen
/// all of them. Where nothing is tracked there are none.
///
/// # Errors
///
/// If they could not be read.
pub fn tracked(mut take: impl FnMut(Tracked) -> bool) -> anyhow::Result<bool> {
    match fs::read_to_string(COUNT) {
        Ok(count) if count.trim() == "0" => return Ok(true),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error).with_context(|| format!("reading {COUNT}")),
    }
    dump::netfilter(ConntrackMessage::Get(Vec::new()), |entry| read(entry).is_none_or(&mut take))
        .context("asking which connections the kernel tracks")
}

/// What an entry says, if it is of a connection in which both ends have spoken.
fn read(message: &NetfilterMessageInner) -> Option<Tracked> {
    let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) = message else { return None };
    let (mut original, mut reply, mut spoken, mut is_open) = (None, None, false, true);
    for attribute in attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(tuple) => original = direction(tuple),
            ConntrackAttribute::CtaTupleReply(tuple) => reply = direction(tuple),
            // A single segment with ACK makes an entry that is said to be established.
            ConntrackAttribute::CtaStatus(status) => spoken = status.contains(Status::SeenReply),
            ConntrackAttribute::CtaProtoInfo(of) => is_open = of.iter().all(is_open_tcp),
            _ => {}
        }
    }
    let ((number, original), (_, reply)) = (original?, reply?);
    let udp = match number {
        protocol::TCP => false,
        protocol::UDP => true,
        _ => return None,
    };
    (spoken && is_open).then_some(Tracked { udp, original, reply })
}

fn is_open_tcp(of: &ProtoInfo) -> bool {
    match of {
        ProtoInfo::TCP(of) => {
            of.iter().all(|of| !matches!(of, ProtoInfoTCP::State(state) if !OPEN.contains(state)))
        }
        _ => true,
    }
}

/// The protocol, and one direction.
fn direction(tuple: &[Tuple]) -> Option<(u8, Direction)> {
    let (mut source, mut destination, mut source_port, mut destination_port, mut protocol) =
        (None, None, None, None, None);
    for part in tuple {
        match part {
            Tuple::Ip(parts) => {
                for part in parts {
                    match part {
                        IPTuple::SourceAddress(address) => source = Some(*address),
                        IPTuple::DestinationAddress(address) => destination = Some(*address),
                        _ => {}
                    }
                }
            }
            Tuple::Proto(parts) => {
                for part in parts {
                    match part {
                        ProtoTuple::Protocol(number) => protocol = Some(u8::from(*number)),
                        ProtoTuple::SourcePort(port) => source_port = Some(*port),
                        ProtoTuple::DestinationPort(port) => destination_port = Some(*port),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let direction = Direction {
        source: source?,
        source_port: source_port?,
        destination: destination?,
        destination_port: destination_port?,
    };
    Some((protocol?, direction))
}

#[cfg(test)]
mod tests {
    use netlink_packet_netfilter::conntrack::Protocol;

    use super::*;

    const INSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 98, 0, 2));
    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));
    const REMOTE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    fn tuple(protocol: Protocol, from: (IpAddr, u16), to: (IpAddr, u16)) -> Vec<Tuple> {
        vec![
            Tuple::Ip(vec![IPTuple::SourceAddress(from.0), IPTuple::DestinationAddress(to.0)]),
            Tuple::Proto(vec![
                ProtoTuple::Protocol(protocol),
                ProtoTuple::SourcePort(from.1),
                ProtoTuple::DestinationPort(to.1),
            ]),
        ]
    }

    fn entry(protocol: Protocol, status: Status, state: Option<u8>) -> NetfilterMessageInner {
        let mut attributes = vec![
            ConntrackAttribute::CtaTupleOrig(tuple(protocol, (INSIDE, 40_000), (REMOTE, 443))),
            ConntrackAttribute::CtaTupleReply(tuple(protocol, (REMOTE, 443), (OWN, 1_024))),
            ConntrackAttribute::CtaStatus(status),
        ];
        let of =
            |state| ConntrackAttribute::CtaProtoInfo(vec![ProtoInfo::TCP(vec![ProtoInfoTCP::State(state)])]);
        attributes.extend(state.map(of));
        NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes))
    }

    #[test]
    fn both_directions_are_read_as_packets_come() {
        let way = |source, source_port, destination, destination_port| Direction {
            source,
            source_port,
            destination,
            destination_port,
        };
        let expected = |udp| Tracked {
            udp,
            original: way(INSIDE, 40_000, REMOTE, 443),
            reply: way(REMOTE, 443, OWN, 1_024),
        };
        assert_eq!(read(&entry(Protocol::Tcp, Status::SeenReply, Some(3))), Some(expected(false)));
        assert_eq!(read(&entry(Protocol::Udp, Status::SeenReply, None)), Some(expected(true)));
    }

    #[test]
    fn only_connections_in_which_both_ends_have_spoken_are_read() {
        let both = Status::SeenReply | Status::Confirmed;
        assert!(read(&entry(Protocol::Tcp, Status::Confirmed, Some(3))).is_none(), "a segment from anybody");
        assert!(read(&entry(Protocol::Udp, Status::Confirmed, None)).is_none());
        assert!(read(&entry(Protocol::Icmp, both, None)).is_none());
        let open: Vec<u8> =
            (0..=14).filter(|state| read(&entry(Protocol::Tcp, both, Some(*state))).is_some()).collect();
        assert_eq!(open, [3, 4, 5, 6], "not yet, or not any more");
    }
}
