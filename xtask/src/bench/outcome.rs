//! What the benchmark of either side prints, as far as it is compared.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// What floodwall is measured as; everything else is the same on both sides.
const OURS: [(&str, &str); 3] =
    [("unlisted", "nothing listed"), ("floodwall", "1 M prefixes"), ("signed", "64 signatures")];

/// What one run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) cells: BTreeMap<Row, Cell>,
    /// Instructions that the verifier walked through; `None` where the kernel does not tell.
    pub(super) verified: Option<u32>,
}

/// What is measured. Two sides' rows of one name are about the same packets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// In the benchmark's order.
    number: usize,
    pub(super) packets: String,
    pub(super) state: &'static str,
    /// Different sources.
    sources: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    /// Cost of a packet above a program that only drops, ns.
    pub(super) cost: f64,
    /// Share of the packets that were judged as expected.
    pub(super) as_expected: f64,
}

#[derive(Deserialize)]
struct Document {
    groups: Vec<Group>,
    verified_instructions: Option<u32>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    sources: u64,
    share_as_expected: f64,
    cells: Vec<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    candidate: String,
    rounds_ns: Vec<f64>,
}

impl Outcome {
    /// Reads what a run of a single round has printed.
    ///
    /// # Errors
    /// When it is not of the form that this version knows.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let document: Document =
            serde_json::from_str(text).context("its benchmark speaks another format than this one's")?;
        let mut cells = BTreeMap::new();
        for (number, group) in document.groups.into_iter().enumerate() {
            for (candidate, state) in OURS {
                let Some(measured) = group.cells.iter().find(|cell| cell.candidate == candidate) else {
                    continue;
                };
                let [cost] = measured.rounds_ns[..] else {
                    bail!("{}, {state}: {} rounds in place of one", group.name, measured.rounds_ns.len());
                };
                let row = Row { number, packets: group.name.clone(), state, sources: group.sources };
                cells.insert(row, Cell { cost, as_expected: group.share_as_expected });
            }
        }
        ensure!(
            !cells.is_empty(),
            "its benchmark speaks another format than this one's: there is no figure of floodwall"
        );
        Ok(Self { cells, verified: document.verified_instructions })
    }

    /// The cell of the same name about as many sources.
    pub(super) fn same(&self, row: &Row) -> Option<Cell> {
        let found = self.cells.iter().find(|(other, _)| {
            (&other.packets, other.state, other.sources) == (&row.packets, row.state, row.sources)
        });
        found.map(|(_, cell)| *cell)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a benchmark prints.
    pub(in crate::bench) fn printed(cost: f64, verified: u32) -> String {
        let cells = serde_json::json!([
            {"candidate": "one-read", "median_ns": 4.0, "rounds_ns": [4.0]},
            {"candidate": "floodwall", "median_ns": cost, "rounds_ns": [cost], "to_one_read": 1.0},
            {"candidate": "signed", "median_ns": 2.0 * cost, "rounds_ns": [2.0 * cost]},
        ]);
        serde_json::json!({
            "machine": {}, "rounds": 1, "verified_instructions": verified,
            "groups": [
                {"name": "IPv4 clean", "sources": 10, "share_as_expected": 1.0, "cells": cells},
                {"name": "another", "sources": 10, "share_as_expected": 0.5, "cells": []},
            ],
        })
        .to_string()
    }

    #[test]
    fn the_rows_of_floodwall_are_read() {
        let outcome = Outcome::parse(&printed(100.0, 40_000)).unwrap();
        let told: Vec<_> =
            outcome.cells.iter().map(|(row, cell)| (&*row.packets, row.state, cell.cost)).collect();
        assert_eq!(told, [("IPv4 clean", "1 M prefixes", 100.0), ("IPv4 clean", "64 signatures", 200.0)]);
        assert_eq!(outcome.verified, Some(40_000));
    }

    #[test]
    fn another_format_is_said_to_be_one() {
        for text in
            ["", "usage: bench", "{\"rows\": []}", "{\"groups\": [], \"verified_instructions\": null}"]
        {
            let error = Outcome::parse(text).unwrap_err().to_string();
            assert!(error.contains("another format"), "{text}: {error}");
        }
        let twice = printed(1.0, 1).replace("[1.0]", "[1.0,2.0]");
        assert!(Outcome::parse(&twice).unwrap_err().to_string().contains("2 rounds in place of one"));
    }

    #[test]
    fn rows_about_other_packets_are_not_the_same() {
        let one = Outcome::parse(&printed(100.0, 1)).unwrap();
        let other = Outcome::parse(&printed(100.0, 1).replace("\"sources\":10", "\"sources\":11")).unwrap();
        let row = one.cells.keys().next().unwrap();
        assert!(one.same(row).is_some() && other.same(row).is_none());
    }
}
