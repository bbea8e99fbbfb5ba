//! A scenario: a capture, and what each of its packets is.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use floodwall_lab::pcap::Reader;
use serde_json::Value;

/// Bytes of a packet that its kind is told by.
const HEAD: usize = 80;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Must pass.
    Legit,
    /// Should be dropped.
    Attack,
    /// May be dropped.
    Scan,
    /// Not scored.
    Other,
}

/// A scenario.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// When attacks were on, from and to: seconds from the start.
    pub(super) windows: Vec<(f64, f64)>,
    /// When there was a rush of customers, likewise.
    pub(super) surge: Option<(f64, f64)>,
    /// TCP ports that the protected host offers; none: not told.
    pub(super) offered: Vec<u16>,
    /// When each packet came: seconds from the start.
    pub(super) times: Vec<f64>,
    /// The first bytes of each packet.
    pub(super) heads: Vec<Box<[u8]>>,
    /// What each packet is.
    pub(super) labels: Vec<Label>,
}

impl Scenario {
    /// Reads `NAME.json`, `NAME.pcap.gz` and `NAME.labels`.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged, or they do not fit together.
    pub(super) fn read(folder: &Path, name: &str) -> Result<Self> {
        let file = |ending: &str| folder.join(format!("{name}{ending}"));
        let text = fs::read_to_string(file(".json")).with_context(|| format!("reading {name}.json"))?;
        let told: Value = serde_json::from_str(&text).with_context(|| format!("reading {name}.json"))?;
        let epoch = told["epoch"].as_f64().with_context(|| format!("{name}.json tells no epoch"))?;
        let windows = told["attack_windows"].as_array().into_iter().flatten().filter_map(span).collect();
        let surge = span(&told["surge"]["window"]);
        let offered =
            offered(&told["services"]).with_context(|| format!("reading the services in {name}.json"))?;

        let mut capture = Reader::open(file(".pcap.gz"))?;
        let (mut times, mut heads) = (Vec::new(), Vec::new());
        while let Some(packet) = capture.read()? {
            let (seconds, nanoseconds) =
                (packet.nanoseconds / 1_000_000_000, packet.nanoseconds % 1_000_000_000);
            // In this order, so that a time at the edge of a window falls on the same side for everyone.
            times.push(seconds as f64 + (nanoseconds / 1_000) as f64 / 1e6 - epoch);
            heads.push(packet.bytes[..packet.bytes.len().min(HEAD)].into());
        }
        let text = fs::read_to_string(file(".labels")).with_context(|| format!("reading {name}.labels"))?;
        let labels = labels(&text, times.len()).with_context(|| format!("reading {name}.labels"))?;
        Ok(Self { name: name.to_owned(), windows, surge, offered, times, heads, labels })
    }

    /// From and to, over all attacks or else the rush; never, if there is neither.
    pub(super) fn span(&self) -> (f64, f64) {
        let spans = if self.windows.is_empty() { self.surge.as_slice() } else { &self.windows };
        if spans.is_empty() {
            return (f64::INFINITY, f64::INFINITY);
        }
        let start = spans.iter().map(|span| span.0).fold(f64::INFINITY, f64::min);
        let end = spans.iter().map(|span| span.1).fold(f64::NEG_INFINITY, f64::max);
        (start, end)
    }
}

fn span(value: &Value) -> Option<(f64, f64)> {
    Some((value[0].as_f64()?, value[1].as_f64()?))
}

/// The ports of those like `tcp/443`.
fn offered(services: &Value) -> Result<Vec<u16>> {
    let names = services.as_array().into_iter().flatten().filter_map(Value::as_str);
    let ports = names.filter_map(|name| name.strip_prefix("tcp/"));
    ports.map(|port| port.parse().with_context(|| format!("`tcp/{port}` is no port"))).collect()
}

/// Lines `first-last LABEL`, which together name every packet.
fn labels(text: &str, packets: usize) -> Result<Vec<Label>> {
    let mut labels = vec![None; packets];
    for line in text.lines() {
        let parsed = line.split_once(' ').and_then(|(span, label)| {
            let (first, last) = span.split_once('-')?;
            Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?, label.trim()))
        });
        let Some((first, last, label)) = parsed else { bail!("`{line}` is not `first-last LABEL`") };
        let label = match label {
            "legit" => Label::Legit,
            "attack" => Label::Attack,
            "scan" => Label::Scan,
            _ => Label::Other,
        };
        let labelled =
            labels.get_mut(first..=last).with_context(|| format!("`{line}` is past the capture's end"))?;
        labelled.fill(Some(label));
    }
    labels.into_iter().collect::<Option<Vec<_>>>().context("some packets have no label")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_by_tcp() {
        let read = |text: &str| offered(&serde_json::from_str(text).unwrap());
        assert_eq!(read(r#"["tcp/22", "udp/53", "tcp/443"]"#).unwrap(), [22, 443]);
        assert_eq!(read("null").unwrap(), [0_u16; 0]);
        assert!(read(r#"["tcp/http"]"#).is_err());
    }

    #[test]
    fn labels_cover_every_packet_or_are_refused() {
        use Label::{Attack, Legit, Other};
        assert_eq!(labels("0-1 legit\n2-2 attack\n3-3 noise\n", 4).unwrap(), [Legit, Legit, Attack, Other]);
        for text in ["0-1 legit", "0-9 legit", "0 legit", "x-1 legit", "2-1 legit"] {
            assert!(labels(text, 4).is_err(), "{text}");
        }
    }
}
