//! `cargo xtask demo`: a small web site under a flood, first without floodwall and then with it.
//!
//! Everything happens in three network namespaces that are gone afterwards:
//!
//! ```text
//!   client  ──────────┐
//!   64 customers      ├── edge: the web site, and floodwall on both of its interfaces
//!   attacker ─────────┘
//! ```

mod attack;
mod counters;
mod draw;
mod filter;
mod interrupt;
mod phase;
mod screen;
mod site;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use floodwall_lab::{namespace, skip};

use crate::{build, shell};
use attack::Attack;
use filter::Filter;
use phase::{Phase, Sample, Story};
use screen::Screen;
use site::Site;

/// A sample is taken, and the screen redrawn, so often.
const TICK: Duration = Duration::from_secs(1);

/// How the show is given.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Length of each of the three phases
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u64).range(4..=120))]
    seconds: u64,
    /// Print one JSON object at the end instead of the summary; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// How floodwall runs on the interfaces: native, generic or auto
    #[arg(long, default_value = "native", value_parser = ["native", "generic", "auto"])]
    mode: String,
    /// Show this floodwall instead of one built from the checkout
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// Gives the show. A signal ends it early; either way nothing of it stays on the machine.
///
/// # Errors
/// Without root, or when the binary cannot be built or does not start.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    ensure!(shell::is_root(), "the demo needs root for network namespaces and BPF: run it with sudo");
    let binary = match &options.binary {
        Some(binary) => {
            binary.canonicalize().with_context(|| format!("looking for floodwall at {}", binary.display()))?
        }
        None => build::floodwall()?,
    };
    interrupt::watch()?;
    // What an earlier show left behind when it was killed.
    namespace::sweep()?;
    filter::sweep();

    let mut story = Story::default();
    let mut screen = Screen::new(options.json, options.seconds);
    let site = Site::build()?;
    let mut customers = site.customers()?;
    let length = Duration::from_secs(options.seconds);

    let quiet = play(&mut story, &mut screen, Phase::Before, length, |story, span| {
        story.push(Phase::Before, Sample::new(&customers.interval(), 0, span));
        Ok(())
    })?;
    if !quiet {
        return Ok(stopped());
    }

    let corpus = skip::corpus();
    let attack = Attack::start(&site, corpus.as_deref().ok(), length * 2 + Duration::from_secs(50))?;
    story.attack = attack.describe();
    let mut sent = attack.sent();
    let mut rest = |sent_now: u64| sent_now - std::mem::replace(&mut sent, sent_now);
    let flooded = play(&mut story, &mut screen, Phase::Flood, length, |story, span| {
        story.push(Phase::Flood, Sample::new(&customers.interval(), rest(attack.sent()), span));
        Ok(())
    })?;
    if !flooded {
        return Ok(stopped());
    }

    screen.note("starting floodwall on both interfaces, under fire");
    let filter = Filter::start(&binary, &site, &options.mode)?;
    for step in filter.block(&attack) {
        screen.note(&step);
        story.steps.push(step);
    }
    // What happened meanwhile belongs to no phase.
    customers.interval();
    rest(attack.sent());
    let mut before = filter.counters()?;
    let done = play(&mut story, &mut screen, Phase::Filtered, length, |story, span| {
        let now = filter.counters()?;
        let sample = Sample::new(&customers.interval(), rest(attack.sent()), span);
        story.push(Phase::Filtered, sample.filtered(now.since(&before)));
        before = now;
        Ok(())
    })?;
    if !done {
        return Ok(stopped());
    }
    drop(attack);
    drop(filter);
    drop(customers);
    drop(site);
    screen.leave();
    if options.json {
        println!("{}", summary::json(&story));
    } else {
        print!("{}", summary::text(&story, corpus.err().as_deref()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays one phase; returns whether it came to its end or was interrupted.
fn play(
    story: &mut Story,
    screen: &mut Screen,
    phase: Phase,
    length: Duration,
    mut sample: impl FnMut(&mut Story, Duration) -> Result<()>,
) -> Result<bool> {
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < length {
        let due = last + TICK;
        while Instant::now() < due {
            if interrupt::asked() {
                screen.leave();
                return Ok(false);
            }
            let left = due.saturating_duration_since(Instant::now());
            thread::sleep(left.min(Duration::from_millis(50)));
        }
        let now = Instant::now();
        sample(story, now - last).with_context(|| format!("during the phase {:?}", phase.title()))?;
        last = now;
        screen.show(story, phase, start.elapsed());
    }
    Ok(true)
}

/// The exit status of a program that a signal ended, by the shell's custom.
fn stopped() -> ExitCode {
    eprintln!("interrupted; everything is being taken down");
    ExitCode::from(130)
}
