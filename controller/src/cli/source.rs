//! `floodwall source`: what the kernel knows of a source.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use clap::Subcommand;

use super::{
    arguments,
    exit::{Done, Stop},
    session::Session,
    style::Style,
    units,
};
use crate::{
    api::{SourceReport, path},
    client::target,
};

#[derive(Debug, Subcommand)]
pub(super) enum Source {
    /// Packets, bytes and SYNs of a source, and what its limits leave it.
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
    if !report.tracked {
        return writeln!(
            out,
            "{source} is not tracked: it was silent, a list decides what becomes of it (`floodwall block test` says so), \
             or it was too weak among others to be kept"
        );
    }
    match report.idle_seconds {
        Some(idle) if idle >= 60.0 => {
            writeln!(out, "{source}, last packet {} ago", units::span(idle as u64))?;
        }
        Some(idle) => writeln!(out, "{source}, last packet {idle:.1}s ago")?,
        None => writeln!(out, "{source}")?,
    }
    writeln!(out, "  packets  {:>15}  {}", units::count(report.packets), left(report.packet_tokens, style))?;
    writeln!(out, "  SYNs     {:>15}  {}", units::count(report.syns), left(report.syn_tokens, style))?;
    writeln!(out, "  bytes    {:>15}", units::bytes(report.bytes))
}

/// What a limit would let through at once.
fn left(tokens: Option<u64>, style: Style) -> String {
    match tokens {
        None => "no limit".to_owned(),
        Some(0) => style.bad("over its limit: dropped").to_string(),
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
        };
        assert_eq!(
            text(&report),
            "203.0.113.7, last packet 0.2s ago\n\
             \x20 packets        1,234,567  over its limit: dropped\n\
             \x20 SYNs                  12  no limit\n\
             \x20 bytes            1.0 GiB\n"
        );
        report.tracked = false;
        assert!(text(&report).starts_with("203.0.113.7 is not tracked"));
    }
}
