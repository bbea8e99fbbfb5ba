//! `floodwall lockdown`: closes a service to all but known clients, and opens it again.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{Args, Subcommand};

use crate::{
    api::{
        AutomaticRequest, Changed, KnockingReport, LockdownList, LockdownReport, LockdownRequest,
        RecentSources, ReopenRequest, ReopeningReport, path,
    },
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        style::Style,
        table::{Lean, Table},
        trial::OnTrial,
        units,
    },
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Lockdown {
    /// Close a service to all but known clients, those of the allowlist, and whoever answers a challenge. Connections that are
    /// open go on. Whom that shuts out is said first.
    On(On),
    /// Open a service to all again.
    Off(Off),
    /// Open a service that is closed step by step: 1, 5, 20, 50 and 100 % of those who are not known, each for ten seconds. Once
    /// the service suffers, it is closed again at once, and tried again later; once it does not, the lockdown is over.
    Reopen(Off),
    /// Have a service be closed by itself once it is attacked, and has suffered for ten seconds though what was found is in
    /// force; and be opened step by step.
    Auto(Auto),
    /// Say which services are closed, who knocks, what the last step of opening them did and when the next comes, and how many
    /// of those that were here lately are known.
    #[command(visible_alias = "status")]
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
    /// Open it step by step from there on, as `floodwall lockdown reopen` does
    #[arg(long)]
    reopen: bool,
    #[command(flatten)]
    trial: OnTrial,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Off {
    /// The service
    service: String,
    #[command(flatten)]
    trial: OnTrial,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Auto {
    /// The service
    service: String,
    /// It is closed by operators only
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    trial: OnTrial,
}

impl Lockdown {
    pub(in crate::cli) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let changed: Changed<LockdownList> = match self {
            Self::Show => {
                let list: LockdownList = session.client.get(path::LOCKDOWN).await?;
                session.answer(&list, render)?;
                return Ok(Done::Plain);
            }
            Self::On(On { service, lifetime, admit, reopen, trial }) => {
                if !session.json {
                    let before: LockdownList = session.client.get(path::LOCKDOWN).await?;
                    forecast(&before, &mut *session.out)?;
                }
                let request = LockdownRequest {
                    service,
                    closed: true,
                    seconds: lifetime.map(|lifetime| lifetime.as_secs()),
                    admitted_percent: admit,
                    reopening: reopen,
                };
                session.client.put(&trial.target(path::LOCKDOWN), &request).await?
            }
            Self::Off(Off { service, trial }) => {
                let request = LockdownRequest { service, ..LockdownRequest::default() };
                session.client.put(&trial.target(path::LOCKDOWN), &request).await?
            }
            Self::Reopen(Off { service, trial }) => {
                session.client.post(&trial.target(path::LOCKDOWN_REOPEN), &ReopenRequest { service }).await?
            }
            Self::Auto(Auto { service, off, trial }) => {
                let request = AutomaticRequest { service, automatic: !off };
                session.client.post(&trial.target(path::LOCKDOWN_AUTO), &request).await?
            }
        };
        session.changed(&changed, render)?;
        Ok(Done::Plain)
    }
}

/// Whom a lockdown shuts out.
fn forecast(list: &LockdownList, out: &mut dyn Write) -> io::Result<()> {
    let RecentSources { sources, known } = list.recent;
    let [shut_out, sources_told, of_a_day] =
        [sources.saturating_sub(known), sources, list.clients_of_a_day].map(units::count);
    let share = (sources.saturating_sub(known) * 100).checked_div(sources).unwrap_or(0);
    let until = if list.challenges {
        "until they answer a challenge, as TCP clients do by themselves"
    } else {
        "for good, as nobody can be challenged here"
    };
    writeln!(
        out,
        "shuts out {shut_out} of the {sources_told} sources that connected within ten minutes ({share} %), {until};"
    )?;
    writeln!(out, "{of_a_day} clients that were served within a day get in as before")?;
    out.flush()
}

fn render(list: &LockdownList, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let LockdownList { closed, locked_out, admitted, recent, clients_of_a_day, automatic, challenges } = list;
    if closed.is_empty() {
        writeln!(out, "every service is open")?;
    } else {
        let mut table = Table::new([
            ("CLOSED", Lean::Left),
            ("SINCE", Lean::Left),
            ("UNTIL", Lean::Left),
            ("ON TRIAL", Lean::Right),
        ]);
        let rows: Vec<_> = closed.iter().map(row).collect();
        table.write(&rows, out, style)?;
        writeln!(out)?;
        closed.iter().try_for_each(|service| standing(service, out, style))?;
        let [out_, in_] = [*locked_out, *admitted].map(units::count);
        writeln!(out, "{out_} packets of others were kept out so far, {in_} let in on trial")?;
    }
    if !automatic.is_empty() {
        let names: Vec<_> = automatic.iter().map(|service| units::printable(service)).collect();
        writeln!(out, "closed by themselves, should nothing else relieve them: {}", names.join(", "))?;
    }
    let (known, sources) = (units::count(recent.known), units::count(recent.sources));
    writeln!(
        out,
        "of {sources} sources that connected within ten minutes, {known} are known clients; {} were served within a day",
        units::count(*clients_of_a_day)
    )?;
    if *challenges {
        writeln!(out, "others get in to TCP services once they have answered a challenge")?;
    } else {
        writeln!(out, "{}", style.bad("others cannot be challenged here, and do not get in"))?;
    }
    Ok(())
}

fn row(service: &LockdownReport) -> [String; 4] {
    let until = match service.expires {
        Some(expires) => units::time(expires * 1_000),
        None if service.reopening => "it stands what comes".to_owned(),
        None => "it is opened".to_owned(),
    };
    let name = units::printable(&service.service);
    let name = if service.by_itself { format!("{name} (by itself)") } else { name };
    [name, units::time(service.since * 1_000), until, format!("{} %", service.admitted_percent)]
}

/// Who knocks at a service that is closed, and how far it is opened.
fn standing(service: &LockdownReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let name = units::printable(&service.service);
    if let Some(KnockingReport { requests, sources, admitted, packets, dropped }) = &service.knocking {
        let share = (dropped * 100).checked_div(*packets).unwrap_or(0);
        let [requests, sources, admitted, packets] =
            [requests, sources, admitted, packets].map(|n| units::count(*n));
        writeln!(
            out,
            "{name}: {requests} requests/s of {sources} sources that are not known, of which {admitted}/s got in; of all \
             {packets} packets/s, {share} % are dropped"
        )?;
    }
    let Some(ReopeningReport { last, last_at, next_percent, next_at, suffers }) = &service.progress else {
        return Ok(());
    };
    let now = units::now();
    if let (Some(last), Some(at)) = (last, last_at) {
        writeln!(out, "{name}: last step {}: {last}", units::ago(*at, now))?;
    }
    let next = next_percent.map_or_else(|| "it is open".to_owned(), |share| format!("{share} %"));
    let when = units::within(*next_at, now);
    match suffers {
        Some(suffers) => writeln!(
            out,
            "{}",
            style.bad(format_args!("{name}: next step {when} at the soonest ({next}), as {suffers}"))
        ),
        None => writeln!(out, "{name}: next step {when}: {next}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(list: &LockdownList) -> String {
        let mut out = Vec::new();
        render(list, &mut out, Style::plain()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_is_told_whether_it_is_still_on() {
        let progress = ReopeningReport {
            last: Some("5 % of others were let in".to_owned()),
            last_at: Some(units::now().saturating_sub(4)),
            next_percent: Some(20.0),
            next_at: units::now() + 6,
            suffers: None,
        };
        let knocking =
            KnockingReport { requests: 900, sources: 880, admitted: 45, packets: 1_000, dropped: 855 };
        let closed = LockdownReport {
            service: "web".to_owned(),
            admitted_percent: 5.0,
            by_itself: true,
            reopening: true,
            progress: Some(progress.clone()),
            knocking: Some(knocking),
            ..LockdownReport::default()
        };
        let mut list = LockdownList { closed: vec![closed], challenges: true, ..LockdownList::default() };
        let text = rendered(&list);
        for part in [
            "web (by itself)",
            "900 requests/s of 880 sources that are not known, of which 45/s got in",
            "of all 1,000 packets/s, 85 % are dropped",
            "last step 4s ago: 5 % of others were let in",
            "next step in 6s: 20 %",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let suffers = Some("an attack on it goes on".to_owned());
        list.closed[0].progress = Some(ReopeningReport { suffers, ..progress });
        assert!(rendered(&list).contains("at the soonest (20 %), as an attack on it goes on"));
        assert!(rendered(&LockdownList::default()).contains("every service is open"));
    }

    #[test]
    fn whom_it_shuts_out_is_said() {
        let list = LockdownList {
            recent: RecentSources { sources: 40, known: 30 },
            clients_of_a_day: 1_200,
            challenges: true,
            ..LockdownList::default()
        };
        let mut out = Vec::new();
        forecast(&list, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("shuts out 10 of the 40 sources") && text.contains("(25 %)"), "{text}");
        assert!(text.contains("1,200 clients that were served within a day"), "{text}");
    }
}
