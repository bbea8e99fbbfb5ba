//! A short name for what kind of packet something is.

/// Ports from here on are as good as random.
const HIGH: u16 = 10_000;

/// The kind of the packet that begins with these bytes.
pub(crate) fn of(head: &[u8]) -> String {
    name(head).unwrap_or_else(|| if head.is_empty() { "empty".to_owned() } else { "cut off".to_owned() })
}

fn name(head: &[u8]) -> Option<String> {
    let mut at = 12;
    while be16(head, at)? == 0x8100 {
        at += 4;
    }
    let ether_type = be16(head, at)?;
    let network = at + 2;
    let (protocol, transport, later) = match ether_type {
        0x0800 => {
            let length = usize::from(head.get(network)? & 15) * 4;
            (*head.get(network + 9)?, network + length, be16(head, network + 6)? & 0x1fff != 0)
        }
        0x86dd => (*head.get(network + 6)?, network + 40, false),
        other => return Some(format!("ethertype {other:04x}")),
    };
    if later {
        return Some(format!("ip proto {protocol} later fragment"));
    }
    let (source, destination) = (be16(head, transport), be16(head, transport + 2));
    Some(match (protocol, source, destination) {
        (6, Some(source), Some(destination)) => {
            let flags =
                head.get(transport + 13).map_or(String::new(), |flags| format!(" flags {flags:#04x}"));
            format!("tcp {}->{}{flags}", port(source), port(destination))
        }
        (17, Some(source), Some(destination)) => format!("udp {}->{}", port(source), port(destination)),
        (1 | 58, Some(kind), _) => format!("ip proto {protocol} type {}/{}", kind >> 8, kind & 0xff),
        _ => format!("ip proto {protocol}"),
    })
}

fn be16(head: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]))
}

fn port(number: u16) -> String {
    if number < HIGH { number.to_string() } else { "high".to_owned() }
}

#[cfg(test)]
mod tests {
    use floodwall_lab::frame::Frame;

    use super::*;

    #[test]
    fn kinds() {
        let v4 = || Frame::ipv4("198.51.100.7", "192.0.2.10");
        assert_eq!(of(&v4().tcp(40_000, 80).syn().build()), "tcp high->80 flags 0x02");
        assert_eq!(of(&v4().vlan(7).udp(53, 40_000).build()), "udp 53->high");
        assert_eq!(of(&v4().fragment(64, true).raw(17, &[0; 64]).build()), "ip proto 17 later fragment");
        assert_eq!(
            of(&Frame::ipv6("2001:db8::1", "2001:db8::2").icmpv6(128, 0).build()),
            "ip proto 58 type 128/0"
        );
        assert_eq!((of(&[0; 14]), of(&[0; 3])), ("ethertype 0000".to_owned(), "cut off".to_owned()));
    }
}
