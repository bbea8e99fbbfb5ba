//! What listens at which port, as a rule.

/// A service that is known by its ports.
pub(crate) struct Known {
    /// What it is called in the configuration.
    pub(crate) name: &'static str,
    /// By UDP, else by TCP.
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

/// In the order in which they are proposed; assignments of IANA's, and of programs that never asked for one.
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

/// Ports by UDP at which hosts ask, or talk to their neighbours, and serve nobody on the Internet: DHCP, mDNS, LLMNR, SSDP.
pub(crate) const NO_SERVICES: [u16; 7] = [67, 68, 546, 547, 1_900, 5_353, 5_355];

/// Where Linux begins to choose ports of its own (`net.ipv4.ip_local_port_range`): a UDP socket there is most likely a
/// client's.
pub(crate) const CHOSEN_BY_LINUX: u16 = 32_768;

/// The place in [`KNOWN`] of the service that is known by a port.
pub(crate) fn by_port(udp: bool, port: u16) -> Option<usize> {
    KNOWN.iter().position(|known| known.udp == udp && known.ports.contains(&port))
}
