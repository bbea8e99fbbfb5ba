//! ARP (RFC 826) for IPv4 over Ethernet.

use super::address::ToIpv4;
use super::{Bare, Frame};
use crate::link::Mac;

/// EtherType of ARP.
pub const ARP: u16 = 0x0806;

impl Frame<Bare> {
    /// "Who has `target`? Tell `sender`", to everybody.
    #[must_use]
    pub fn arp_request(sender_mac: Mac, sender: impl ToIpv4, target: impl ToIpv4) -> Self {
        Self::ethernet(ARP, &content(1, sender_mac, sender, [0; 6], target)).macs(sender_mac, [0xff; 6])
    }

    /// "`sender` is at `sender_mac`", to one host.
    #[must_use]
    pub fn arp_reply(sender_mac: Mac, sender: impl ToIpv4, target_mac: Mac, target: impl ToIpv4) -> Self {
        Self::ethernet(ARP, &content(2, sender_mac, sender, target_mac, target)).macs(sender_mac, target_mac)
    }
}

fn content(
    operation: u8,
    sender_mac: Mac,
    sender: impl ToIpv4,
    target_mac: Mac,
    target: impl ToIpv4,
) -> Vec<u8> {
    // Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses.
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, operation];
    bytes.extend(sender_mac);
    bytes.extend(sender.to_ipv4().octets());
    bytes.extend(target_mac);
    bytes.extend(target.to_ipv4().octets());
    bytes
}
