//! What came out, held against the reference.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use floodwall_common::wire::Reason;
use floodwall_lab::pcap::Reader;
use serde::Serialize;

use super::file::{self, Parting};
use super::reference::{Reference, Subject};
use crate::score::kind;

/// What became of a scenario.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Judged {
    #[serde(flatten)]
    pub(super) subject: Subject,
    pub(super) hash: String,
    pub(super) packets: u64,
    /// What the reference has; `None` if it has nothing, or is being written.
    pub(super) reference: Option<String>,
    /// Where it parts from the verdicts of the build before, if these are given and it differs from the reference.
    pub(super) before: Option<Before>,
}

/// What the verdicts of the build before have to say.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Before {
    /// Whether these are the ones that the reference is of.
    pub(super) is_reference: bool,
    /// The first packet that differs; `None` if none does.
    pub(super) first: Option<First>,
    /// Why they cannot be read, if so: the build before may have had other names for reasons.
    pub(super) problem: Option<String>,
}

/// The first packet with another reason.
#[derive(Clone, Debug, Serialize)]
pub(super) struct First {
    /// Its number in the capture, from 0.
    pub(super) packet: u64,
    /// Seconds from the first packet of the capture.
    pub(super) seconds: Option<f64>,
    /// What kind of packet it is.
    pub(super) kind: Option<String>,
    /// `None` if there is no verdict on it.
    pub(super) before: Option<&'static str>,
    pub(super) now: Option<&'static str>,
    /// Packets with another reason, in all.
    pub(super) packets: u64,
}

impl Before {
    /// Holds verdicts of the build before against those of now. That they differ is known, whatever is found.
    pub(super) fn new(before: &Path, now: &Path, capture: &Path, reference: &str) -> Self {
        Self::read(before, now, capture, reference).unwrap_or_else(|error| Self {
            is_reference: false,
            first: None,
            problem: Some(format!("{error:#}")),
        })
    }

    fn read(before: &Path, now: &Path, capture: &Path, reference: &str) -> Result<Self> {
        let is_reference = file::hash(before)?.hash == reference;
        let first = file::part(before, now)?.map(|parting| First::new(&parting, capture)).transpose()?;
        Ok(Self { is_reference, first, problem: None })
    }
}

impl First {
    fn new(parting: &Parting, capture: &Path) -> Result<Self> {
        let found = packet(capture, parting.packet)
            .with_context(|| format!("looking for packet {} in {}", parting.packet, capture.display()))?;
        let (seconds, kind) = found.unzip();
        Ok(Self {
            packet: parting.packet,
            seconds,
            kind,
            before: parting.before.map(Reason::name),
            now: parting.now.map(Reason::name),
            packets: parting.packets,
        })
    }
}

/// When a packet came, and of what kind it is.
fn packet(capture: &Path, number: u64) -> Result<Option<(f64, String)>> {
    let mut capture = Reader::open(capture)?;
    let mut start = None;
    for current in 0.. {
        let Some(packet) = capture.read()? else { break };
        let start = *start.get_or_insert(packet.nanoseconds);
        if current == number {
            let seconds = packet.nanoseconds.saturating_sub(start) as f64 / 1e9;
            return Ok(Some((seconds, kind::of(packet.bytes))));
        }
    }
    Ok(None)
}

/// How a result stands to the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Standing {
    /// As the reference has it.
    Same,
    /// The reference has another hash.
    Differs,
    /// The reference has none.
    New,
}

impl Judged {
    pub(super) fn standing(&self) -> Standing {
        match &self.reference {
            None => Standing::New,
            Some(reference) if *reference == self.hash => Standing::Same,
            Some(_) => Standing::Differs,
        }
    }
}

/// What the reference has within what was asked for, and was not judged: the scenario is no longer there.
pub(super) fn gone(
    reference: &Reference,
    judged: &[Judged],
    asked: impl Fn(&Subject) -> bool,
) -> Vec<Subject> {
    let judged: BTreeSet<_> = judged.iter().map(|judged| &judged.subject).collect();
    let lines = reference.hashes.keys();
    lines.filter(|subject| asked(subject) && !judged.contains(subject)).cloned().collect()
}

/// Scenarios, with what was told, that two engines do not judge alike.
pub(super) fn disagreements(judged: &[Judged]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for one in judged {
        let told = (&one.subject.scenario, one.subject.told);
        let other =
            |other: &&Judged| (&other.subject.scenario, other.subject.told) == told && other.hash != one.hash;
        if judged.iter().any(|judged| other(&judged)) {
            found.insert(format!("{}/{}", one.subject.scenario, one.subject.told.folder()));
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use floodwall_lab::frame::Frame;
    use floodwall_lab::pcap::Writer;

    use super::*;
    use crate::corpus::{Engine, Told};

    fn judged(engine: Engine, scenario: &str, hash: &str, reference: Option<&str>) -> Judged {
        Judged {
            subject: Subject { engine, scenario: scenario.to_owned(), told: Told::Alone },
            hash: hash.to_owned(),
            packets: 1,
            reference: reference.map(str::to_owned),
            before: None,
        }
    }

    #[test]
    fn standings() {
        let of = |reference| judged(Engine::Model, "d01", "aa", reference).standing();
        assert_eq!(
            [of(Some("aa")), of(Some("bb")), of(None)],
            [Standing::Same, Standing::Differs, Standing::New]
        );
    }

    #[test]
    fn what_is_no_longer_there_is_gone_where_it_was_asked_for() {
        let all = [
            judged(Engine::Model, "d01", "aa", None),
            judged(Engine::Model, "d02", "aa", None),
            judged(Engine::Kernel, "d02", "aa", None),
        ];
        let hashes = all.iter().map(|judged| (judged.subject.clone(), judged.hash.clone()));
        let reference = Reference { hashes: hashes.collect() };
        let gone_of = |engine| gone(&reference, &all[..1], |subject| subject.engine == engine);
        assert_eq!(gone_of(Engine::Model), [all[1].subject.clone()]);
        assert_eq!(gone_of(Engine::Kernel), [all[2].subject.clone()]);
        assert_eq!(gone(&reference, &all, |_| true), []);
    }

    #[test]
    fn engines_are_held_against_each_other() {
        let mut all = vec![
            judged(Engine::Model, "d01", "aa", None),
            judged(Engine::Kernel, "d01", "aa", None),
            judged(Engine::Model, "d02", "aa", None),
            judged(Engine::Kernel, "d02", "bb", None),
        ];
        assert_eq!(disagreements(&all), ["d02/alone"]);
        all[3].subject.told = Told::Egress;
        assert!(disagreements(&all).is_empty());
    }

    #[test]
    fn the_packet_that_differs_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let mut writer = Writer::new(Vec::new()).unwrap();
        for port in [80_u16, 443] {
            let syn = Frame::ipv4("198.51.100.7", "192.0.2.10").tcp(40_000, port).syn().build();
            writer.frame(1_767_225_600_000_000_000 + u64::from(port) * 1_000_000, &syn).unwrap();
        }
        fs::write(file("x.pcap"), writer.finish().unwrap()).unwrap();
        fs::write(file("before"), "index,reason\n0,clean\n1,clean\n").unwrap();
        fs::write(file("now"), "index,reason\n0,clean\n1,syn-rate\n").unwrap();
        let before = Before::new(&file("before"), &file("now"), &file("x.pcap"), "another hash");
        let first = before.first.unwrap();
        assert!(!before.is_reference);
        assert_eq!((first.packet, first.before, first.now), (1, Some("clean"), Some("syn-rate")));
        assert_eq!(first.kind.as_deref(), Some("tcp high->443 flags 0x02"));
        assert!((first.seconds.unwrap() - 0.363).abs() < 1e-9);
        let same = file::hash(&file("before")).unwrap().hash;
        let before = Before::new(&file("before"), &file("before"), &file("x.pcap"), &same);
        assert!(before.is_reference && before.first.is_none());
        fs::write(file("before"), "index,reason\n0,whim\n").unwrap();
        let before = Before::new(&file("before"), &file("now"), &file("x.pcap"), &same);
        assert!(before.problem.unwrap().contains("packet 0 left for `whim`"));
    }
}
