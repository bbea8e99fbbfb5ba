//! `floodwall lockdown`: a service is closed to all but known clients, and opened again.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{Args, Subcommand};

use crate::{
    api::{LockdownList, LockdownReport, LockdownRequest, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        style::Style,
        table::{Lean, Table},
        units,
    },
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Lockdown {
    /// Close a service to all but known clients, those of the allowlist, and whoever answers a challenge. Connections that are
    /// open go on.
    On(On),
    /// Open a service to all again.
    Off(Off),
    /// Say which services are closed, who knocks, and how many of those that were here lately are known.
    Show,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct On {
    /// The service, as the configuration names it; `default` is for whatever no other names
    service: String,
    /// For how long; without it until `floodwall lockdown off`
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
    /// Let this share of the others in on trial, another one each minute: 1 to begin with, then more, as long as the service
    /// stands it
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    admit: f64,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Off {
    /// The service
    service: String,
}

impl Lockdown {
    pub(in crate::cli) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = match self {
            Self::On(On { service, lifetime, admit }) => Some(LockdownRequest {
                service,
                closed: true,
                seconds: lifetime.map(|lifetime| lifetime.as_secs()),
                admitted_percent: admit,
            }),
            Self::Off(Off { service }) => {
                Some(LockdownRequest { service, closed: false, ..LockdownRequest::default() })
            }
            Self::Show => None,
        };
        let list: LockdownList = match request {
            Some(request) => session.client.put(path::LOCKDOWN, &request).await?,
            None => session.client.get(path::LOCKDOWN).await?,
        };
        session.answer(&list, render)?;
        Ok(Done::Plain)
    }
}

fn render(list: &LockdownList, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let LockdownList { closed, locked_out, admitted, recent, challenges } = list;
    if closed.is_empty() {
        writeln!(out, "every service is open")?;
    } else {
        let mut table = Table::new([
            ("CLOSED", Lean::Left),
            ("SINCE", Lean::Left),
            ("UNTIL", Lean::Left),
            ("ON TRIAL", Lean::Right),
        ]);
        let row = |service: &LockdownReport| {
            let until = service.expires.map_or_else(|| "it is opened".to_owned(), units::time);
            let share = format!("{} %", service.admitted_percent);
            [units::printable(&service.service), units::time(service.since), until, share]
        };
        let rows: Vec<_> = closed.iter().map(row).collect();
        table.write(&rows, out, style)?;
        writeln!(out)?;
        let [out_, in_] = [*locked_out, *admitted].map(units::count);
        writeln!(out, "{out_} packets of others were kept out so far, {in_} let in on trial")?;
    }
    let (known, sources) = (units::count(recent.known), units::count(recent.sources));
    writeln!(out, "of {sources} sources that connected within ten minutes, {known} are known clients")?;
    if *challenges {
        writeln!(out, "others get in to TCP services once they have answered a challenge")?;
    } else {
        writeln!(out, "{}", style.bad("others cannot be challenged here, and do not get in"))?;
    }
    Ok(())
}
