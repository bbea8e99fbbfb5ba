//! Everything that came out, for people and for machines.

use std::fs;

use anyhow::Context as _;
use floodwall::tables::Footprint;
use nix::sys::utsname::uname;
use serde::Serialize;

use crate::{
    candidate::Candidate,
    control::Changed,
    frames::Frame,
    groups::{Hostile, family_name},
    measure::{Measured, median},
    sources::CLEAN,
    targets::Target,
};

/// Everything that came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    /// What the prefixes look like.
    pub(crate) prefixes: &'static str,
    pub(crate) groups: Vec<Row>,
    pub(crate) changes: Option<Changed>,
    pub(crate) memory: Memory,
    /// Instructions that the verifier walked through.
    pub(crate) verified_instructions: Option<u32>,
    pub(crate) targets: Vec<Target>,
}

/// What it was measured on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
}

/// Candidates that were shown the same packets.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) family: &'static str,
    pub(crate) frame: Frame,
    /// Different sources.
    pub(crate) sources: usize,
    /// Share of the packets that floodwall did with what was expected, in the worst round.
    pub(crate) share_as_expected: f64,
    pub(crate) cells: Vec<Cell>,
}

/// A candidate's cost, in ns per packet above a program that only drops.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) candidate: Candidate,
    pub(crate) median_ns: f64,
    /// In each round.
    pub(crate) rounds_ns: Vec<f64>,
    /// The median over that of one random read.
    pub(crate) to_one_read: Option<f64>,
    /// The median over that of floodwall.
    pub(crate) to_floodwall: Option<f64>,
}

/// Memory of the default configuration, in bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    /// What the kernel says it keeps for the program and its maps.
    pub(crate) kept_bytes: u64,
    pub(crate) prefix_roots: u64,
    pub(crate) prefix_bitmaps: u64,
    pub(crate) prefix_lines: u64,
    pub(crate) sources: u64,
}

impl Memory {
    pub(crate) fn new(kept_bytes: u64, footprint: Footprint) -> Self {
        let Footprint { prefix_roots, prefix_bitmaps, prefix_lines, sources, .. } = footprint;
        Self { kept_bytes, prefix_roots, prefix_bitmaps, prefix_lines, sources }
    }
}

impl Report {
    /// A candidate's median in a group, ns.
    pub(crate) fn median(&self, group: &str, candidate: Candidate) -> Option<f64> {
        self.groups.iter().find(|row| row.name == group)?.median(candidate)
    }
}

impl Report {
    /// What dropping the packets of an attack can cost at least, ns: what it costs if all come from one source, whose lines are
    /// in a cache, and the random reads without which a packet cannot be judged. `None` for rows about anything else.
    pub(crate) fn bound(&self, hostile: Hostile) -> Option<f64> {
        let [one, many] = [1, CLEAN].map(|count| hostile.row(count));
        let (cost, read) =
            self.median(&one, Candidate::Floodwall).zip(self.median(&many, Candidate::OneRead))?;
        Some(cost + hostile.reads() * read)
    }
}

impl Row {
    pub(crate) fn new(measured: &Measured) -> Self {
        let group = &measured.group;
        let one_read = measured.median(Candidate::OneRead);
        let floodwall = measured.median(Candidate::Floodwall);
        let cells = group.candidates.iter().filter_map(|candidate| {
            let rounds_ns = measured.costs.get(candidate)?.clone();
            let median_ns = median(&rounds_ns)?;
            Some(Cell {
                candidate: *candidate,
                median_ns,
                rounds_ns,
                to_one_read: one_read.map(|one_read| median_ns / one_read),
                to_floodwall: floodwall.map(|floodwall| median_ns / floodwall),
            })
        });
        Self {
            name: group.name.clone(),
            family: family_name(group.window.family),
            frame: group.frame,
            sources: group.window.count,
            share_as_expected: measured.share,
            cells: cells.collect(),
        }
    }

    /// A candidate's median, ns.
    pub(crate) fn median(&self, candidate: Candidate) -> Option<f64> {
        Some(self.cells.iter().find(|cell| cell.candidate == candidate)?.median_ns)
    }
}

impl Machine {
    pub(crate) fn this() -> anyhow::Result<Self> {
        let system = uname().context("asking for the kernel's name")?;
        let about = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
        let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Ok(Self {
            kernel: system.release().to_string_lossy().into_owned(),
            processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        })
    }
}
