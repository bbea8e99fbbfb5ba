//! Proves that what is said to be filtered is: not by what the daemon remembers, but by what the kernel says, and by
//! packets of its own that the program judges.

use std::net::IpAddr;

use floodwall_common::wire::Reason;

use super::protection::Protection;
use crate::{
    api::DoctorCheck,
    host::Framing,
    server::{Dataplane as _, Examination},
};

impl Protection {
    /// Looks at every interface, the maps and the program. The packets that it shows to the program are counted as others
    /// are; none of them arrives anywhere.
    pub(super) fn examined(&self, examination: Examination) -> anyhow::Result<Vec<DoctorCheck>> {
        // Looks at all of them first.
        let statuses = self.interfaces();
        let mut checks: Vec<DoctorCheck> = self
            .protected
            .lock()
            .problems()
            .into_iter()
            .map(|problem| check("interface", None, Err(problem)))
            .collect();
        let standing = self.kernel.standing()?;
        let mut framings = Vec::new();
        for status in statuses.iter().filter(|status| status.filtered) {
            let name = Some(status.name.as_str());
            let held = standing.iter().find(|(stands_as, ..)| *stands_as == status.name);
            let link = match held {
                Some((_, index, _)) if *index == status.ifindex => {
                    Ok("its link is pinned, and outlives the daemon".to_owned())
                }
                Some((_, index, _)) => {
                    Err(format!("its pinned link holds interface {index}, not {}", status.ifindex))
                }
                None => Err("no link is pinned for it: its filter would end with the daemon".to_owned()),
            };
            checks.push(check("link", name, link));
            let found = self.runtime.block_on(self.netlink.indexed(status.ifindex))?;
            let number = held.map_or(0, |(.., program)| *program);
            let program = match &found {
                Some(found) if found.xdp_programs.contains(&number) && self.kernel.is_on(found) => {
                    Ok(format!("program {number} is on it ({} mode)", status.mode))
                }
                Some(found) if found.xdp_programs.is_empty() => {
                    Err("the kernel says that no program is on it".to_owned())
                }
                Some(found) => {
                    Err(format!("the kernel has program {:?} on it, not {number}", found.xdp_programs))
                }
                None => {
                    Err("it is in another network namespace, and cannot be looked at from here".to_owned())
                }
            };
            checks.push(check("program", name, program));
            let framing = found.and_then(|found| found.framing().ok());
            framings.extend(framing.filter(|framing| !framings.contains(framing)));
        }
        checks.push(check("maps", None, self.kernel.reads_pinned_maps()));
        for framing in framings {
            let (packet, counters) = self.prove(framing, &examination)?;
            checks.extend([packet, counters]);
        }
        Ok(checks)
    }

    /// Shows packets to the program for one kind of interface.
    fn prove(
        &self,
        framing: Framing,
        examination: &Examination,
    ) -> anyhow::Result<(DoctorCheck, DoctorCheck)> {
        let counted = || -> anyhow::Result<(u64, u64)> {
            let all = self.kernel.counters()?.iter().map(|totals| totals.packets).sum();
            Ok((all, self.kernel.monitored(Reason::Malformed)?.all().0))
        };
        let before = counted()?;
        let mut shown = 0;
        let mut is_dropped = |packet: Packet| -> anyhow::Result<bool> {
            shown += 1;
            self.kernel.drops(framing, &packet.frame(framing))
        };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        let mut note = |sound: bool, text: String| if sound { good.push(text) } else { bad.push(text) };
        let passed = !is_dropped(Packet::NotIp)?;
        note(passed, format!("one that is not IP was {}", became(!passed)));
        let dropped = is_dropped(Packet::Malformed)?;
        let only_counts = counted()?.1 > before.1;
        let lets_pass = examination.bypassed || only_counts;
        let why = if examination.bypassed { ", as all are (bypass)" } else { ", as such are only counted" };
        note(
            dropped != lets_pass,
            format!("a malformed one was {}{}", became(dropped), if lets_pass { why } else { "" }),
        );
        if let Some(address) = examination.blocked {
            let dropped = is_dropped(Packet::From(address))?;
            let why = if examination.bypassed { ", as all are (bypass)" } else { "" };
            note(
                dropped != examination.bypassed,
                format!("one from {address}, which is blocked, was {}{why}", became(dropped)),
            );
        }
        let kind = match framing {
            Framing::Ethernet => "",
            Framing::Ip => " without a link layer",
        };
        let packet = if bad.is_empty() {
            Ok(format!("of packets of floodwall's own{kind}, {}", good.join("; ")))
        } else {
            Err(format!("of packets of floodwall's own{kind}, {}", bad.join("; ")))
        };
        let after = counted()?;
        let counters = if after.0.wrapping_sub(before.0) >= shown {
            Ok(format!("these {shown} are counted among the others, and nowhere else"))
        } else {
            Err(format!(
                "of {shown} packets that the program was shown {} were counted",
                after.0.wrapping_sub(before.0)
            ))
        };
        Ok((check("packet", None, packet), check("counters", None, counters)))
    }
}

fn check(name: &str, interface: Option<&str>, found: Result<String, String>) -> DoctorCheck {
    let (sound, text) = match found {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    DoctorCheck { check: name.to_owned(), interface: interface.map(str::to_owned), sound, text }
}

fn became(dropped: bool) -> &'static str {
    if dropped { "dropped" } else { "passed" }
}

/// A packet that the program is shown.
enum Packet {
    /// ARP, or of no version of IP.
    NotIp,
    /// IPv4 whose header is shorter than one can be.
    Malformed,
    /// A datagram from an address to one for documentation (RFC 5737, RFC 3849).
    From(IpAddr),
}

impl Packet {
    fn frame(&self, framing: Framing) -> Vec<u8> {
        let (ether_type, packet): (u16, Vec<u8>) = match self {
            Self::NotIp => (0x0806, vec![0; 28]),
            Self::Malformed => (0x0800, [&[0x41][..], &[0; 27]].concat()),
            Self::From(IpAddr::V4(source)) => {
                let fixed = [0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0];
                (0x0800, [&fixed[..], &source.octets(), &[192, 0, 2, 1], &UDP].concat())
            }
            Self::From(IpAddr::V6(source)) => {
                let fixed = [0x60, 0, 0, 0, 0, 8, 17, 64];
                let destination = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
                (0x86dd, [&fixed[..], &source.octets(), &destination, &UDP].concat())
            }
        };
        match framing {
            Framing::Ethernet => [&[0; 12][..], &ether_type.to_be_bytes(), &packet].concat(),
            Framing::Ip => packet,
        }
    }
}

/// From port 9 to port 9 (discard, RFC 863), with nothing in it.
const UDP: [u8; 8] = [0, 9, 0, 9, 0, 8, 0, 0];

#[cfg(test)]
mod tests {
    use floodwall_common::{
        frame::{Captured, WithoutLink},
        parse::{Parsed, parse},
        prefix::Address,
    };

    use super::*;

    #[test]
    fn packets_are_what_they_are_said_to_be() {
        let read = |packet: &Packet| {
            let ethernet = parse(&Captured::whole(&packet.frame(Framing::Ethernet)));
            let ip = parse(&WithoutLink(Captured::whole(&packet.frame(Framing::Ip))));
            (ethernet, ip)
        };
        assert_eq!(read(&Packet::NotIp), (Parsed::NotIp, Parsed::NotIp));
        assert_eq!(read(&Packet::Malformed), (Parsed::Malformed, Parsed::Malformed));
        for address in ["203.0.113.7", "2001:db8:bad::7"] {
            let address: IpAddr = address.parse().unwrap();
            let (Parsed::Packet(ethernet), Parsed::Packet(ip)) = read(&Packet::From(address)) else {
                panic!("{address} is no packet")
            };
            assert_eq!((ethernet.source, ethernet.destination_port), (ip.source, 9));
            assert_eq!(ip.source, Address::from(address));
        }
    }
}
