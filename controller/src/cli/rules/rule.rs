//! `floodwall rule`: the rules, and what they have done.

use std::io::{self, Write};

use clap::Subcommand;

use crate::{
    api::{RuleList, RuleReport, RuleState, path},
    cli::{
        exit::{Done, Failed, Kind, Stop},
        session::Session,
        style::Style,
        table::{Lean, Table},
        units,
    },
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Rules {
    /// Show all rules, and the packets that were over their rates.
    ///
    /// With --json, one rule a line.
    List,
    /// Show a rule, and explain its numbers: `rule show web/source-syn`, `rule show web`.
    Show {
        /// A service, or a rule of one.
        #[arg(value_name = "SERVICE[/RULE]")]
        name: String,
    },
}

impl Rules {
    pub(in crate::cli) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let RuleList { mut rules } = session.client.get(path::RULE).await?;
        if let Self::Show { name } = &self {
            let (service, rule) = name.split_once('/').map_or((name.as_str(), None), |(s, r)| (s, Some(r)));
            let known: Vec<_> = rules.iter().map(|rule| format!("{}/{}", rule.service, rule.rule)).collect();
            rules.retain(|report| report.service == service && rule.is_none_or(|rule| report.rule == rule));
            if rules.is_empty() {
                let message = format!("there is no {name}; there are {}", known.join(", "));
                return Err(Failed::new(Kind::NotFound, message).into());
            }
        }
        if session.json {
            rules.iter().try_for_each(|rule| session.write_json(rule))?;
            return Ok(Done::Plain);
        }
        match self {
            Self::List => list(&rules, &mut *session.out, session.style)?,
            Self::Show { .. } => {
                rules.iter().try_for_each(|rule| show(rule, &mut *session.out, session.style))?;
            }
        }
        Ok(Done::Plain)
    }
}

fn list(rules: &[RuleReport], out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut table = Table::new([
        ("RULE", Lean::Left),
        ("OVER RATE", Lean::Right),
        ("BANS", Lean::Right),
        ("STATE", Lean::Left),
        ("WHAT", Lean::Left),
    ]);
    let rows: Vec<_> = rules
        .iter()
        .filter(|rule| rule.in_use)
        .map(|rule| {
            // What all services share is counted once.
            let name = if rule.shared {
                format!("*/{}", rule.rule)
            } else {
                format!("{}/{}", rule.service, rule.rule)
            };
            [
                name,
                units::count(rule.packets),
                units::count(rule.bans),
                state(rule).to_owned(),
                rule.text.clone(),
            ]
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    let rows: Vec<_> = rows.into_iter().filter(|row| seen.insert(row[0].clone())).collect();
    table.write(&rows, out, style)
}

/// A rule in full.
pub(in crate::cli) fn show(report: &RuleReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let RuleReport {
        service, rule, shared, in_use, text, expires, packets, bytes, bans, explanation, ..
    } = report;
    writeln!(out, "{}  {text}", style.strong(format_args!("{service}/{rule}")))?;
    let whose = if *shared { ", of all services together" } else { "" };
    writeln!(
        out,
        "  {}: {} packets ({}) over the rate{whose}, {} bans since the start",
        state(report),
        units::count(*packets),
        units::bytes(*bytes),
        units::count(*bans)
    )?;
    if let Some(expires) = expires {
        writeln!(out, "  what was set is taken back {}", units::within(*expires, units::now()))?;
    }
    if !in_use {
        writeln!(out, "  no packet of the service is of the kind that it counts")?;
    }
    explanation.iter().try_for_each(|line| writeln!(out, "  - {line}"))
}

fn state(report: &RuleReport) -> &'static str {
    match report.state {
        RuleState::Enforce => "enforced",
        RuleState::Monitor => "monitor: only counts",
        RuleState::Waiting => "waiting for its condition: only counts",
        RuleState::Ceiling => "BEYOND ITS CEILING: only counts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_listed_once() {
        let report = |service: &str, shared| RuleReport {
            service: service.into(),
            rule: "source-syn".into(),
            number: None,
            shared,
            per: "source".into(),
            of: "syn".into(),
            rate: 100,
            burst: 200,
            then: "ban for 1m".into(),
            state: RuleState::Enforce,
            in_use: true,
            text: "syn per source".into(),
            expires: None,
            packets: 1_234,
            bytes: 0,
            bans: 7,
            explanation: vec!["why".into()],
        };
        let mut out = Vec::new();
        let rules = [report("default", true), report("web", true), report("own", false)];
        list(&rules, &mut out, Style::plain()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "RULE            OVER RATE  BANS  STATE     WHAT\n\
             */source-syn        1,234     7  enforced  syn per source\n\
             own/source-syn      1,234     7  enforced  syn per source\n"
        );
    }
}
