//! The resolvers that this host is configured to ask.

use std::{fs, net::IpAddr};

/// Where they stand (resolv.conf(5)); systemd-resolved keeps those behind its own stub in a file of its own.
const FILES: [&str; 3] =
    ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/resolv.conf"];

/// Their addresses, those on the host itself left out.
pub fn resolvers() -> Vec<IpAddr> {
    let texts = FILES.iter().filter_map(|file| fs::read_to_string(file).ok());
    let mut found: Vec<_> = texts.flat_map(|text| named(&text).collect::<Vec<_>>()).collect();
    found.sort();
    found.dedup();
    found
}

fn named(text: &str) -> impl Iterator<Item = IpAddr> + '_ {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        // A link-local address comes with its interface: fe80::1%eth0.
        let address =
            words.next().filter(|word| *word == "nameserver").and(words.next())?.split('%').next()?;
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_among_other_words() {
        let text = "# nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n\
                    nameserver 127.0.0.53\nnameserver\nnameserver x\n nameserver ::ffff:192.0.2.54\n";
        let found: Vec<_> = named(text).map(|address| address.to_string()).collect();
        assert_eq!(found, ["192.0.2.53", "fe80::1", "192.0.2.54"]);
    }
}
