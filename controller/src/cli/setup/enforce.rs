//! `floodwall setup enforce`: says what would have been dropped, and has it dropped from now on.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use floodwall_setup::{Forecast, enforce};
use schemars::JsonSchema;
use serde::Serialize;

use super::{agrees, place};
use crate::{
    api::{Changed, ReloadReport, ReloadRequest, Status, TrialReport, path},
    cli::{
        exit::{Done, Failed, Kind, Stop},
        session::Session,
        style::Style,
        table::{Lean, Table},
        trial::{self, OnTrial},
        units,
    },
};

#[derive(Debug, Args)]
pub(super) struct Enforce {
    /// Have it dropped without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only say what would have been dropped.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    trial: OnTrial,
}

/// What would have been dropped, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Enforced {
    #[serde(flatten)]
    forecast: Forecast,
    /// The configuration that the daemon reads.
    config: PathBuf,
    /// Whether it is dropped from now on.
    enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<TrialReport>,
}

impl Enforce {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let status: Status = session.client.get(path::STATUS).await?;
        if !status.observe {
            let message = "nothing is observed: what the rules and checks say is dropped already, see `floodwall status`";
            return Err(Failed::new(Kind::Invalid, message).into());
        }
        let asked = ReloadRequest { dry_run: true };
        let config: ReloadReport = session.client.post(path::RELOAD, &asked).await?;
        let config = PathBuf::from(config.path);
        let mut enforced = Enforced { forecast: Forecast::of(&status), config, enforced: false, trial: None };
        if !session.json {
            render(&enforced.forecast, &mut *session.out, session.style)?;
        }
        if !self.dry_run {
            if !self.yes && !agrees("Have it dropped from now on?", session)? {
                if session.json {
                    session.write_json(&enforced)?;
                    return Ok(Done::Plain);
                }
                return Err(Failed::new(
                    Kind::Refused,
                    "nothing was changed; --yes changes it without asking",
                )
                .into());
            }
            enforced.trial = self.change(&enforced.config, session).await?;
            enforced.enforced = true;
        }
        match (session.json, &enforced.trial) {
            (true, _) => session.write_json(&enforced)?,
            (false, _) if !enforced.enforced => {}
            (false, trial) => {
                writeln!(session.out, "it is dropped from now on; {} says so", enforced.config.display())?;
                if let Some(trial) = trial {
                    trial::notice(trial, &mut *session.out, session.style)?;
                }
            }
        }
        Ok(Done::Plain)
    }

    /// Changes the file, and has it read; if it is not taken, the file is as it was.
    async fn change(
        &self,
        config: &std::path::Path,
        session: &Session<'_>,
    ) -> Result<Option<TrialReport>, Stop> {
        let before = place::read(config)?;
        let after = enforce(&before).map_err(|error| {
            Failed::new(Kind::Invalid, format!("{} is left as it is: {error}", config.display()))
        })?;
        place::check(config, &after)?;
        place::write(config, &after)?;
        let asked = ReloadRequest { dry_run: false };
        let target = self.trial.target(path::RELOAD);
        match session.client.post::<Changed<ReloadReport>>(&target, &asked).await {
            Ok(Changed { trial, .. }) => {
                let now: Status = session.client.get(path::STATUS).await?;
                if now.observe {
                    let message = "the daemon was started with --observe, which wins over its configuration; start it without";
                    return Err(Failed::new(Kind::Refused, message).into());
                }
                Ok(trial)
            }
            Err(error) => {
                place::write(config, &before)?;
                Err(error.into())
            }
        }
    }
}

fn render(forecast: &Forecast, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Forecast { packets, would_drop, established, newcomers, reasons, goes_on_counting, seconds } =
        forecast;
    let share = if *packets == 0 { 0.0 } else { *would_drop as f64 * 100.0 / *packets as f64 };
    let [packets, would_drop, established, newcomers] =
        [packets, would_drop, established, newcomers].map(|count| units::count(*count));
    writeln!(
        out,
        "would have dropped {would_drop} of {packets} packets ({share:.3} %): {established} of sources that had taken part in \
         conversations before, {newcomers} of newcomers"
    )?;
    let lean = [("WOULD DROP", Lean::Left), ("OF ESTABLISHED", Lean::Right), ("OF NEWCOMERS", Lean::Right)];
    let rows: Vec<_> = reasons
        .iter()
        .map(|foreseen| {
            [
                units::printable(&foreseen.reason),
                units::count(foreseen.established),
                units::count(foreseen.newcomers),
            ]
        })
        .collect();
    if !rows.is_empty() {
        Table::new(lean).write(&rows, out, style)?;
    }
    if !goes_on_counting.is_empty() {
        writeln!(out, "goes on to count only: {}", units::printable(&goes_on_counting.join(", ")))?;
    }
    if forecast.is_early() {
        let looked = units::span(*seconds);
        writeln!(
            out,
            "{} the daemon has run for {looked} only: what comes once a day was not seen",
            style.loud("early:")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use floodwall_setup::ForecastReason;

    use super::*;

    #[test]
    fn what_is_asked_for_can_be_read_in_a_glance() {
        let forecast = Forecast {
            packets: 1_000_000,
            would_drop: 12_001,
            established: 1,
            newcomers: 12_000,
            reasons: vec![ForecastReason {
                reason: "syn-rate".to_owned(),
                established: 1,
                newcomers: 12_000,
            }],
            goes_on_counting: vec!["packet-rate".to_owned()],
            seconds: 7_200,
        };
        let mut out = Vec::new();
        render(&forecast, &mut out, Style::plain()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("would have dropped 12,001 of 1,000,000 packets (1.200 %): 1 of sources"),
            "{text}"
        );
        assert!(text.contains("syn-rate") && text.contains("goes on to count only: packet-rate\n"), "{text}");
        assert!(text.ends_with("for 2h only: what comes once a day was not seen\n"), "{text}");
    }
}
