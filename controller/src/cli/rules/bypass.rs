//! `floodwall bypass`: everything passes, for a time.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{Args, Subcommand};

use crate::{
    api::{BypassRequest, BypassState, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        style::Style,
        units,
    },
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Bypass {
    /// Let every packet pass from now on, and filter again by itself after a time.
    On(On),
    /// Filter again at once.
    Off,
    /// Say whether every packet passes.
    Show,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct On {
    /// For how long, a day at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime, default_value = "5m")]
    lifetime: Duration,
}

impl Bypass {
    pub(in crate::cli) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let state: BypassState = match self {
            Self::On(On { lifetime }) => {
                session.client.put(path::BYPASS, &BypassRequest { seconds: Some(lifetime.as_secs()) }).await?
            }
            Self::Off => session.client.put(path::BYPASS, &BypassRequest { seconds: None }).await?,
            Self::Show => session.client.get(path::BYPASS).await?,
        };
        session.answer(&state, render)?;
        Ok(Done::Plain)
    }
}

fn render(state: &BypassState, out: &mut dyn Write, style: Style) -> io::Result<()> {
    match state.seconds {
        None => writeln!(out, "packets are filtered"),
        Some(seconds) => {
            let left = units::span(seconds.ceil() as u64);
            writeln!(out, "{}", style.bad(format_args!("every packet passes for another {left}")))
        }
    }
}
