//! What clients' packets are assumed to look like, before any were seen.
//!
//! Conservative: what the common systems and the common protocols send, with whatever varies varied widely. Of
//! protocols that are not known nothing is assumed, and so nothing of theirs is taken for an attack's. Shapes are those
//! of the systems' sources and of RFC 9293 (TCP), 7323 (timestamps), 9000 (QUIC), 1035 (DNS), 5905 (NTP), 792 and 4443
//! (ICMP).

use std::collections::BTreeMap;

use floodwall_common::{
    features::{ByteField, Features, PAYLOAD, WordField, form},
    parse::{ip_form, protocol, tcp_flag},
};

use super::{baseline::Usual, sample::Sample};

/// Packets that are assumed for each place.
const PACKETS: usize = 3_000;
/// Most places, those that most packets went to.
const MOST_PLACES: usize = 8;

/// Where packets go, as far as their form depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    protocol: u8,
    port: u16,
    /// Bits of [`ByteField::Form`] that do not depend on the client.
    form: u8,
}

impl Place {
    fn of(features: &Features) -> Self {
        let of_the_place = form::IPV6 | form::OFFERED | ip_form::TAGGED << form::IP_FORM_SHIFT;
        Self {
            protocol: features.octets[ByteField::Protocol as usize],
            port: features.shorts[WordField::DestinationPort as usize],
            form: features.octets[ByteField::Form as usize] & of_the_place,
        }
    }

    fn is_v6(self) -> bool {
        self.form & form::IPV6 != 0
    }

    /// How clients of this place write, if that is known.
    fn client(self) -> Option<fn(&mut Client) -> Features> {
        match (self.protocol, self.port) {
            (protocol::TCP, _) => Some(Client::segment),
            (protocol::UDP, 443) => Some(Client::quic),
            (protocol::UDP, 53) => Some(Client::dns),
            (protocol::UDP, 123) => Some(Client::ntp),
            (protocol::ICMP | protocol::ICMPV6, _) => Some(Client::icmp),
            _ => None,
        }
    }
}

/// Whether it is known what clients send of this kind.
pub(super) fn is_known_kind(features: &Features) -> bool {
    Place::of(features).client().is_some()
}

/// Where most of these packets go, of places whose clients' packets are known.
pub(super) fn places_of(unusual: &[&Sample]) -> Vec<Place> {
    let mut places: BTreeMap<Place, usize> = BTreeMap::new();
    unusual.iter().for_each(|sample| *places.entry(Place::of(&sample.features)).or_default() += 1);
    let mut places: Vec<_> = places.into_iter().filter(|(place, _)| place.client().is_some()).collect();
    places.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut most: Vec<_> = places.into_iter().take(MOST_PLACES).map(|(place, _)| place).collect();
    most.sort_unstable();
    most
}

/// What clients would send there.
pub(super) fn packets_for(places: &[Place]) -> impl Iterator<Item = Usual> {
    let known = places.iter().filter_map(|place| Some((*place, place.client()?)));
    let packets = known.flat_map(|(place, write)| {
        let mut client = Client { place, state: 0x9e37_79b9_7f4a_7c15 };
        (0..PACKETS).map(move |_| client.packet(write))
    });
    packets.zip(0..).map(|(features, flow)| Usual { features, flow, from_new_source: false })
}

/// How a system asks for a connection.
struct System {
    hop_limit: u8,
    /// TCP header, in units of 4 bytes.
    header: u8,
    options: u16,
    windows: &'static [u16],
}

const SYSTEMS: [System; 7] = [
    // Linux and Android, twice as many as others.
    System { hop_limit: 64, header: 10, options: 0x0204, windows: LINUX },
    System { hop_limit: 64, header: 10, options: 0x0204, windows: LINUX },
    // Windows.
    System { hop_limit: 128, header: 8, options: 0x0201, windows: &[64_240, 65_535, 8_192, 64_860, 65_280] },
    // macOS and iOS.
    System { hop_limit: 64, header: 11, options: 0x0201, windows: &[65_535] },
    // BSDs.
    System { hop_limit: 64, header: 10, options: 0x0201, windows: &[65_535, 65_228, 16_384] },
    System { hop_limit: 64, header: 8, options: 0x0201, windows: &[65_535, 64_240, 29_200] },
    // Embedded systems and load balancers.
    System { hop_limit: 255, header: 6, options: 0x0200, windows: &[4_096, 8_192, 16_384, 5_840, 65_535] },
];
const LINUX: &[u16] =
    &[64_240, 65_535, 29_200, 14_600, 5_840, 32_120, 62_727, 64_860, 26_883, 28_960, 43_690];
/// Bytes of IPv4 and TCP headers are already taken off; IPv6 takes 20 more.
const SEGMENT_SIZES: [u16; 16] = [
    1_460, 1_460, 1_460, 1_452, 1_440, 1_436, 1_420, 1_412, 1_400, 1_380, 1_360, 1_340, 1_300, 1_280, 1_240,
    1_200,
];
/// How what is said over TCP begins.
const GREETINGS: [&[u8]; 8] = [
    b"GET /",
    b"POST /",
    b"HEAD /",
    b"PRI * HTTP/2.0\r\n",
    b"SSH-2.0-",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x17\x03\x03\x00",
    b"EHLO ",
];

/// Writes packets. What varies is drawn at random, the same in each run.
struct Client {
    place: Place,
    state: u64,
}

impl Client {
    fn packet(&mut self, write: fn(&mut Self) -> Features) -> Features {
        let mut features = write(self);
        let of_ip = if self.place.is_v6() { 0 } else { ip_form::DONT_FRAGMENT << form::IP_FORM_SHIFT };
        let unnumbered = if !self.place.is_v6() && self.one_in(3) { form::NO_IDENTIFICATION } else { 0 };
        let often = if self.one_in(6) { 0 } else { of_ip };
        features.octets[ByteField::Protocol as usize] = self.place.protocol;
        features.octets[ByteField::Form as usize] = self.place.form | often | unnumbered;
        if !matches!(self.place.protocol, protocol::ICMP | protocol::ICMPV6) {
            features.shorts[WordField::DestinationPort as usize] = self.place.port;
        }
        let header = if self.place.is_v6() { 40 } else { 20 };
        features.shorts[WordField::Length as usize] += header;
        features
    }

    fn segment(&mut self) -> Features {
        if self.one_in(2) { self.request() } else { self.data() }
    }

    /// Asks for a connection.
    fn request(&mut self) -> Features {
        let system = &SYSTEMS[self.below(SYSTEMS.len())];
        let mut features = self.somewhere(system.hop_limit);
        let flags = if self.one_in(8) { tcp_flag::ECE | tcp_flag::CWR } else { 0 };
        let size = SEGMENT_SIZES[self.below(SEGMENT_SIZES.len())];
        features.octets[ByteField::Flags as usize] = tcp_flag::SYN | flags;
        features.octets[ByteField::TcpHeader as usize] = system.header;
        features.shorts[WordField::Window as usize] = system.windows[self.below(system.windows.len())];
        features.shorts[WordField::Options as usize] = system.options;
        features.shorts[WordField::SegmentSize as usize] = size - if self.place.is_v6() { 20 } else { 0 };
        features.shorts[WordField::Length as usize] = u16::from(system.header) * 4;
        features
    }

    /// What follows on a connection.
    fn data(&mut self) -> Features {
        const ACK: u8 = tcp_flag::ACK;
        let kinds = [ACK, ACK, ACK | tcp_flag::PSH, ACK | tcp_flag::FIN, tcp_flag::RST, ACK | tcp_flag::RST];
        let flags = kinds[self.below(kinds.len())];
        let hop_limit = [64, 64, 128][self.below(3)];
        let mut features = self.somewhere(hop_limit);
        let (header, options) = [(5, 0), (8, 0x0108), (8, 0x0108), (11, 0x0105)][self.below(4)];
        let ends = flags & tcp_flag::RST != 0;
        let header = if ends { 5 } else { header };
        let most = 1_440;
        let data = if flags == ACK | tcp_flag::PSH { 1 + self.below(most) as u16 } else { 0 };
        features.octets[ByteField::Flags as usize] = flags;
        features.octets[ByteField::TcpHeader as usize] = header;
        features.shorts[WordField::Window as usize] = if ends { 0 } else { self.below(65_536) as u16 };
        features.shorts[WordField::Options as usize] = if ends { 0 } else { options };
        features.shorts[WordField::Length as usize] = u16::from(header) * 4 + data;
        features.shorts[WordField::PayloadLength as usize] = data;
        let greeting = if self.one_in(2) { GREETINGS[self.below(GREETINGS.len())] } else { &[] };
        self.fill(&mut features, greeting);
        features
    }

    fn quic(&mut self) -> Features {
        let hop_limit = [64, 64, 128][self.below(3)];
        let mut features = self.somewhere(hop_limit);
        let begins = self.one_in(2);
        let data = if begins { 1_200 + self.below(253) } else { 21 + self.below(1_400) } as u16;
        datagram(&mut features, data);
        if begins {
            let first = 0xc0 | self.below(64) as u8;
            self.fill(&mut features, &[first, 0, 0, 0, 1, 8]);
        } else {
            let first = 0x40 | self.below(64) as u8;
            self.fill(&mut features, &[first]);
        }
        features
    }

    fn dns(&mut self) -> Features {
        let hop_limit = [64, 64, 128, 255][self.below(4)];
        let mut features = self.somewhere(hop_limit);
        datagram(&mut features, 24 + self.below(70) as u16);
        let number = [self.below(256) as u8, self.below(256) as u8];
        let (asks, wants) = ([0, 1, 1][self.below(3)], [0, 0x10, 0x20][self.below(3)]);
        let additional = u8::from(self.one_in(2));
        let label = 1 + self.below(20) as u8;
        self.fill(
            &mut features,
            &[number[0], number[1], asks, wants, 0, 1, 0, 0, 0, 0, 0, additional, label],
        );
        features
    }

    fn ntp(&mut self) -> Features {
        let hop_limit = [64, 128, 255][self.below(3)];
        let mut features = self.somewhere(hop_limit);
        if self.one_in(2) {
            features.shorts[WordField::SourcePort as usize] = 123;
        }
        datagram(&mut features, 48);
        let first = [0xe3, 0x23, 0x1b, 0xdb][self.below(4)];
        self.fill(&mut features, &[first]);
        features
    }

    fn icmp(&mut self) -> Features {
        let hop_limit = [64, 128, 255][self.below(3)];
        let mut features = self.somewhere(hop_limit);
        features.shorts[WordField::SourcePort as usize] = 0;
        let kinds: &[(u8, u16)] = if self.place.is_v6() {
            &[(128, 0), (128, 0), (129, 0), (1, 0), (1, 4), (2, 0), (3, 0)]
        } else {
            &[(8, 0), (8, 0), (0, 0), (3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0)]
        };
        let (kind, code) = kinds[self.below(kinds.len())];
        let data = [56, 32, 64, 0, 28, 548, 1_200][self.below(7)] + self.below(8) as u16;
        features.octets[ByteField::Flags as usize] = kind;
        features.shorts[WordField::DestinationPort as usize] = code;
        datagram(&mut features, data);
        self.fill(&mut features, &[]);
        features
    }

    /// From a port that clients draw, over some hops.
    fn somewhere(&mut self, hop_limit: u8) -> Features {
        let mut features = Features::default();
        features.octets[ByteField::HopLimit as usize] = hop_limit - 1 - self.below(30) as u8;
        features.shorts[WordField::SourcePort as usize] = 1_024 + self.below(64_512) as u16;
        features
    }

    /// Payload that begins so, and goes on at random.
    fn fill(&mut self, features: &mut Features, start: &[u8]) {
        let length = usize::from(features.shorts[WordField::PayloadLength as usize]).min(PAYLOAD);
        for place in 0..length {
            let byte = start.get(place).copied().unwrap_or_else(|| self.below(256) as u8);
            features.octets[ByteField::Payload as usize + place] = byte;
        }
    }

    fn one_in(&mut self, number: usize) -> bool {
        self.below(number) == 0
    }

    /// A number below another (xorshift, Marsaglia 2003).
    fn below(&mut self, number: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) as usize % number
    }
}

/// A header of 8 bytes, as UDP and ICMP have, and data.
fn datagram(features: &mut Features, data: u16) {
    features.shorts[WordField::Length as usize] = 8 + data;
    features.shorts[WordField::PayloadLength as usize] = data;
}
