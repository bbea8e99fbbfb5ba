//! Changes on trial, and `floodwall confirm`.

use std::{
    io::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    arguments,
    exit::{Done, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::{
    api::{Changed, ConfirmRequest, TrialList, TrialReport, path},
    client::target,
};

/// Heads the option of what may be on trial.
const HEADING: &str = "Not to be locked out";

/// Whether a change is on trial.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct OnTrial {
    /// Undo it after this time, such as 60s, unless `floodwall confirm` is said before: also if the daemon or the host was
    /// started anew meanwhile. What may end the SSH connection that you come by is undone after 60s though you do not say
    /// so; `never` has it stay.
    #[arg(long, value_name = "DURATION|never", value_parser = within)]
    confirm_within: Option<Within>,
}

#[derive(Clone, Copy, Debug)]
struct Within(Duration);

fn within(given: &str) -> Result<Within, String> {
    if given == "never" {
        return Ok(Within(Duration::ZERO));
    }
    arguments::lifetime(given).map(Within)
}

impl OnTrial {
    /// Seconds, as they are sent.
    pub(super) fn seconds(self) -> Option<u64> {
        self.confirm_within.map(|Within(within)| within.as_secs())
    }

    /// Where a command is sent that is on trial, or is not.
    pub(super) fn target(self, path: &str) -> String {
        match self.seconds() {
            Some(seconds) => target(path, [("confirm_within", &seconds as _)]),
            None => path.to_owned(),
        }
    }
}

impl Session<'_> {
    /// Writes what became of a change, and whether it has to be confirmed.
    pub(super) fn changed<T: Serialize + JsonSchema>(
        &mut self,
        changed: &Changed<T>,
        human: impl FnOnce(&T, &mut dyn Write, Style) -> io::Result<()>,
    ) -> Result<(), Stop> {
        self.answer(changed, |changed, out, style| {
            human(&changed.answer, out, style)?;
            changed.trial.as_ref().map_or(Ok(()), |trial| notice(trial, out, style))
        })
    }
}

/// That a change has to be confirmed.
pub(super) fn notice(trial: &TrialReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let TrialReport { number, until, .. } = trial;
    let text = format!(
        "ON TRIAL: undone {} ({}), unless you say `floodwall confirm {number}`",
        units::within(*until, units::now()),
        at(*until)
    );
    writeln!(out, "{}", style.loud(text))
}

/// A time in UTC.
fn at(seconds: u64) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A line of `status` on a change that waits.
pub(super) fn waiting(trial: &TrialReport) -> String {
    let TrialReport { number, until, command, .. } = trial;
    format!(
        "change {number} (`{}`) is undone {} ({}), unless you say `floodwall confirm {number}`",
        units::printable(command),
        units::within(*until, units::now()),
        at(*until)
    )
}

#[derive(Debug, Args)]
pub(super) struct Confirm {
    /// Which change, as it was told when it was made, and as `floodwall status` shows it; all that wait if none is named.
    number: Option<u64>,
}

impl Confirm {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = ConfirmRequest { number: self.number };
        let list: TrialList = session.client.post(path::CONFIRM, &request).await?;
        session.answer(&list, |list, out, _| {
            list.trials.iter().try_for_each(|TrialReport { number, command, .. }| {
                writeln!(out, "change {number} (`{}`) stays", units::printable(command))
            })
        })?;
        Ok(Done::Plain)
    }
}
