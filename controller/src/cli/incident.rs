//! `floodwall incident`: attacks from their first packet to their end, and what is said of them to others.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use floodwall_incident::report::{self, Chart, NoReport, Quantity, Reporter};

use super::{
    evidence,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    style::Style,
    table::{Lean, Table},
    units,
};
use crate::api::{IncidentList, IncidentPhase, IncidentReport, path};

/// How often what goes on is asked for.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes of a capture at the most: several times what is kept of an incident.
const MOST_CAPTURE: usize = 64 << 20;
/// Columns of a terminal, less those of the other columns of a list.
const WHAT: usize = 24;
/// Charts that go with a post-mortem.
const CHARTS: [(Quantity, &str, &str); 2] =
    [(Quantity::Packets, "packets", "Packets a second"), (Quantity::Bits, "bits", "Bits a second")];

/// Attacks, from their first packet to the post-mortem.
#[derive(Debug, Subcommand)]
pub(super) enum Incident {
    /// The incidents, the latest first.
    List(List),
    /// One incident, on one screen: what, since when, on what, what is dropped and why, what can be done now.
    Show(Show),
    /// Put an incident into words for others.
    Report(Report),
    /// A sample of its packets, from the seconds before it on, for tcpdump and Wireshark (pcapng).
    ///
    /// Each packet is marked with what became of it and why. They hold addresses of customers as well. Beside the file, the
    /// lists, bans and signatures are written by which a replay of it comes to the verdicts that are not marked as recorded.
    Pcap(Pcap),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Show at most so many.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Show those before the one with this number.
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its number, as `incident list` shows it; without one, the latest.
    id: Option<u64>,
    /// Show it again each second, until it is over or you interrupt it.
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// Its number, as `incident list` shows it; without one, the latest.
    id: Option<u64>,
    /// In which form.
    #[arg(long = "as", value_name = "FORM", default_value = "text", conflicts_with = "for_status_page")]
    form: Form,
    /// Texts for a status page: with true numbers, and without names of hosts, services or addresses.
    #[arg(long)]
    for_status_page: bool,
    /// With `--as xarf`: the network that is told, by the number of its autonomous system, such as 64500.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    to_asn: Option<u32>,
    /// With `--as xarf`: the organization that reports.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// With `--as xarf`: where it is answered to, such as abuse@example.com.
    #[arg(long, value_name = "MAIL")]
    contact: Option<String>,
    /// With `--as markdown`: draw the rates into this directory, and refer to the references.
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Pcap {
    /// Its number, as `incident list` shows it; without one, the latest.
    id: Option<u64>,
    /// Where it is written [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a terminal of 80 columns.
    Text,
    /// A post-mortem to be filled in.
    Markdown,
    /// The same as one page that needs nothing else, with references.
    Html,
    /// All that is known, for programs.
    Json,
    /// An abuse report (XARF v4) to one network, of sources that nobody can have forged.
    Xarf,
}

impl Incident {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match self {
            Self::List(verb) => verb.apply(session).await,
            Self::Show(verb) => verb.apply(session).await,
            Self::Report(verb) => verb.apply(session).await,
            Self::Pcap(verb) => verb.apply(session).await,
        }
    }
}

impl List {
    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let before = self.before.map_or_else(String::new, |before| format!("&before={before}"));
        let query = format!("{}?limit={}{before}", path::INCIDENT, self.limit);
        let list: IncidentList = session.client.get(&query).await?;
        session.answer(&list, render_list)?;
        Ok(Done::Plain)
    }
}

fn render_list(list: &IncidentList, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if list.incidents.is_empty() {
        writeln!(out, "no incident is recorded")?;
    } else {
        let mut table = Table::new([
            ("ID", Lean::Right),
            ("STATE", Lean::Left),
            ("BEGAN (UTC)", Lean::Left),
            ("LASTED", Lean::Right),
            ("PEAK/S", Lean::Right),
            ("DROPPED", Lean::Right),
            ("WHAT", Lean::Left),
        ]);
        let rows: Vec<_> = list
            .incidents
            .iter()
            .map(|incident| {
                let mut row = report::list_row(incident).map(|cell| units::printable(&cell));
                if row[6].chars().count() > WHAT {
                    row[6] = row[6].chars().take(WHAT - 1).chain(['…']).collect();
                }
                row
            })
            .collect();
        table.write(&rows, out, style)?;
    }
    match &list.problem {
        Some(problem) => writeln!(out, "{} {}", style.loud("WARNING:"), units::printable(problem)),
        None => Ok(()),
    }
}

impl Show {
    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let id = latest(session, self.id).await?;
        loop {
            let report = fetch(session, id).await?;
            if self.follow && session.interactive {
                // The top of the screen, and nothing below (ECMA-48, 8.3.21 and 8.3.39).
                write!(session.out, "\x1b[H\x1b[2J")?;
            }
            session.answer(&report, render)?;
            session.out.flush()?;
            if !self.follow || report.incident.phase == IncidentPhase::Resolved {
                return Ok(Done::Plain);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Report {
    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        if self.charts.is_some() && self.form != Form::Markdown {
            let message = "--charts goes with --as markdown; a page of --as html has its references in it";
            return Err(Failed::new(Kind::Invalid, message.to_owned()).into());
        }
        let told = self.told()?;
        let id = latest(session, self.id).await?;
        let report = fetch(session, id).await?;
        if let Some((asn, reporter)) = told {
            return xarf(session, &report, asn, &reporter);
        }
        if self.for_status_page {
            session.answer(&report::status_page(&report.incident), |updates, out, style| {
                for update in updates {
                    let status = update.status.name();
                    let status = status[..1].to_uppercase() + &status[1..];
                    writeln!(out, "{}", style.strong(format!("{status} ({} UTC)", minute(update.time_ms))))?;
                    report::wrapped(&units::printable(&update.body), 80)
                        .iter()
                        .try_for_each(|line| writeln!(out, "{line}"))?;
                    writeln!(out)?;
                }
                Ok(())
            })?;
            return Ok(Done::Plain);
        }
        match self.form {
            _ if session.json => session.write_json(&report)?,
            Form::Json | Form::Xarf => session.write_json(&report)?,
            Form::Text => render(&report, &mut *session.out, session.style)?,
            Form::Html => session.out.write_all(report::html(&report).as_bytes())?,
            Form::Markdown => {
                let charts = match &self.charts {
                    Some(directory) => draw(directory, &report)?,
                    None => Vec::new(),
                };
                session.out.write_all(report::markdown(&report, &charts).as_bytes())?;
            }
        }
        Ok(Done::Plain)
    }
}

impl Report {
    /// Who is to be told by whom, of an abuse report.
    fn told(&self) -> Result<Option<(u32, Reporter)>, Failed> {
        let invalid = |message: &str| Failed::new(Kind::Invalid, message.to_owned());
        let Self { form, to_asn, org, contact, .. } = self;
        match (form, to_asn, org, contact) {
            (Form::Xarf, Some(asn), Some(org), Some(contact)) => {
                let reporter = Reporter::new(org, contact).map_err(|message| invalid(&message))?;
                Ok(Some((*asn, reporter)))
            }
            (Form::Xarf, ..) => Err(invalid(
                "an abuse report is told to one network by somebody who answers: name --to-asn, --org and --contact",
            )),
            (_, None, None, None) => Ok(None),
            _ => Err(invalid("--to-asn, --org and --contact go with --as xarf")),
        }
    }
}

fn xarf(
    session: &mut Session<'_>,
    report: &IncidentReport,
    asn: u32,
    reporter: &Reporter,
) -> Result<Done, Stop> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Failed::new(Kind::Internal, format!("drawing the number of a report: {error}")))?;
    let xarf = report::xarf(report, asn, reporter, random)
        .map_err(|NoReport(why)| Failed::new(Kind::NotFound, why))?;
    serde_json::to_writer_pretty(&mut session.out, &xarf)
        .map_err(|error| Failed::new(Kind::Internal, format!("writing the report: {error}")))?;
    writeln!(session.out)?;
    Ok(Done::Plain)
}

impl Pcap {
    async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        if session.json {
            let message = "a capture is no JSON; leave out --json, or take `incident report --as json`";
            return Err(Failed::new(Kind::Invalid, message.to_owned()).into());
        }
        if self.output.is_none() && session.interactive {
            let message = "a capture is nothing for a terminal: name a file with --output, or pipe it into `tshark -r -`";
            return Err(Failed::new(Kind::Invalid, message.to_owned()).into());
        }
        let id = latest(session, self.id).await?;
        let capture = session.client.bytes(&format!("{}?id={id}", path::INCIDENT_PCAP), MOST_CAPTURE).await?;
        match &self.output {
            None => session.out.write_all(&capture)?,
            Some(file) => {
                let beside = evidence::write(file, &capture)?;
                writeln!(
                    session.out,
                    "written: {}; the same verdicts, but for those that are marked as recorded:",
                    file.display()
                )?;
                writeln!(session.out, "  floodwall replay {}{beside}", file.display())?;
            }
        }
        Ok(Done::Plain)
    }
}

fn render(report: &IncidentReport, out: &mut dyn Write, _: Style) -> io::Result<()> {
    out.write_all(report::text(report).as_bytes())
}

/// Draws the rates into a directory; the references' names, and what they show.
fn draw(directory: &Path, report: &IncidentReport) -> Result<Vec<(String, &'static str)>, Stop> {
    CHARTS
        .into_iter()
        .map(|(quantity, ending, shows)| {
            let name = format!("incident-{}-{ending}.svg", report.incident.id);
            let file = directory.join(&name);
            let picture = Chart::new(&report.incident, &report.series, quantity).svg();
            std::fs::write(&file, picture).map_err(|error| {
                Failed::new(Kind::of_io(&error), format!("writing the picture {}: {error}", file.display()))
            })?;
            Ok((name, shows))
        })
        .collect()
}

/// The number that was named, or that of the latest incident.
async fn latest(session: &mut Session<'_>, id: Option<u64>) -> Result<u64, Stop> {
    if let Some(id) = id {
        return Ok(id);
    }
    let list: IncidentList = session.client.get(&format!("{}?limit=1", path::INCIDENT)).await?;
    match list.incidents.first() {
        Some(incident) => Ok(incident.id),
        None => Err(Failed::new(Kind::NotFound, "no incident is recorded".to_owned()).into()),
    }
}

async fn fetch(session: &mut Session<'_>, id: u64) -> Result<IncidentReport, Stop> {
    Ok(session.client.get(&format!("{}?id={id}", path::INCIDENT_REPORT)).await?)
}

/// `2026-11-30 03:04`.
fn minute(time_ms: u64) -> String {
    let time = units::time(time_ms);
    time.get(..16).unwrap_or(&time).to_owned()
}
