//! Well-known services and their ports.

/// A service that is recognized by its ports.
pub(crate) struct Known {
    /// Its proposed name.
    pub(crate) name: &'static str,
    /// UDP rather than TCP.
    pub(crate) udp: bool,
    /// Its ports.
    pub(crate) ports: &'static [u16],
}

const fn tcp(name: &'static str, ports: &'static [u16]) -> Known {
    Known { name, udp: false, ports }
}

const fn udp(name: &'static str, ports: &'static [u16]) -> Known {
    Known { name, udp: true, ports }
}

/// In the order in which they are proposed. Ports are assigned by IANA or a program's default.
pub(crate) const KNOWN: [Known; 21] = [
    tcp("ssh", &[22]),
    tcp("web", &[80, 443, 8080, 8443]),
    udp("http3", &[443]),
    udp("dns", &[53]),
    tcp("dns-tcp", &[53, 853]),
    tcp("mail", &[25, 465, 587]),
    tcp("mailboxes", &[110, 143, 993, 995]),
    tcp("ftp", &[21]),
    udp("ntp", &[123]),
    udp("wireguard", &[51_820]),
    udp("openvpn", &[1_194]),
    udp("ipsec", &[500, 4_500]),
    tcp("sip-tcp", &[5_060, 5_061]),
    udp("sip", &[5_060]),
    udp("stun", &[3_478, 5_349]),
    udp("game", &[27_015, 27_016, 27_017, 27_018, 27_019, 27_020]),
    tcp("minecraft", &[25_565]),
    tcp("remote-desktop", &[3_389]),
    tcp("mysql", &[3_306]),
    tcp("postgresql", &[5_432]),
    tcp("redis", &[6_379]),
];

/// UDP ports that are used as a client or on the local network only: DHCP, mDNS, LLMNR, SSDP.
pub(crate) const LOCAL_UDP: [u16; 7] = [67, 68, 546, 547, 1_900, 5_353, 5_355];

/// The first port of Linux's ephemeral range (default of `net.ipv4.ip_local_port_range`). A UDP socket there most likely
/// belongs to a client.
pub(crate) const FIRST_EPHEMERAL: u16 = 32_768;

/// The index in [`KNOWN`] of the service with a port.
pub(crate) fn by_port(udp: bool, port: u16) -> Option<usize> {
    KNOWN.iter().position(|known| known.udp == udp && known.ports.contains(&port))
}
