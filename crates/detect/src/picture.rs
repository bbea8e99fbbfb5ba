//! What unusual packets are held against.

use std::{array, cell::OnceCell};

use floodwall_common::features::Octet;

use super::{
    assumed::{self, Place},
    baseline::{Baseline, Usual},
    examples::Examples,
    kind::Kind,
    sample::Sample,
};

/// What a service usually gets.
#[derive(Debug)]
pub(super) struct Picture {
    all: Examples,
    /// Of these, those that ask for a connection.
    openings: usize,
    /// Rows of those that came from sources which would be strangers in an attack, by kind.
    strangers: [Vec<u32>; Kind::COUNT],
    of_strangers: [OnceCell<Examples>; Kind::COUNT],
    /// Most of it is assumed, and not seen.
    pub(super) is_assumed: bool,
}

impl Picture {
    /// Packets as if they were of this service.
    pub(super) fn new(service: u8, packets: impl Iterator<Item = Usual>, is_assumed: bool) -> Self {
        let moved = packets.map(|mut usual| {
            usual.features.octets[Octet::Service as usize] = service;
            usual
        });
        let packets: Vec<Usual> = moved.collect();
        let openings = packets.iter().filter(|usual| Kind::of(&usual.features) == Kind::Opening).count();
        let mut strangers: [Vec<u32>; Kind::COUNT] = Default::default();
        for (row, usual) in (0..).zip(&packets).filter(|(_, usual)| usual.stranger) {
            strangers[Kind::of(&usual.features) as usize].push(row);
        }
        let all = Examples::of(packets.iter().map(|usual| (&usual.features, usual.flow)));
        Self { all, openings, strangers, of_strangers: array::from_fn(|_| OnceCell::new()), is_assumed }
    }

    /// All of the packets.
    pub(super) fn all(&self) -> &Examples {
        &self.all
    }

    /// Those of a kind that came from sources which would be strangers in an attack.
    pub(super) fn of_strangers(&self, kind: Kind) -> &Examples {
        let kind = kind as usize;
        self.of_strangers[kind].get_or_init(|| self.all.select(&self.strangers[kind]))
    }

    /// How many ask for a connection.
    pub(super) fn openings(&self) -> usize {
        self.openings
    }

    /// How many came from such sources.
    pub(super) fn strangers(&self) -> usize {
        self.strangers.iter().map(Vec::len).sum()
    }

    /// How many of a kind did.
    pub(super) fn strangers_of(&self, kind: Kind) -> usize {
        self.strangers[kind as usize].len()
    }

    /// Share of the packets that did.
    pub(super) fn share_of_strangers(&self) -> f64 {
        self.strangers() as f64 / self.all.len().max(1) as f64
    }
}

/// Pictures that are kept: while there is an attack, what is usual stays as it is, and so what was counted of it once
/// need not be counted again at each tick.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    /// Those that were wanted last stand last.
    kept: Vec<(Subject, Picture)>,
}

/// What a picture shows.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    service: u8,
    /// [`Baseline::version`] then.
    version: u64,
    /// Places whose clients' packets are assumed.
    assumed: Vec<Place>,
}

/// Pictures that are kept at most.
const MOST: usize = 4;

impl Pictures {
    /// What a service usually gets. If that is not known well, the clients of other services stand in for its own;
    /// and where these are too few, assumptions of what clients send of the kind of `unusual` packets.
    pub(super) fn of(&mut self, baseline: &Baseline, service: u8, unusual: &[&Sample]) -> &Picture {
        let assumed = if baseline.is_fresh() { assumed::places_of(unusual) } else { Vec::new() };
        let subject = Subject { service, version: baseline.version(), assumed };
        let there = self.kept.iter().position(|(kept, _)| *kept == subject);
        let (subject, picture) = match there {
            Some(place) => self.kept.remove(place),
            None => {
                let picture = Picture::new(
                    service,
                    baseline.examples(service).chain(assumed::packets_for(&subject.assumed)),
                    baseline.is_fresh(),
                );
                (subject, picture)
            }
        };
        self.kept.retain(|(kept, _)| kept.version == subject.version);
        if self.kept.len() == MOST {
            self.kept.remove(0);
        }
        self.kept.push((subject, picture));
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
        let mut pictures = Pictures::default();
        baseline.recall(1, vec![Usual { stranger: true, ..Usual::default() }; 2_000]);
        for service in [1, 2, 1] {
            let picture = pictures.of(&baseline, service, &[]);
            assert_eq!((picture.all().len(), picture.is_assumed), (2_000, false));
            assert_eq!(picture.of_strangers(Kind::Other).len(), 2_000);
        }
        assert_eq!(pictures.kept.len(), 2);
        baseline.recall(2, vec![Usual::default(); 3_000]);
        assert_eq!(pictures.of(&baseline, 2, &[]).all().len(), 3_000);
        assert_eq!(pictures.kept.len(), 1, "what is out of date is not kept");
        (0..20).for_each(|service| assert!(pictures.of(&baseline, service, &[]).all().len() >= 2_000));
        assert!(pictures.kept.len() <= MOST);
    }
}
