//! The whole of it, from loading programs to the report.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use floodwall::tables::{Capacity, Prefix};
use floodwall_common::prefix::Family;
use floodwall_lab::random::Random;

use crate::{
    candidate::Candidate,
    control,
    floodwall::Floodwall,
    groups,
    measure::{self, Bench, Group, Measured, Pace},
    memory,
    report::{Machine, Memory, Report, Row},
    shapes,
    sources::{self, CLEAN, Window},
    stand::Stand,
    targets,
    xdp_filter::XdpFilter,
};

/// What is the same through a run.
struct Session {
    pace: Pace,
    /// What the names of the rows hold that are measured; `None`: all are.
    rows: Option<String>,
    start: Instant,
    random: Random,
    floodwall: Floodwall,
    unlisted: Floodwall,
    xdp_filter: Option<XdpFilter>,
    groups: Vec<Row>,
}

/// Measures everything, or (`quick`) what most targets are about, or (`rows`) what is named so.
pub(crate) fn run(quick: bool, rounds: Option<usize>, rows: Option<&str>) -> anyhow::Result<Report> {
    let pace = if quick {
        Pace { rounds: rounds.unwrap_or(3), packets: 60_000, time: Duration::from_millis(30) }
    } else {
        Pace { rounds: rounds.unwrap_or(5), packets: 200_000, time: Duration::from_millis(80) }
    };
    let mut session = Session::new(pace, rows)?;
    let memory = Memory::new(
        memory::kept_for(session.floodwall.program()?).context("asking what the kernel keeps")?,
        Capacity::default().bytes(),
    );
    let (v4, v6, hosts) = (
        shapes::mixed(Family::V4, &mut session.random),
        shapes::mixed(Family::V6, &mut session.random),
        shapes::hosts(&mut session.random),
    );
    let stand = session.mixed(&v4, &v6, groups::mixed(quick))?;
    let changes = if rows.is_none() {
        session.tell("changes of the blocklist");
        let inserts = if quick { 1_000 } else { 5_000 };
        Some(control::measure(&stand, &session.floodwall, [&hosts, &v4], inserts)?)
    } else {
        None
    };
    drop(stand);
    session.short_prefixes()?;
    if !quick {
        session.hosts(&hosts)?;
        match shapes::routing_table()? {
            Some(prefixes) => session.routing_table(&prefixes)?,
            None => session.tell("no full routing table in the corpus (FLOODWALL_CORPUS): left out"),
        }
    }
    let mut report = Report {
        machine: Machine::this()?,
        rounds: session.pace.rounds,
        prefixes: shapes::MIX,
        groups: session.groups,
        changes,
        memory,
        verified_instructions: session.floodwall.verified_instructions()?,
        targets: Vec::new(),
    };
    report.targets = targets::check(&report);
    Ok(report)
}

impl Session {
    fn new(pace: Pace, rows: Option<&str>) -> anyhow::Result<Self> {
        let start = Instant::now();
        let xdp_filter = XdpFilter::load();
        if let Err(error) = &xdp_filter {
            eprintln!("bench: without xdp-filter: {error:#}");
        }
        Ok(Self {
            pace,
            rows: rows.map(str::to_owned),
            start,
            random: Random::new(1),
            floodwall: Floodwall::load(Capacity::default())?,
            // As many sources, but prefixes it has none.
            unlisted: Floodwall::load(Capacity { prefixes: 1_000, ..Capacity::default() })?,
            xdp_filter: xdp_filter.ok(),
            groups: Vec::new(),
        })
    }

    fn tell(&self, what: &str) {
        eprintln!("bench: {:5.1} s  {what}", self.start.elapsed().as_secs_f64());
    }

    /// Prefixes of all lengths and both families.
    fn mixed(&mut self, v4: &[Prefix], v6: &[Prefix], groups: Vec<Group>) -> anyhow::Result<Stand> {
        let stand = self.set_up("mixed prefixes", &[v4, v6])?;
        for (family, prefixes) in [(Family::V4, v4), (Family::V6, v6)] {
            self.fill_clean(&stand, Window::clean(family, CLEAN), None)?;
            sources::fill_blocked(&stand.sources, Window::blocked(family), prefixes, &mut self.random)?;
        }
        self.measure(&stand, groups.into_iter().chain(groups::hostile()).collect())?;
        Ok(stand)
    }

    /// Few prefixes, of which each holds a 256th of all addresses.
    fn short_prefixes(&mut self) -> anyhow::Result<()> {
        let prefixes = shapes::eights();
        let stand = self.set_up("short prefixes", &[&prefixes])?;
        sources::fill_any(&stand.sources, Window::clean(Family::V4, CLEAN), &mut self.random)?;
        self.measure(&stand, groups::short_prefixes())
    }

    /// Single addresses.
    fn hosts(&mut self, prefixes: &[Prefix]) -> anyhow::Result<()> {
        let stand = self.set_up("single addresses", &[prefixes])?;
        self.fill_clean(&stand, Window::clean(Family::V4, CLEAN), Some(prefixes))?;
        sources::fill_blocked(&stand.sources, Window::blocked(Family::V4), prefixes, &mut self.random)?;
        self.measure(&stand, groups::hosts())
    }

    /// The prefixes of a routing table.
    fn routing_table(&mut self, prefixes: &[Prefix]) -> anyhow::Result<()> {
        let stand = self.set_up("full routing table", &[prefixes])?;
        let window = Window::blocked(Family::V4).up_to(prefixes.len());
        sources::fill_blocked(&stand.sources, window, prefixes, &mut self.random)?;
        self.measure(&stand, groups::routing_table(prefixes.len()))
    }

    /// Lists the prefixes everywhere, and puts all candidates behind a wrapper.
    fn set_up(&self, what: &str, prefixes: &[&[Prefix]]) -> anyhow::Result<Stand> {
        self.tell(&format!("loading: {what}"));
        self.floodwall.block(prefixes)?;
        let stand = Stand::load(prefixes)?;
        stand.set(Candidate::Floodwall, self.floodwall.program()?)?;
        stand.set(Candidate::Signed, self.floodwall.program()?)?;
        stand.set(Candidate::Unlisted, self.unlisted.program()?)?;
        if let Some(xdp_filter) = &self.xdp_filter {
            stand.set(Candidate::XdpFilter, xdp_filter.program()?)?;
        }
        Ok(stand)
    }

    fn fill_clean(&mut self, stand: &Stand, window: Window, near: Option<&[Prefix]>) -> anyhow::Result<()> {
        sources::fill_clean(&stand.sources, window, &self.floodwall.tables, near, &mut self.random)
    }

    /// Measures the groups, in a thread that keeps to one processor.
    fn measure(&mut self, stand: &Stand, mut groups: Vec<Group>) -> anyhow::Result<()> {
        if let Some(rows) = &self.rows {
            groups.retain(|group| group.name.contains(rows.as_str()));
        }
        if self.xdp_filter.is_none() {
            for group in &mut groups {
                group.candidates.retain(|candidate| *candidate != Candidate::XdpFilter);
            }
        }
        let bench = Bench { stand, floodwall: &self.floodwall, unlisted: &self.unlisted };
        let this = &*self;
        let measured: Vec<Measured> = thread::scope(|scope| {
            let measuring = scope.spawn(|| {
                measure::stay_on_one_processor()?;
                let rounds = this.pace.rounds;
                bench.measure(groups, this.pace, |round| {
                    this.tell(&format!("round {} of {rounds}", round + 1));
                })
            });
            measuring.join().map_err(|_| anyhow!("the thread that measures panicked"))?
        })?;
        self.groups.extend(measured.iter().map(Row::new));
        Ok(())
    }
}
