//! Everything that was considered, in the order in which a packet is held against it.

use std::io::{self, Write};

use super::verdict;
use crate::{
    api::{CheckStatus, WhyReport},
    cli::{applied, prefixes, source, style::Style, units},
};

pub(super) fn render(report: &WhyReport, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
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
    use crate::cli::why::tests::report;

    #[test]
    fn the_verdict_comes_first_and_then_what_was_considered_in_its_order() {
        let report = report();
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
