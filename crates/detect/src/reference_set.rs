//! What unusual packets are held against.

use std::{array, cell::OnceCell};

use floodwall_common::features::ByteField;

use super::{
    assumed::{self, Place},
    baseline::{Baseline, Usual},
    examples::Examples,
    packet_kind::Kind,
    sample::Sample,
};

/// What a service usually gets.
#[derive(Debug)]
pub(super) struct ReferenceSet {
    all: Examples,
    /// Of these, those that ask for a connection.
    openings: usize,
    /// Rows of those that came from sources which would be new sources in an attack, by kind.
    new_sources: [Vec<u32>; Kind::COUNT],
    of_new_sources: [OnceCell<Examples>; Kind::COUNT],
    /// Most of it is assumed, and not seen.
    pub(super) is_assumed: bool,
}

impl ReferenceSet {
    /// Packets as if they were of this service.
    pub(super) fn new(service: u8, packets: impl Iterator<Item = Usual>, is_assumed: bool) -> Self {
        let moved = packets.map(|mut usual| {
            usual.features.octets[ByteField::Service as usize] = service;
            usual
        });
        let packets: Vec<Usual> = moved.collect();
        let openings = packets.iter().filter(|usual| Kind::of(&usual.features) == Kind::Opening).count();
        let mut new_sources: [Vec<u32>; Kind::COUNT] = Default::default();
        for (row, usual) in (0..).zip(&packets).filter(|(_, usual)| usual.from_new_source) {
            new_sources[Kind::of(&usual.features) as usize].push(row);
        }
        let all = Examples::of(packets.iter().map(|usual| (&usual.features, usual.flow)));
        Self { all, openings, new_sources, of_new_sources: array::from_fn(|_| OnceCell::new()), is_assumed }
    }

    /// All of the packets.
    pub(super) fn all(&self) -> &Examples {
        &self.all
    }

    /// Those of a kind that came from sources which would be new sources in an attack.
    pub(super) fn of_new_sources(&self, kind: Kind) -> &Examples {
        let kind = kind as usize;
        self.of_new_sources[kind].get_or_init(|| self.all.select(&self.new_sources[kind]))
    }

    /// How many ask for a connection.
    pub(super) fn openings(&self) -> usize {
        self.openings
    }

    /// How many came from such sources.
    pub(super) fn new_sources(&self) -> usize {
        self.new_sources.iter().map(Vec::len).sum()
    }

    /// How many of a kind did.
    pub(super) fn count_of_new_sources(&self, kind: Kind) -> usize {
        self.new_sources[kind as usize].len()
    }

    /// Share of the packets that did.
    pub(super) fn share_of_new_sources(&self) -> f64 {
        self.new_sources() as f64 / self.all.len().max(1) as f64
    }
}

/// Reference sets that are kept: while there is an attack, what is usual stays as it is, and so what was counted of it once
/// need not be counted again at each tick.
#[derive(Debug, Default)]
pub(super) struct ReferenceSets {
    /// Those that were wanted last stand last.
    kept: Vec<(Subject, ReferenceSet)>,
}

/// What a reference shows.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    service: u8,
    /// [`Baseline::version`] then.
    version: u64,
    /// Places whose clients' packets are assumed.
    assumed: Vec<Place>,
}

/// Reference sets that are kept at most.
const MOST: usize = 4;

impl ReferenceSets {
    /// What a service usually gets. If that is not known well, the clients of other services stand in for its own;
    /// and where these are too few, assumptions of what clients send of the kind of `unusual` packets.
    pub(super) fn of(&mut self, baseline: &Baseline, service: u8, unusual: &[&Sample]) -> &ReferenceSet {
        let assumed = if baseline.is_fresh() { assumed::places_of(unusual) } else { Vec::new() };
        let subject = Subject { service, version: baseline.version(), assumed };
        let there = self.kept.iter().position(|(kept, _)| *kept == subject);
        let (subject, reference) = match there {
            Some(place) => self.kept.remove(place),
            None => {
                let reference = ReferenceSet::new(
                    service,
                    baseline.examples(service).chain(assumed::packets_for(&subject.assumed)),
                    baseline.is_fresh(),
                );
                (subject, reference)
            }
        };
        self.kept.retain(|(kept, _)| kept.version == subject.version);
        if self.kept.len() == MOST {
            self.kept.remove(0);
        }
        self.kept.push((subject, reference));
        &self.kept[self.kept.len() - 1].1
    }

    /// Forgets them: they take room.
    pub(super) fn clear(&mut self) {
        self.kept = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_kept_until_what_is_usual_changes() {
        let mut baseline = Baseline::default();
        let mut references = ReferenceSets::default();
        baseline.recall(1, vec![Usual { from_new_source: true, ..Usual::default() }; 2_000]);
        for service in [1, 2, 1] {
            let reference = references.of(&baseline, service, &[]);
            assert_eq!((reference.all().len(), reference.is_assumed), (2_000, false));
            assert_eq!(reference.of_new_sources(Kind::Other).len(), 2_000);
        }
        assert_eq!(references.kept.len(), 2);
        baseline.recall(2, vec![Usual::default(); 3_000]);
        assert_eq!(references.of(&baseline, 2, &[]).all().len(), 3_000);
        assert_eq!(references.kept.len(), 1, "what is out of date is not kept");
        (0..20).for_each(|service| assert!(references.of(&baseline, service, &[]).all().len() >= 2_000));
        assert!(references.kept.len() <= MOST);
    }
}
