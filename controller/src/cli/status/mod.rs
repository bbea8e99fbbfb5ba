//! `floodwall status`: how the filter stands.

mod checks;
mod machine;
mod render;

use std::{io::Write as _, time::Duration};

use clap::Args;

use super::{
    arguments,
    exit::{Done, Stop},
    session::Session,
    units,
};
use crate::api;

/// Puts the cursor where a screen begins (ECMA-48, 8.3.57).
const HOME: &str = "\x1b[H";
/// Erases what stands behind the cursor in its line (8.3.41).
const REST_OF_LINE: &str = "\x1b[K";
/// Erases what stands behind it on the screen (8.3.39).
const REST_OF_SCREEN: &str = "\x1b[J";

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Look again and again, until interrupted; with --json, a document a line. A daemon that does not answer is asked
    /// again.
    #[arg(long)]
    watch: bool,
    /// How often to look, such as 1s or 1m.
    #[arg(long, value_name = "DURATION", value_parser = arguments::lifetime, default_value = "1s", requires = "watch")]
    interval: Duration,
    /// End after so many looks.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "watch")]
    count: Option<u64>,
}

impl Status {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        if !self.watch {
            let status: api::Status = session.client.get(api::path::STATUS).await?;
            session.answer(&status, render::render)?;
            return Ok(done(&status));
        }
        let mut tick = tokio::time::interval(self.interval);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut last, mut looks) = (Done::Plain, 0);
        while self.count.is_none_or(|count| looks < count) {
            tick.tick().await;
            match session.client.get::<api::Status>(api::path::STATUS).await {
                Ok(status) => {
                    last = done(&status);
                    show(session, &status)?;
                }
                // One that has been there may be back, as after an upgrade.
                Err(error) if looks > 0 && error.may_pass() => {
                    eprintln!("{} {error}", units::clock(units::now() * 1_000));
                }
                Err(error) => return Err(error.into()),
            }
            // Somebody is watching.
            session.out.flush()?;
            looks += 1;
        }
        Ok(last)
    }
}

fn done(status: &api::Status) -> Done {
    if status.problems.is_empty() { Done::Plain } else { Done::Impaired }
}

/// In place of what was shown before, as far as there is room, where a person sees it; else below it.
fn show(session: &mut Session<'_>, status: &api::Status) -> Result<(), Stop> {
    if session.json {
        return session.write_json(status);
    }
    let mut page = Vec::new();
    render::render(status, &mut page, session.style)?;
    let page = String::from_utf8_lossy(&page);
    let Some(rows) = session.rows() else {
        return Ok(writeln!(session.out, "{page}")?);
    };
    write!(session.out, "{HOME}")?;
    let (lines, room) = (page.lines().count(), rows.saturating_sub(1));
    for line in page.lines().take(if lines > room { room.saturating_sub(1) } else { room }) {
        writeln!(session.out, "{line}{REST_OF_LINE}")?;
    }
    if lines > room {
        let words = "more in a taller terminal, or by `floodwall top`";
        writeln!(session.out, "… {} lines {words}{REST_OF_LINE}", lines - room + 1)?;
    }
    Ok(write!(session.out, "{REST_OF_SCREEN}")?)
}
