//! `floodwall why`: what becomes of an address's packets, and why.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use clap::Args;

use super::{
    applied, arguments,
    exit::{Done, Stop},
    prefixes,
    session::Session,
    source,
    style::Style,
    units,
};
use crate::{
    api::{CheckStatus, Outcome, WhyReport, path},
    client::target,
};

/// What the answer says, and what it does not.
const AFTER_HELP: &str = "\
The first line is the verdict; what follows is told in the order in which a packet is held against it. Signatures and
checks go by what a packet says, and not by its address: they are listed, and which packets of the address they have
dropped is not known. `floodwall events --kind drop` shows a sample of what is dropped, and why.

  floodwall why 203.0.113.7
  floodwall why 2001:db8::7 --json";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Why {
    /// An address; of an IPv6 source, which is a /64, any of its addresses.
    #[arg(value_name = "ADDR", value_parser = arguments::address)]
    address: IpAddr,
}

impl Why {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let report: WhyReport =
            session.client.get(&target(path::WHY, [("address", &self.address as _)])).await?;
        let now = units::now();
        session.answer(&report, |report, out, style| render(report, now, out, style))?;
        Ok(Done::Plain)
    }
}

/// The verdict in its colour.
pub(super) fn verdict(outcome: Outcome, verdict: &str, style: Style) -> String {
    let verdict = units::printable(verdict);
    match outcome {
        Outcome::Blocked | Outcome::Banned | Outcome::Limited => style.bad(verdict).to_string(),
        Outcome::Bypassed => style.loud(verdict).to_string(),
        Outcome::Allowed | Outcome::Passes => style.good(verdict).to_string(),
    }
}

fn render(report: &WhyReport, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", verdict(report.outcome, &report.verdict, style))?;
    for problem in &report.problems {
        writeln!(out, "{} {}", style.bad("PROBLEM:"), style.bad(units::printable(problem)))?;
    }
    lists(report, now, out, style)?;
    if !report.spared.is_empty() {
        heading("spared", out, style)?;
        report.spared.iter().try_for_each(|why| writeln!(out, "  {}", units::printable(why)))?;
    }
    heading("checks, which go by what a packet claims to be", out, style)?;
    checks(&report.checks, out)?;
    heading("signatures, which go by headers", out, style)?;
    if report.signatures.is_empty() {
        writeln!(out, "  none is deployed")?;
    }
    for signature in &report.signatures {
        applied::signature(signature, report.source.known, out, style)?;
    }
    heading("bans", out, style)?;
    if report.bans.is_empty() {
        writeln!(out, "  it is not banned")?;
    }
    report.bans.iter().try_for_each(|ban| applied::ban(ban, now, out, style))?;
    heading("source", out, style)?;
    source::facts(&report.source, out, style)?;
    heading("limits per source", out, style)?;
    some_rules(&report.source.limits, out, style)?;
    heading("rules that count it together with others", out, style)?;
    some_rules(&report.rules, out, style)?;
    heading("attacks", out, style)?;
    match report.attacked.as_slice() {
        [] => writeln!(out, "  no service is attacked"),
        attacked => {
            let names: Vec<_> = attacked.iter().map(|name| units::printable(name)).collect();
            let names = style.bad(names.join(", "));
            writeln!(
                out,
                "  attacked now: {names}; there, known sources are counted as well by rules that leave them alone in peace only"
            )
        }
    }
}

fn heading(text: &str, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.strong(text))
}

fn lists(report: &WhyReport, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    heading("lists", out, style)?;
    if report.lists.covering.is_empty() {
        return writeln!(out, "  it is on none");
    }
    if report.lists.only_counts {
        writeln!(out, "  the blocklist only counts, as the configuration has `blocked` monitored")?;
    }
    report.lists.covering.iter().try_for_each(|covering| prefixes::covering(covering, now, out))
}

fn checks(checks: &[CheckStatus], out: &mut dyn Write) -> io::Result<()> {
    for (enforced, what) in [(true, "drop"), (false, "only count")] {
        let of_them = checks.iter().filter(|check| check.enforced == enforced);
        let names: Vec<_> = of_them.map(|check| units::printable(&check.check)).collect();
        if !names.is_empty() {
            writeln!(out, "  {} {what}", names.join(", "))?;
        }
    }
    Ok(())
}

fn some_rules(rules: &[crate::api::AppliedRule], out: &mut dyn Write, style: Style) -> io::Result<()> {
    if rules.is_empty() { writeln!(out, "  none") } else { applied::rules(rules, out, style) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{AppliedSignature, Lists, SourceReport},
        cli::applied::rule_of_test,
    };

    #[test]
    fn the_verdict_comes_first_and_then_what_was_considered_in_its_order() {
        let report = WhyReport {
            address: "203.0.113.7".into(),
            outcome: Outcome::Passes,
            verdict: "203.0.113.7 passes as far as its address goes; 1 signature drops by headers".into(),
            problems: vec!["eth1 is not filtered".into()],
            bypass_seconds: None,
            lists: Lists {
                decided_by: None,
                prefix: None,
                why: "no listed prefix covers 203.0.113.7".into(),
                covering: vec![],
                only_counts: false,
            },
            spared: vec!["no rule bans it: somebody is logged in from 203.0.113.7".into()],
            checks: [("malformed", true), ("out-of-state", false)]
                .map(|(check, enforced)| CheckStatus { check: check.into(), enforced, why: vec![] })
                .into(),
            signatures: vec![AppliedSignature {
                number: 3,
                text: "udp sport=7".into(),
                drops: true,
                new_sources_only: false,
                may_match: true,
                packets: 7,
            }],
            bans: vec![],
            source: SourceReport {
                source: "203.0.113.7".into(),
                tracked: false,
                known: false,
                packets: 0,
                bytes: 0,
                syns: 0,
                packet_tokens: None,
                syn_tokens: None,
                idle_seconds: None,
                banned_seconds: None,
                spared: false,
                limits: vec![rule_of_test()],
                origin: None,
            },
            rules: vec![],
            attacked: vec!["web".into()],
        };
        let mut out = Vec::new();
        render(&report, 100, &mut out, Style::plain()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "203.0.113.7 passes as far as its address goes; 1 signature drops by headers\n\
             PROBLEM: eth1 is not filtered\n\
             lists\n\
             \x20 it is on none\n\
             spared\n\
             \x20 no rule bans it: somebody is logged in from 203.0.113.7\n\
             checks, which go by what a packet claims to be\n\
             \x20 malformed drop\n\
             \x20 out-of-state only count\n\
             signatures, which go by headers\n\
             \x20 3 drops: udp sport=7; whoever sends it; 7 packets so far\n\
             bans\n\
             \x20 it is not banned\n\
             source\n\
             \x20 it is new: nothing is known of it\n\
             limits per source\n\
             \x20 RULE          COUNTS  OF            RATE  BURST  LEFT  MODE   FROM     LEAVES ALONE\n\
             \x20 */source-syn  syn     203.0.113.7  100/s    200   200  drops  default  known sources in peace\n\
             rules that count it together with others\n\
             \x20 none\n\
             attacks\n\
             \x20 attacked now: web; there, known sources are counted as well by rules that leave them alone in peace only\n"
        );
    }
}
