//! The flood: several kinds at once, some made and some real.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use floodwall_lab::flood::{Bounds, Flood, Pattern, Replay, SpoofedSyn, SynFrom, Target, UdpFrom};
use floodwall_lab::frame::{ETHERNET_HEADER, Rewrite};

use super::site::{HEAVY, SITE, SITE_PORT, Site};

/// Forged sources come out of this prefix (for benchmarks, RFC 2544), so that one command blocks them.
pub(super) const SPOOFED: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 0, 0), 15);
/// Packets per second.
const SPOOFED_RATE: u32 = 20_000;
const HEAVY_SYN_RATE: u32 = 5_000;
const HEAVY_UDP_RATE: u32 = 60_000;
const CAPTURE_RATE: u32 = 5_000;
/// Frames of each capture.
const CAPTURE_FRAMES: usize = 40_000;
/// What a cable carries: MTU and Ethernet header.
const LONGEST: usize = 1500 + ETHERNET_HEADER;
/// Captures of real attacks, relative to the corpus.
const CAPTURES: [(&str, &str); 3] = [
    (
        "real SYN flood on a game server, forged sources",
        "pcaps/attack-real/stopddos/pkt.TCP.synflood.spoofed.pcap",
    ),
    ("real IKE reflection", "pcaps/attack-real/stopddos/amp.UDP.isakmp.pcap"),
    ("real SNMP reflection", "pcaps/attack-real/stopddos/amp.UDP.snmp.src161.pcapng"),
];

/// The flood under way; stops when dropped.
pub(super) struct Attack {
    parts: Vec<Part>,
    /// The addresses that the captures' packets come from.
    pub(super) captured_sources: BTreeSet<Ipv4Addr>,
}

struct Part {
    what: String,
    rate: u32,
    flood: Flood,
}

impl Attack {
    /// Starts everything. Without a corpus there are only made floods.
    pub(super) fn start(site: &Site, corpus: Option<&Path>, longest: Duration) -> Result<Self> {
        let target = Target::behind(&site.attacker, &site.from_attacker, SITE, SITE_PORT);
        let mut attack = Self { parts: Vec::new(), captured_sources: BTreeSet::new() };
        let (network, length) = SPOOFED;
        let spoofed = SpoofedSyn::new(target, network, length, 1);
        attack.add(
            site,
            &format!("SYN flood, forged sources in {network}/{length}"),
            SPOOFED_RATE,
            longest,
            spoofed,
        )?;
        let [syn_source, udp_sources @ ..] = HEAVY;
        attack.add(
            site,
            "SYN flood from one host",
            HEAVY_SYN_RATE,
            longest,
            SynFrom::new(target, syn_source, 2),
        )?;
        let everywhere = Target { port: 0, ..target };
        let udp = UdpFrom::new(everywhere, udp_sources.to_vec(), 512, 3);
        attack.add(site, "UDP flood from two hosts, 512 bytes each", HEAVY_UDP_RATE, longest, udp)?;

        let rewrite = Rewrite {
            source_mac: target.source_mac,
            destination_mac: target.destination_mac,
            ipv4: Some(SITE),
            ipv6: None,
            port: None,
        };
        for (what, path) in
            corpus.into_iter().flat_map(|corpus| CAPTURES.map(|(what, path)| (what, corpus.join(path))))
        {
            if !path.exists() {
                continue;
            }
            let replay = Replay::load(&path, &rewrite, CAPTURE_FRAMES, LONGEST)?;
            attack.captured_sources.extend(replay.round().iter().filter_map(|frame| source_of(frame)));
            attack.add(site, what, CAPTURE_RATE, longest, replay)?;
        }
        Ok(attack)
    }

    fn add(
        &mut self,
        site: &Site,
        what: &str,
        rate: u32,
        longest: Duration,
        pattern: impl Pattern + 'static,
    ) -> Result<()> {
        let flood = Flood::start(&site.attacker, pattern, Bounds { rate, duration: longest })?;
        self.parts.push(Part { what: what.to_owned(), rate, flood });
        Ok(())
    }

    /// Packets sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.parts.iter().map(|part| part.flood.sent()).sum()
    }

    /// What it is made of, with the rate of each part in packets per second.
    pub(super) fn describe(&self) -> Vec<(String, u32)> {
        self.parts.iter().map(|part| (part.what.clone(), part.rate)).collect()
    }
}

/// The source of an IPv4 frame without tags, which is all that [`Rewrite`] makes here.
fn source_of(frame: &[u8]) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = frame.get(ETHERNET_HEADER + 12..ETHERNET_HEADER + 16)?.try_into().ok()?;
    Some(bytes.into())
}
