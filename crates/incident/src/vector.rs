//! Kinds of attack by their usual names, and which kind a packet or a signature belongs to.

use crate::input::{Excess, SampledPacket};

pub(crate) const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// A kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Vector {
    /// Its name for scripts.
    pub(crate) name: &'static str,
    /// Its name for people.
    pub(crate) words: &'static str,
    /// Whether it works with forged sources, so that sources that are seen once indicate these.
    pub(crate) forgeable: bool,
    /// Whether its packets may also belong to complete connections.
    pub(crate) of_connections: bool,
    /// Whether its packets carry data on a connection or end it.
    pub(crate) ends_or_sends: bool,
}

const fn vector(name: &'static str, words: &'static str) -> Vector {
    Vector { name, words, forgeable: false, of_connections: false, ends_or_sends: false }
}

const fn forgeable(name: &'static str, words: &'static str) -> Vector {
    Vector { forgeable: true, ..vector(name, words) }
}

const fn segments(kind: Vector, ends_or_sends: bool) -> Vector {
    Vector { of_connections: true, ends_or_sends, ..kind }
}

pub(crate) const SYN_FLOOD: Vector = segments(forgeable("syn-flood", "SYN flood"), false);
const UDP_FLOOD: Vector = vector("udp-flood", "UDP flood");
pub(crate) const CONNECTIONS: Vector =
    segments(vector("connection-flood", "flood of connections that come to nothing"), false);
pub(crate) const RANDOM_NAMES: Vector =
    vector("dns-random-names", "DNS flood of random names (water torture)");
const FRAGMENTS: Vector = forgeable("fragment-flood", "flood of fragments");
pub(crate) const ACKS: Vector = segments(forgeable("ack-flood", "ACK flood"), false);
pub(crate) const FINS: Vector = segments(forgeable("fin-flood", "FIN flood"), true);
pub(crate) const DNS_QUERIES: Vector = vector("dns-query-flood", "DNS query flood");
/// Complete connections, which sources open, use and close.
pub(crate) const WHOLE_CONNECTIONS: Vector = vector("connection-flood", "flood of whole TCP connections");

/// Connections that nothing drops.
pub(crate) const FEW_SOURCES: Vector = vector("connection-flood", "many connections of");
const SSDP: Vector = vector("ssdp-reflection", "SSDP reflection");

/// UDP services that amplify, by their port (US-CERT TA14-017A, and later observations).
const REFLECTORS: [(u16, Vector); 26] = [
    (17, vector("qotd-reflection", "QOTD reflection")),
    (19, vector("chargen-reflection", "CharGEN reflection")),
    (53, vector("dns-reflection", "DNS reflection")),
    (69, vector("tftp-reflection", "TFTP reflection")),
    (111, vector("portmap-reflection", "Portmap reflection")),
    (123, vector("ntp-reflection", "NTP reflection")),
    (137, vector("netbios-reflection", "NetBIOS reflection")),
    (161, vector("snmp-reflection", "SNMP reflection")),
    (177, vector("xdmcp-reflection", "XDMCP reflection")),
    (389, vector("cldap-reflection", "CLDAP reflection")),
    (427, vector("slp-reflection", "SLP reflection")),
    (500, vector("isakmp-reflection", "ISAKMP reflection")),
    (520, vector("rip-reflection", "RIP reflection")),
    (623, vector("ipmi-reflection", "IPMI reflection")),
    (1434, vector("mssql-reflection", "MS SQL reflection")),
    (1900, SSDP),
    (3283, vector("ard-reflection", "Apple Remote Desktop reflection")),
    (3389, vector("rdp-reflection", "RDP reflection")),
    (3478, vector("stun-reflection", "STUN reflection")),
    (3702, vector("ws-discovery-reflection", "WS-Discovery reflection")),
    (4_500, vector("isakmp-reflection", "ISAKMP reflection (NAT-T)")),
    (5353, vector("mdns-reflection", "mDNS reflection")),
    (5683, vector("coap-reflection", "CoAP reflection")),
    (10_001, vector("ubiquiti-reflection", "Ubiquiti discovery reflection")),
    (11_211, vector("memcached-reflection", "memcached reflection")),
    (27_015, vector("steam-reflection", "Source engine reflection")),
];

/// The kind that a packet belongs to, if it is part of an attack.
pub(crate) fn of_packet(packet: &SampledPacket) -> Vector {
    if packet.reason == "new-name" {
        return RANDOM_NAMES;
    }
    if packet.reason == "fruitless" {
        return CONNECTIONS;
    }
    if packet.later_fragment || packet.reason == "fragment" {
        return FRAGMENTS;
    }
    if packet.ssdp {
        return SSDP;
    }
    let traits = Traits {
        protocol: packet.protocol,
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        flags: packet.tcp_flags,
        has_data: packet.has_data,
    };
    traits.vector()
}

/// The kind that a signature such as `tcp flags=syn window=0 len=40` describes; `None` if it does not determine one.
pub(crate) fn of_signature(text: &str) -> Option<Vector> {
    let mut protocol = None;
    let mut traits = Traits::default();
    for term in text.split_whitespace() {
        match term.split_once('=') {
            None => protocol = protocol.or(protocol_of(term)),
            Some(("proto", values)) => protocol = first(values).or_else(|| protocol_of(values)),
            Some(("sport", values)) => traits.source_port = first(values).unwrap_or_default(),
            Some(("dport", values)) => traits.destination_port = first(values).unwrap_or_default(),
            Some(("data", values)) => traits.has_data = values != "0",
            Some(("flags", values)) => traits.flags = flags_of(values),
            Some(("form", values)) if values.contains("later-fragment") => return Some(FRAGMENTS),
            Some(_) => {}
        }
    }
    traits.protocol = protocol?;
    if matches!(traits.protocol, ICMP | ICMPV6) {
        // For ICMP, `flags` is the type and `dport` the code.
        traits.destination_port |= u16::from(traits.flags) << 8;
    }
    Some(traits.vector())
}

/// The most likely kind for what detection has found too much of.
pub(crate) fn of_excess(excess: Excess) -> Vector {
    match excess {
        Excess::Openings => SYN_FLOOD,
        Excess::Segments => vector("tcp-flood", "flood of TCP segments of no connection"),
        Excess::Datagrams => UDP_FLOOD,
        Excess::Unasked => vector("unasked-udp", "flood of datagrams that nobody asked for"),
        Excess::Others => vector("other-flood", "flood of fragments or of protocols other than TCP and UDP"),
        Excess::Fruitless => CONNECTIONS,
        Excess::Names => RANDOM_NAMES,
        Excess::Returning => WHOLE_CONNECTIONS,
    }
}

/// The header fields that determine the kind.
#[derive(Default)]
struct Traits {
    protocol: u8,
    source_port: u16,
    destination_port: u16,
    flags: u8,
    has_data: bool,
}

impl Traits {
    fn vector(&self) -> Vector {
        match self.protocol {
            TCP => self.tcp(),
            UDP => self.udp(),
            ICMP | ICMPV6 => self.icmp(),
            47 => forgeable("gre-flood", "GRE flood"),
            50 => forgeable("esp-flood", "ESP flood"),
            132 => forgeable("sctp-flood", "SCTP flood"),
            _ => forgeable("other-protocol-flood", "flood of another protocol"),
        }
    }

    fn tcp(&self) -> Vector {
        match self.flags & (FIN | SYN | RST | PSH | ACK) {
            flags if is_syn(flags) => SYN_FLOOD,
            flags if flags & (SYN | ACK) == SYN | ACK => vector("syn-ack-reflection", "SYN-ACK reflection"),
            flags if flags & RST != 0 => segments(forgeable("rst-flood", "RST flood"), true),
            0 => forgeable("tcp-null-flood", "TCP flood without flags"),
            flags if flags & ACK == 0 => forgeable("tcp-odd-flood", "TCP flood with odd flags"),
            _ if self.has_data => segments(vector("tcp-data-flood", "flood of TCP data"), true),
            flags if flags & FIN != 0 => FINS,
            _ => ACKS,
        }
    }

    fn udp(&self) -> Vector {
        let reflector = REFLECTORS.iter().find(|(port, _)| *port == self.source_port);
        match (reflector, self.destination_port) {
            (Some((_, vector)), _) => *vector,
            (None, 53) => DNS_QUERIES,
            (None, 443) => vector("quic-flood", "UDP flood on the port of QUIC"),
            _ => UDP_FLOOD,
        }
    }

    fn icmp(&self) -> Vector {
        let kind = self.destination_port >> 8;
        match (self.protocol, kind) {
            (ICMP, 8) | (ICMPV6, 128) => vector("ping-flood", "ICMP echo flood"),
            (ICMP, 0) | (ICMPV6, 129) => vector("smurf", "reflection of ICMP echo replies"),
            (ICMP, 3) | (ICMPV6, 1) => {
                vector("icmp-unreachable-flood", "flood of ICMP unreachable (BlackNurse)")
            }
            (ICMP, 11) | (ICMPV6, 3) => vector("icmp-exceeded-flood", "flood of ICMP time exceeded"),
            _ => vector("icmp-flood", "ICMP flood"),
        }
    }
}

/// Whether TCP flags are those of a request for a connection.
pub(crate) const fn is_syn(flags: u8) -> bool {
    flags & (SYN | ACK) == SYN
}

fn protocol_of(name: &str) -> Option<u8> {
    match name {
        "tcp" => Some(TCP),
        "udp" => Some(UDP),
        "icmp" => Some(ICMP),
        "icmpv6" => Some(ICMPV6),
        _ => None,
    }
}

/// The first value of a list of values or ranges.
fn first<T: std::str::FromStr>(values: &str) -> Option<T> {
    values.split([',', '-']).next()?.parse().ok()
}

/// TCP flags as a signature writes them. A number is the type of ICMP.
fn flags_of(values: &str) -> u8 {
    let one = values.split(',').next().unwrap_or_default();
    if let Ok(number) = one.parse() {
        return number;
    }
    let set = one.split('/').next().unwrap_or_default();
    let bit = |name: &str| match name {
        "fin" => FIN,
        "syn" => SYN,
        "rst" => RST,
        "psh" => PSH,
        "ack" => ACK,
        _ => 0,
    };
    set.split('+').map(bit).fold(0, |all, bit| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_have_kinds() {
        for (text, expected) in [
            ("tcp to web flags=syn ttl=242,244 len=40 window=0", "SYN flood"),
            ("tcp flags=syn/syn+ack,fin form=v6+offered new-sources", "SYN flood"),
            ("tcp flags=syn+ack odd=same-port", "SYN-ACK reflection"),
            ("tcp flags=ack data=0", "ACK flood"),
            ("tcp flags=psh+ack data=512", "flood of TCP data"),
            ("tcp flags=none", "TCP flood without flags"),
            ("udp byte0=0xd7,0x97 byte3=0x2a sport=123", "NTP reflection"),
            ("udp sport=500 dport=500", "ISAKMP reflection"),
            ("udp sport=4000-5000 dport=53", "DNS query flood"),
            ("icmp flags=3 dport=3", "flood of ICMP unreachable (BlackNurse)"),
            ("proto=47-49 form=1-3", "GRE flood"),
            ("udp form=later-fragment", "flood of fragments"),
        ] {
            assert_eq!(of_signature(text).map(|vector| vector.words), Some(expected), "{text}");
        }
        assert_eq!(of_signature("len=40 ttl=3"), None);
    }

    #[test]
    fn a_packet_and_a_signature_that_matches_it_are_of_one_kind() {
        let packet = SampledPacket {
            protocol: ICMP,
            source_port: 0,
            destination_port: 3 << 8 | 3,
            tcp_flags: 0,
            has_data: true,
            ..SampledPacket::dropped_syn([192, 0, 2, 1])
        };
        assert_eq!(Some(of_packet(&packet)), of_signature("icmp flags=3 dport=3"));
        let syn =
            SampledPacket { protocol: TCP, destination_port: 80, tcp_flags: SYN, has_data: false, ..packet };
        assert_eq!(of_packet(&syn), of_excess(Excess::Openings));
        assert_eq!(of_packet(&SampledPacket { reason: "fruitless", ..syn }), of_excess(Excess::Fruitless));
        assert_eq!(of_packet(&SampledPacket { later_fragment: true, ..syn }), FRAGMENTS);
        let ssdp = SampledPacket { protocol: UDP, source_port: 40_000, ssdp: true, ..syn };
        assert_eq!(of_packet(&ssdp), SSDP);
    }
}
