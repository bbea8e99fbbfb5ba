//! `floodwall replay`: what the filter would do with a capture, or with several one after the other.

mod compare;
mod drawing;
mod inputs;
mod live;
mod notes;
mod render;
mod results;
mod stage;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use floodwall_capture::{CaptureError, Reader};
use indicatif::ProgressBar;

use self::{
    drawing::Drawing,
    results::Observed,
    stage::{EngineName, Stage},
};
use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};
use crate::{
    api::SignatureReport,
    config::Config,
    replay::{
        capture_context::CaptureContext,
        summary::Summary,
        verdicts::{Column, Verdicts},
        world::{Lists, World},
    },
};

/// What runs where nothing else is said.
const AFTER_HELP: &str = "\
Each packet that came in is judged at its own time, by the same code that runs on an interface; nothing is sent, and no
interface is touched. What the host itself has sent, as a cooked capture, the flags of pcapng or --host tell, is not
judged: it shows what the host has asked for. The same input gives the same output, byte for byte. A capture that holds only
one direction does not show what the host answers: a request for a TCP connection that passes is taken for answered, and
the next segment of it for the end of the handshake. A damaged capture is judged up to the damage; the exit code is 12 then.

Several captures are played one after the other by one filter, which keeps what it has learnt: of usual traffic, say, from
the first one. One that begins within a minute after the one before has ended keeps its time; any other is moved, so that it
begins right after. All times that are told are on that one clock, which is the first capture's. --host and --egress are
given once for all captures, or once for each, in their order; flows that are given once are on the first one's clock.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Replay {
    /// The captures, one after the other: pcap or pcapng, plain, .gz or .zst; `-` is standard input.
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Configuration file; without one, the defaults of a fresh install.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Block the prefixes of a list, in any form that `block import` reads; may be given several times.
    #[arg(long, value_name = "LIST")]
    block: Vec<PathBuf>,
    /// Allow the prefixes of a list; may be given several times.
    #[arg(long, value_name = "LIST")]
    allow: Vec<PathBuf>,
    /// Have the signatures of a file in force, a line each, as `signature add` takes them; may be given several times.
    #[arg(long, value_name = "FILE")]
    signatures: Vec<PathBuf>,
    /// What the daemon would read off the host: {"addresses": ["192.0.2.10"], "services": ["tcp/22"]}. What comes from
    /// one of the addresses is the host's own. In `connections` may be those that were there before the capture begins:
    /// {"protocol": "tcp", "local": "192.0.2.10:22", "remote": "203.0.113.7:40000"}.
    #[arg(long, value_name = "HOST.json")]
    host: Vec<PathBuf>,
    /// Flows that the host itself opened, a line each: seconds,proto,local,local_port,remote,remote_port.
    #[arg(long, value_name = "FLOWS.csv")]
    egress: Vec<PathBuf>,
    /// What judges: the program in the kernel, as it would be attached (needs root), or the same code on the host.
    #[arg(long, value_enum, default_value = "model")]
    engine: EngineName,
    /// Judge as the running daemon does: by its lists, rules, limits and signatures, with its capacity. Lists that are
    /// given here come on top; a configuration takes the place of its rules, limits and capacity.
    #[arg(long, value_enum)]
    against: Option<Against>,
    /// Show which packets two configurations judge differently, and why.
    #[arg(long, num_args = 2, value_names = ["A.toml", "B.toml"], conflicts_with_all = ["config", "columns", "chart"])]
    diff: Vec<PathBuf>,
    /// Write a line for each packet that is judged, gzipped if the name ends in .gz; with --diff, for each that is judged
    /// differently.
    #[arg(long, value_name = "OUT.csv")]
    verdicts: Option<PathBuf>,
    /// Columns of that file, in order [default: index,time,verdict,reason,rule; before them capture where there are several;
    /// and would where something is only monitored].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<Column>,
    /// Draw what passed and what was dropped over time, and when bans and rules set in.
    #[arg(long, value_name = "OUT.svg")]
    chart: Option<PathBuf>,
}

/// Whose rules a capture is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// The running daemon's.
    Live,
}

/// What a replay is given beside the captures and the configuration.
struct Given {
    lists: Lists,
    context: CaptureContext,
    /// Those of files, and those of a daemon.
    signatures: Vec<SignatureReport>,
}

impl Replay {
    pub(super) fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let mut given = self.given()?;
        let standard = match self.against {
            Some(Against::Live) => live::take(session, &mut given)?,
            None => Config::default(),
        };
        let captures = inputs::captures(&self.captures)?;
        match &self.diff[..] {
            [a, b] => {
                let read = |path: &Path| Config::read(path).map_err(invalid);
                let stage = |path: &Path| Stage::new(self.engine, &read(path)?, &given);
                let stages = [stage(a)?, stage(b)?];
                compare::run(&self, stages, &given, captures, session)
            }
            _ => {
                let config = self.config.as_deref().map(Config::read).transpose().map_err(invalid)?;
                let stage = Stage::new(self.engine, &config.unwrap_or(standard), &given)?;
                self.run(stage, &given, captures, session)
            }
        }
    }

    fn given(&self) -> Result<Given, Failed> {
        Ok(Given {
            lists: inputs::lists(&self.allow, &self.block)?,
            context: inputs::context(self.captures.len(), &self.host, &self.egress)?,
            signatures: inputs::signatures(&self.signatures)?,
        })
    }

    fn run(
        &self,
        mut stage: Stage,
        given: &Given,
        mut captures: Vec<Reader>,
        session: &mut Session<'_>,
    ) -> Result<Done, Stop> {
        let columns = self.columns(&stage.world);
        let verdicts = self.verdicts.as_deref().map(|path| Verdicts::create(path, &columns));
        let names = inputs::names(&self.captures);
        let mut observed = Observed::new(
            verdicts.transpose().map_err(internal)?,
            Summary::of(&names),
            self.progress(session.watched),
        );
        let drawing = self.chart.as_deref().map(Drawing::open).transpose()?;
        let damages = stage.replay(given).run(&mut captures, &mut observed).map_err(internal)?;
        let summary = observed.finish().map_err(internal)?;
        if let Some(drawing) = drawing {
            drawing.draw(&title(&names), &summary)?;
        }
        let report = summary.report(told(&damages));
        session
            .answer(&report, |report, out, style| render::report(report, &summary.timeline, out, style))?;
        Ok(if !damages.is_empty() { Done::Damaged } else { Done::Plain })
    }

    fn columns(&self, world: &World) -> Vec<Column> {
        let monitors = world.tables.settings[0].monitored.load() != 0;
        let matters = |column: &Column| match column {
            Column::Capture => self.captures.len() > 1,
            Column::Would => monitors,
            _ => true,
        };
        match &self.columns[..] {
            [] => Column::ALL.into_iter().filter(matters).collect(),
            chosen => chosen.to_vec(),
        }
    }

    /// A bar over the bytes of the files, where somebody sees it and their length is known.
    fn progress(&self, watched: bool) -> ProgressBar {
        let length =
            |path: &PathBuf| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        match self.captures.iter().map(length).sum::<Option<u64>>() {
            Some(length) if watched => results::bar(length),
            None if watched => results::spinner(),
            _ => ProgressBar::hidden(),
        }
    }
}

/// Captures that a title names; of more, it says how many there are.
const TITLE: usize = 3;

/// What captures are called together.
fn title(names: &[String]) -> String {
    let named = names.iter().take(TITLE).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(TITLE) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What ended the reading of captures that are damaged, if any is.
fn told(damages: &[CaptureError]) -> Option<String> {
    let told: Vec<_> = damages.iter().map(ToString::to_string).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What the user gave cannot be used.
fn invalid(error: impl Into<anyhow::Error>) -> Failed {
    Failed::new(Kind::Invalid, format!("{:#}", error.into()))
}

/// floodwall, or the machine, is at fault.
fn internal(error: impl Into<anyhow::Error>) -> Failed {
    Failed::new(Kind::Internal, format!("{:#}", error.into()))
}
