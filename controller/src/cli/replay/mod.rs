//! `floodwall replay`: what the filter would do with a capture.

mod inputs;
mod observe;
mod render;

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum};
use floodwall_capture::Reader;
use indicatif::ProgressBar;

use self::observe::Observed;
use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};
use crate::{
    config::Config,
    replay::{
        egress,
        engine::{Engine, KernelEngine, ModelEngine},
        host::Host,
        run,
        verdicts::{Column, Verdicts},
        watch::Watch,
        world::World,
    },
};

/// What runs where nothing else is said.
const AFTER_HELP: &str = "\
Each packet is judged at its own time, by the same code that runs on an interface; nothing is sent, and no interface
is touched. The same input gives the same output, byte for byte. A damaged capture is judged up to the damage; the
exit code is 12 then.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Replay {
    /// The capture: pcap or pcapng, plain, .gz or .zst; `-` is standard input.
    file: PathBuf,
    /// Configuration file; without one, the defaults of a fresh install.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Block the prefixes of a list, in any form that `block import` reads; may be given several times.
    #[arg(long, value_name = "LIST")]
    block: Vec<PathBuf>,
    /// Allow the prefixes of a list; may be given several times.
    #[arg(long, value_name = "LIST")]
    allow: Vec<PathBuf>,
    /// What the daemon would read off the host: {"addresses": ["192.0.2.10"], "services": ["tcp/22"]}.
    #[arg(long, value_name = "HOST.json")]
    host: Option<PathBuf>,
    /// Flows that the host itself opened, a line each: seconds,proto,local,local_port,remote,remote_port.
    #[arg(long, value_name = "FLOWS.csv")]
    egress: Option<PathBuf>,
    /// What judges: the program in the kernel, as it would be attached (needs root), or the same code on the host.
    #[arg(long, value_enum, default_value = "model")]
    engine: EngineName,
    /// Write a line for each packet, gzipped if the name ends in .gz.
    #[arg(long, value_name = "OUT.csv")]
    verdicts: Option<PathBuf>,
    /// Columns of that file, in order.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "index,time,verdict,reason,rule"
    )]
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Kernel,
    Model,
}

impl Replay {
    pub(super) fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let config = match &self.config {
            Some(path) => Config::read(path).map_err(invalid)?,
            None => Config::default(),
        };
        let lists = inputs::lists(&self.allow, &self.block)?;
        let host = self.host.as_deref().map(Host::read).transpose().map_err(invalid)?.unwrap_or_default();
        let flows =
            self.egress.as_deref().map(egress::read).transpose().map_err(invalid)?.unwrap_or_default();
        let mut capture =
            Reader::open(&self.file).map_err(|error| Failed::new(Kind::Invalid, error.to_string()))?;
        let mut engine = self.engine(&config)?;
        let world = World::new(engine.tables(), &config, lists).map_err(invalid)?;
        world.describe(&config, &host, self.egress.is_some()).map_err(invalid)?;
        let verdicts = self
            .verdicts
            .as_deref()
            .map(|path| Verdicts::create(path, &self.columns(&world)))
            .transpose()
            .map_err(internal)?;

        let mut observed = Observed::new(verdicts, self.progress(session.watched));
        let replay = run::Replay {
            engine: &mut *engine,
            world: &world,
            controller: &mut Watch::default(),
            host: &host,
            flows: &flows,
        };
        let damage = replay.run(&mut capture, &mut observed).map_err(internal)?;
        let summary = observed.finish().map_err(internal)?;
        let report = summary.report(damage.as_ref().map(ToString::to_string));
        session
            .answer(&report, |report, out, style| render::report(report, &summary.timeline, out, style))?;
        Ok(if damage.is_some() { Done::Damaged } else { Done::Plain })
    }

    fn engine(&self, config: &Config) -> Result<Box<dyn Engine>, Failed> {
        Ok(match self.engine {
            EngineName::Model => Box::new(ModelEngine::new(&config.capacity).map_err(internal)?),
            EngineName::Kernel => Box::new(KernelEngine::new(&config.capacity).map_err(internal)?),
        })
    }

    fn columns(&self, world: &World) -> Vec<Column> {
        let monitors = world.tables.settings[0].monitored.load() != 0;
        match &self.columns[..] {
            [] => Column::ALL.into_iter().filter(|column| monitors || *column != Column::Would).collect(),
            chosen => chosen.to_vec(),
        }
    }

    /// A bar over the bytes of the file, where somebody sees it and the length is known.
    fn progress(&self, watched: bool) -> ProgressBar {
        let length = fs::metadata(&self.file).ok().filter(fs::Metadata::is_file).map(|file| file.len());
        match length {
            Some(length) if watched => observe::bar(length),
            None if watched => observe::spinner(),
            _ => ProgressBar::hidden(),
        }
    }
}

/// What the user gave cannot be used.
fn invalid(error: impl Into<anyhow::Error>) -> Failed {
    Failed::new(Kind::Invalid, format!("{:#}", error.into()))
}

/// floodwall, or the machine, is at fault.
fn internal(error: impl Into<anyhow::Error>) -> Failed {
    Failed::new(Kind::Internal, format!("{:#}", error.into()))
}
