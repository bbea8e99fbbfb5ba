//! `floodwall source`: what the kernel knows of a source.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use clap::Subcommand;

use super::{
    applied, arguments,
    exit::{Done, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::{
    api::{AddressOrigin, SourceReport, path},
    client::target,
};

#[derive(Debug, Subcommand)]
pub(super) enum Source {
    /// Packets, bytes and SYNs of a source, the limits that hold for it, and what they leave it.
    ///
    /// Of each limit: its rate and burst, whether it drops or only counts, and who says so: a default, the configuration, or
    /// `limit set`.
    Show {
        /// Its address; an IPv6 source is its /64.
        #[arg(value_name = "ADDR", value_parser = arguments::address)]
        address: IpAddr,
    },
}

impl Source {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let Self::Show { address } = self;
        let report: SourceReport =
            session.client.get(&target(path::SOURCE, [("address", &address as _)])).await?;
        session.answer(&report, render)?;
        Ok(Done::Plain)
    }
}

fn render(report: &SourceReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let source = style.strong(&report.source);
    if report.tracked {
        writeln!(out, "{source}")?;
        facts(report, out, style)?;
    } else {
        writeln!(
            out,
            "{source} is not tracked: it was silent, a list decides what becomes of it (`floodwall why` says so), or it was \
             too weak among others to be kept"
        )?;
        origin(report, out)?;
    }
    if report.limits.is_empty() {
        return writeln!(out, "no limit holds for it");
    }
    writeln!(out, "{}", style.strong("limits that hold for it"))?;
    applied::rules(&report.limits, out, style)
}

/// Which network it is of, if that is known.
fn origin(report: &SourceReport, out: &mut dyn Write) -> io::Result<()> {
    match report.origin.as_ref().and_then(AddressOrigin::words) {
        Some(origin) => writeln!(out, "  its address is of {}", units::printable(&origin)),
        None => Ok(()),
    }
}

/// What is known of a source, without the limits.
pub(super) fn facts(report: &SourceReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    origin(report, out)?;
    if !report.tracked {
        return writeln!(out, "  it is new: nothing is known of it");
    }
    if report.known {
        writeln!(out, "  it is known: it has taken part in conversations before")?;
    } else {
        writeln!(out, "  it is new: it has not taken part in conversations yet")?;
    }
    if report.spared {
        writeln!(out, "  it is never banned, as the host lives by it")?;
    }
    if let Some(left) = report.banned_seconds {
        let left = units::span(left.ceil() as u64);
        writeln!(
            out,
            "  {}",
            style.bad(format_args!("its entry says that it is banned for another {left}"))
        )?;
    }
    if let Some(idle) = report.idle_seconds {
        let idle = if idle >= 60.0 { units::span(idle as u64) } else { format!("{idle:.1}s") };
        writeln!(out, "  silent   {idle:>15}")?;
    }
    let banned = report.banned_seconds.is_some();
    writeln!(out, "  packets  {:>15}  {}", units::count(report.packets), left(report.packet_tokens, banned))?;
    writeln!(out, "  SYNs     {:>15}  {}", units::count(report.syns), left(report.syn_tokens, banned))?;
    writeln!(out, "  bytes    {:>15}", units::bytes(report.bytes))
}

/// What a limit would let through at once; whether it drops the rest is told with the limits.
fn left(tokens: Option<u64>, banned: bool) -> String {
    match tokens {
        None if banned => "banned".to_owned(),
        None => "no limit".to_owned(),
        Some(0) => "over the limit".to_owned(),
        Some(tokens) => format!("{} more at once", units::count(tokens)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_in_words() {
        let text = |report: &SourceReport| {
            let mut out = Vec::new();
            render(report, &mut out, Style::plain()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let mut report = SourceReport {
            source: "203.0.113.7".into(),
            tracked: true,
            packets: 1_234_567,
            bytes: 1 << 30,
            syns: 12,
            packet_tokens: Some(0),
            syn_tokens: None,
            idle_seconds: Some(0.25),
            known: true,
            banned_seconds: None,
            spared: false,
            origin: None,
            limits: vec![applied::rule_of_test()],
        };
        assert_eq!(
            text(&report),
            "203.0.113.7\n\
             \x20 it is known: it has taken part in conversations before\n\
             \x20 silent              0.2s\n\
             \x20 packets        1,234,567  over the limit\n\
             \x20 SYNs                  12  no limit\n\
             \x20 bytes            1.0 GiB\n\
             limits that hold for it\n\
             \x20 RULE          COUNTS  OF            RATE  BURST  LEFT  MODE   FROM     LEAVES ALONE\n\
             \x20 */source-syn  syn     203.0.113.7  100/s    200   200  drops  default  known sources in peace\n"
        );
        report.origin = Some(AddressOrigin { asn: Some(64_500), name: None, country: Some("DE".into()) });
        assert!(text(&report).contains("\n  its address is of AS64500, DE\n"));
        report.tracked = false;
        report.limits.clear();
        let said = text(&report);
        assert!(said.starts_with("203.0.113.7 is not tracked"), "{said}");
        assert!(said.ends_with("\nno limit holds for it\n"), "{said}");
    }
}
