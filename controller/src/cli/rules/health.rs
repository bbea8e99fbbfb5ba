//! `floodwall health`: what tells "slow, not down".

use std::io::{self, Write};

use crate::{
    api::{HealthReport, SignalReport, path},
    cli::{
        exit::{Done, Stop},
        session::Session,
        style::Style,
        table::{Lean, Table},
    },
};

/// Shows the signals that rules can wait for.
pub(in crate::cli) async fn apply(session: &mut Session<'_>) -> Result<Done, Stop> {
    let report: HealthReport = session.client.get(path::HEALTH).await?;
    session.answer(&report, render)?;
    Ok(Done::Plain)
}

fn render(report: &HealthReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let HealthReport { signals, active } = report;
    let mut table = Table::new([("SIGNAL", Lean::Left), ("VALUE", Lean::Right)]);
    let name = |signal: &SignalReport| match &signal.service {
        Some(service) => format!("{} of {service}", signal.signal),
        None => signal.signal.clone(),
    };
    let rows: Vec<_> = signals.iter().map(|signal| [name(signal), signal.text.clone()]).collect();
    table.write(&rows, out, style)?;
    if !active.is_empty() {
        writeln!(out, "rules whose condition holds: {}", active.join(", "))?;
    }
    Ok(())
}
