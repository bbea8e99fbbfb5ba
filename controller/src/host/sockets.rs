//! Where something listens on this host.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::policy::Listener;

/// States in `/proc/net`: a TCP socket that listens; a UDP socket that is not connected (`include/net/tcp_states.h`).
const LISTEN: &str = "0A";
const CLOSE: &str = "07";

/// The ports at which sockets of this process's network namespace listen, loopback left out.
pub fn listeners() -> io::Result<BTreeSet<Listener>> {
    let mut found = BTreeSet::new();
    for (path, udp) in [
        ("/proc/thread-self/net/tcp", false),
        ("/proc/thread-self/net/tcp6", false),
        ("/proc/thread-self/net/udp", true),
        ("/proc/thread-self/net/udp6", true),
    ] {
        match fs::read_to_string(path) {
            Ok(text) => found.extend(text.lines().skip(1).filter_map(|line| listener(line, udp))),
            // IPv6 may be switched off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// `0: 0100007F:0277 00000000:0000 0A …`: a socket that listens, if it can be reached from outside.
fn listener(line: &str, udp: bool) -> Option<Listener> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    if state != if udp { CLOSE } else { LISTEN } {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let address = address_of(address)?.to_canonical();
    let port = u16::from_str_radix(port, 16).ok()?;
    if address.is_loopback() || port == 0 {
        return None;
    }
    // A socket bound to `::` takes IPv4 as well, unless it was told not to, which cannot be seen here.
    Some(Listener { udp, address: (!address.is_unspecified()).then_some(address), port })
}

/// An address as the kernel prints it: words of 32 bits in host order, whose bytes are in network order.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for (at, place) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *place = word(at)?;
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_that_can_be_reached_are_found() {
        let of = |line: &str, udp| listener(line, udp);
        let any = Some(Listener { udp: false, address: None, port: 80 });
        assert_eq!(of("0: 00000000:0050 00000000:0000 0A 0:0 00:0 0 0 0 1 1", false), any);
        assert_eq!(of("0: 00000000000000000000000000000000:0050 0:0000 0A 0:0", false), any);
        let one = Listener { udp: true, address: "192.0.2.1".parse().ok(), port: 53 };
        assert_eq!(of("7: 010200C0:0035 00000000:0000 07 0:0", true), Some(one));
        let six = Listener { udp: false, address: "2001:db8::1".parse().ok(), port: 443 };
        assert_eq!(of("1: B80D0120000000000000000001000000:01BB 0:0000 0A 0:0", false), Some(six));
        for (line, udp) in [
            ("0: 0100007F:0277 00000000:0000 0A 0:0", false),
            ("0: 00000000:0050 00000000:0000 01 0:0", false),
            ("0: 00000000:0050 00000000:0000 0A 0:0", true),
            ("nonsense", false),
        ] {
            assert_eq!(of(line, udp), None, "{line}");
        }
    }
}
