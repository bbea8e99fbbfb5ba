//! `floodwall run`: becomes the daemon.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser as _};

use super::{
    arguments,
    exit::{Done, Failed, Kind, Stop},
};
use crate::{
    config::Config,
    daemon,
    kernel::{self, Missing},
    log::{self, Format},
    {host::Mode, options::RunOptions},
};

const MODES: [&str; 3] = ["native", "generic", "auto"];

/// What runs where nothing else is said.
const AFTER_HELP: &str = "\
On SIGTERM or SIGINT the daemon keeps what it has learnt and ends; the filter stays in force, and `floodwall detach IF`
takes it off. SIGHUP reads the configuration again, SIGUSR1 logs how floodwall stands.
Options win over the configuration file. FLOODWALL_LOG sets what is logged (error, warn, info, debug).";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Run {
    /// Interface to protect, by its name or an alternative one; may be given several times. They share lists, limits and
    /// counters. One that is not there yet is protected as soon as it is; until then `status` ends with 9 [default: those that
    /// the configuration file names, which may be none].
    #[arg(long = "iface", value_name = "IF", value_parser = arguments::interface)]
    interfaces: Vec<String>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where lists and limits outlive a reboot.
    #[arg(long, value_name = "DIR", default_value = super::STATE_DIR)]
    state_dir: PathBuf,
    /// Go on with what can be read of a state that is damaged, as `floodwall status` says. The files as they were are set
    /// aside, in `set-aside-TIME` in the state directory, and the log says what is lost.
    #[arg(long)]
    accept_state: bool,
    /// How the filter runs: in the driver or not at all, in the network stack (slow), or whichever can be had
    /// [default: native].
    #[arg(long, value_parser = PossibleValuesParser::new(MODES).try_map(|mode| mode.parse::<Mode>()))]
    mode: Option<Mode>,
    /// Directory on a BPF file system that belongs to this daemon.
    #[arg(long, value_name = "DIR", default_value = super::BPFFS)]
    bpffs: PathBuf,
    /// Prefixes that both lists can hold together [default: 1250000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_prefixes: Option<u32>,
    /// Sources that are tracked at once [default: 1000000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_sources: Option<u32>,
    /// Flows of the host, and of what it carries, that are known at once [default: 1000000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_flows: Option<u32>,
    /// Drop only what you have named: lists, signatures of your own, and rules that the configuration names. All else
    /// only counts, and `status` says what it would have dropped.
    #[arg(long)]
    observe: bool,
    /// How the log is written: lines of text or of JSON on standard error, or entries of systemd's journal
    /// [default: journal where standard error leads there, else text].
    #[arg(long, value_name = "FORMAT", env = "FLOODWALL_LOG_FORMAT", hide_env_values = true)]
    log_format: Option<Format>,
}

impl Run {
    pub(super) fn apply(self, socket: PathBuf) -> Result<Done, Stop> {
        let log_format = self.log_format;
        let options = self.options(socket)?;
        let bpffs = options.bpffs.clone();
        let failed = |error: &anyhow::Error, otherwise| failed(error, otherwise, &in_force(&bpffs));
        log::start(log_format).map_err(|error| failed(&error, Kind::Internal))?;
        let config = Config::of(&options).map_err(|error| failed(&error, Kind::Invalid))?;
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|error| Failed::new(Kind::Internal, format!("starting: {error}")))?;
        runtime.block_on(daemon::run(options, config)).map_err(|error| failed(&error, Kind::Internal))?;
        Ok(Done::Plain)
    }

    fn options(self, socket: PathBuf) -> Result<RunOptions, Failed> {
        let Self {
            interfaces,
            config,
            state_dir,
            accept_state,
            mode,
            bpffs,
            max_prefixes,
            max_sources,
            max_flows,
            observe,
            log_format: _,
        } = self;
        if interfaces.is_empty() && config.is_none() {
            let message = "what is to be protected? --iface names an interface, --config a file that does";
            return Err(Failed::new(Kind::Invalid, message));
        }
        for (index, name) in interfaces.iter().enumerate() {
            if interfaces[..index].contains(name) {
                return Err(Failed::new(Kind::Invalid, format!("--iface {name} is given twice")));
            }
        }
        Ok(RunOptions {
            interfaces,
            config,
            state_dir,
            accept_state,
            socket,
            mode,
            bpffs,
            max_prefixes,
            max_sources,
            max_flows,
            observe,
        })
    }
}

/// Interfaces that are filtered though no daemon runs.
fn in_force(bpffs: &Path) -> Vec<String> {
    // What cannot be asked, as permission lacks, is not said.
    kernel::in_force(bpffs).unwrap_or_default()
}

/// What is said of an error: that permission was lacking, or else that it is of this kind; and what is filtered all the same.
fn failed(error: &anyhow::Error, otherwise: Kind, in_force: &[String]) -> Failed {
    let denied = error.chain().any(|cause| {
        matches!(cause.downcast_ref::<Missing>(), Some(Missing::Privilege))
            || cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    });
    let mut message = format!("{error:#}");
    if !in_force.is_empty() {
        message = format!(
            "{message}\nwhat an earlier run has put in force on {} stays in force; entries do not expire, and no attack is \
             noticed, until a daemon runs again",
            in_force.join(", ")
        );
    }
    Failed::new(if denied { Kind::Denied } else { otherwise }, message)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{Cli, Verb},
        tables::Capacity,
    };

    fn options(arguments: &str) -> Result<RunOptions, String> {
        let line = format!("floodwall run {arguments}");
        let cli = Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        let Some(Verb::Run(run)) = cli.verb else { panic!("{arguments} is not run") };
        run.options(cli.socket).map_err(|failed| failed.message().to_owned())
    }

    #[test]
    fn what_is_not_said_is_left_to_the_configuration() {
        let options = options("--iface eth0 --iface eth1").unwrap();
        assert_eq!(options.interfaces, ["eth0", "eth1"]);
        assert_eq!(options.state_dir, PathBuf::from("/var/lib/floodwall"));
        assert!(!options.accept_state);
        assert_eq!(options.bpffs, PathBuf::from("/sys/fs/bpf/floodwall"));
        assert_eq!(
            (options.config, options.mode, options.max_prefixes, options.max_sources, options.max_flows),
            (None, None, None, None, None)
        );
    }

    #[test]
    fn the_help_names_the_defaults_that_hold() {
        let help = Cli::try_parse_from(["floodwall", "run", "--help"]).unwrap_err().to_string();
        let capacity = Capacity::default();
        for (option, default) in [
            ("--max-prefixes", capacity.prefixes),
            ("--max-sources", capacity.sources),
            ("--max-flows", capacity.flows),
        ] {
            let told = help.split(option).nth(1).and_then(|rest| rest.split("default: ").nth(1)).unwrap();
            assert_eq!(told.split(']').next().unwrap(), default.to_string(), "{option}");
        }
    }

    #[test]
    fn what_is_said_is_taken() {
        let options = options(
            "--iface eth0 --config f.toml --state-dir /s --mode auto --bpffs /b --max-prefixes 5000 --max-sources 4096 --max-flows 2048 \
             --accept-state --socket /x",
        )
        .unwrap();
        assert_eq!(options.socket, PathBuf::from("/x"));
        assert_eq!(options.mode, Some(Mode::Auto));
        assert!(options.accept_state);
        assert_eq!(
            (options.max_prefixes, options.max_sources, options.max_flows),
            (Some(5000), Some(4096), Some(2048))
        );
    }

    #[test]
    fn mistakes() {
        assert!(options("").unwrap_err().contains("--iface names an interface"));
        assert!(options("--config f.toml").unwrap().interfaces.is_empty(), "the file may name some");
        assert_eq!(options("--iface eth0 --iface eth0").unwrap_err(), "--iface eth0 is given twice");
        assert!(options("--iface ../x").unwrap_err().contains("no name of an interface"));
        assert!(options("--iface eth0 --mode fast").unwrap_err().contains("native, generic, auto"));
        assert!(options("--iface eth0 --max-prefixes 0").is_err());
    }
}
