//! `floodwall check`: whether a configuration is one, without a daemon.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cli::{
        exit::{Done, Failed, Kind, Stop},
        session::Session,
    },
    config::Config,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What a configuration holds, in short.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CheckedConfiguration")]
pub(in crate::cli) struct Sound {
    /// Services.
    services: usize,
    /// Rules of all of them.
    rules: usize,
    /// What is allowed, and may do harm.
    warnings: Vec<String>,
}

impl Check {
    pub(in crate::cli) fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let config = Config::read(&self.file).map_err(|error| {
            let kind = error.downcast_ref::<std::io::Error>().map_or(Kind::Invalid, Kind::of_io);
            Failed::new(kind, format!("{error:#}"))
        })?;
        let sound = Sound {
            services: config.policy.services.len(),
            rules: config.policy.rules().count(),
            warnings: config.policy.warnings(),
        };
        session.answer(&sound, |Sound { services, rules, warnings }, out, style| {
            for warning in warnings {
                writeln!(out, "{} {warning}", style.loud("WARNING:"))?;
            }
            let plural = if *services == 1 { "" } else { "s" };
            writeln!(out, "{}: sound; {services} service{plural} with {rules} rules", self.file.display())
        })?;
        Ok(Done::Plain)
    }
}
