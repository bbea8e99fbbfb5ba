//! `cargo xtask demo`: a small web site under a flood, first without floodwall and then with it.
//!
//! Everything happens in three network namespaces that are gone afterwards:
//!
//! ```text
//!   client  ──────────┐
//!   64 customers      ├── edge: the web site, and floodwall on both of its interfaces
//!   attacker ─────────┘
//! ```

mod canvas;
mod counters;
mod director;
mod film;
mod filter;
mod flood;
mod interrupt;
mod news;
mod page;
mod picture;
mod screen;
mod site;
mod story;
mod summary;
mod terms;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use floodwall_lab::{daemon, namespace};

use crate::{build, shell};
use director::{Director, End};
use screen::Screen;
use terms::Terms;

/// How the show is given.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Length of the show
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(30..=240))]
    seconds: u64,
    /// Print one JSON object at the end instead of the summary; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Record the show as an animated SVG
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Say the address of floodwall's page once it runs, and let the flood go on for four minutes, or until Ctrl-C
    #[arg(long)]
    web: bool,
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
    daemon::sweep();

    let length = Duration::from_secs(options.seconds);
    let mut screen = Screen::new(options.json, length, options.record.is_some());
    let story = match Director::new(Terms { binary, mode: options.mode.clone(), length, web: options.web })?
        .play(&mut screen)?
    {
        End::Played(story) => story,
        End::Interrupted => {
            drop(screen);
            eprintln!("interrupted; everything was taken down");
            // The exit status of a program that a signal ended, by the shell's custom.
            return Ok(ExitCode::from(130));
        }
    };
    let text = summary::text(&story);
    if let (Some(file), Some(film)) = (&options.record, screen.film()) {
        std::fs::write(file, film.svg(&text)).with_context(|| format!("writing {}", file.display()))?;
    }
    drop(screen);
    if options.json {
        println!("{}", summary::json(&story));
    } else {
        print!("{text}");
    }
    Ok(ExitCode::SUCCESS)
}
