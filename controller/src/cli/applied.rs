//! Rules, signatures and bans as they hold for one source, for people.

use std::io::{self, Write};

use super::{
    style::Style,
    table::{Lean, Table},
    units,
};
use crate::api::{AppliedBan, AppliedRule, AppliedSignature, RuleOrigin, RuleState, Spares};

/// Rules as a table.
pub(super) fn rules(rules: &[AppliedRule], out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut table = Table::new([
        ("", Lean::Left),
        ("RULE", Lean::Left),
        ("COUNTS", Lean::Left),
        ("OF", Lean::Left),
        ("RATE", Lean::Right),
        ("BURST", Lean::Right),
        ("LEFT", Lean::Right),
        ("MODE", Lean::Left),
        ("FROM", Lean::Left),
        ("LEAVES ALONE", Lean::Left),
    ]);
    let now = units::now();
    let rows: Vec<[String; 10]> = rules.iter().map(|rule| row(rule, now)).collect();
    table.measure(&rows);
    table.headings(out, style)?;
    for (row, rule) in rows.iter().zip(rules) {
        let line = table.line(row);
        if rule.is_used_up() {
            writeln!(out, "{}", style.bad(line))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn row(rule: &AppliedRule, now: u64) -> [String; 10] {
    let service = if rule.shared { "*" } else { &rule.service };
    [
        String::new(),
        units::printable(&format!("{service}/{}", rule.rule)),
        units::printable(&rule.of),
        units::printable(&rule.counted_as),
        format!("{}/s", units::count(rule.rate)),
        units::count(rule.burst),
        rule.left.map(units::count).unwrap_or_default(),
        mode(rule).to_owned(),
        from(rule, now),
        leaves_alone(rule),
    ]
}

fn mode(rule: &AppliedRule) -> &'static str {
    match (rule.state, rule.then.as_str()) {
        (RuleState::Enforce, "alert") => "alerts",
        (RuleState::Enforce, "limit") => "drops",
        (RuleState::Enforce, _) => "drops, bans",
        (RuleState::Monitor, _) => "only counts",
        (RuleState::Waiting, _) => "waits, only counts",
        (RuleState::Ceiling, _) => "beyond its ceiling, only counts",
    }
}

fn from(rule: &AppliedRule, now: u64) -> String {
    let from = match rule.from {
        RuleOrigin::Default => "default",
        RuleOrigin::Configuration => "configuration",
        RuleOrigin::Command => "limit set",
    };
    match rule.expires {
        Some(at) => format!("{from}, taken back {}", units::within(at, now)),
        None => from.to_owned(),
    }
}

fn leaves_alone(rule: &AppliedRule) -> String {
    let known = match rule.spares {
        Spares::Nobody => None,
        Spares::KnownInPeace => Some("known sources in peace"),
        Spares::Known => Some("known sources"),
    };
    let flows = rule.spares_flows.then_some("flows in which both ends speak");
    let all: Vec<_> = [known, flows].into_iter().flatten().collect();
    let this = if rule.spares_it { " (this one, too)" } else { "" };
    format!("{}{this}", all.join(", "))
}

/// A ban, in a line.
pub(super) fn ban(ban: &AppliedBan, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let AppliedBan { prefix, since, until, count, because, listed, enforced, .. } = ban;
    write!(out, "  {} is banned", style.bad(prefix))?;
    if let Some(since) = since {
        write!(out, " since {}", units::ago(*since as u64, now))?;
    }
    write!(out, ", ends {}", units::within(until.ceil() as u64, now))?;
    write!(out, ": {}", units::printable(because))?;
    if let Some(count) = count.filter(|count| *count > 1) {
        write!(out, "; it is ban {count} of it")?;
    }
    match (enforced, listed) {
        (true, true) => writeln!(out),
        (true, false) => writeln!(out, " (by the source's own entry)"),
        (false, _) => writeln!(out, " (drops nothing)"),
    }
}

/// A signature, in a line.
pub(super) fn signature(
    signature: &AppliedSignature,
    known: bool,
    out: &mut dyn Write,
    style: Style,
) -> io::Result<()> {
    let AppliedSignature { number, text, drops, new_sources_only, packets, .. } = signature;
    let what = if *drops { style.bad("drops").to_string() } else { "only counts".to_owned() };
    let whom = match (new_sources_only, known) {
        (false, _) => "whoever sends it",
        (true, false) => "of new sources, as this one is",
        (true, true) => "of new sources: not of this one, which is known",
    };
    let packets = units::count(*packets);
    writeln!(out, "  {number} {what}: {}; {whom}; {packets} packets so far", units::printable(text))
}

#[cfg(test)]
pub(super) fn rule_of_test() -> AppliedRule {
    AppliedRule {
        service: "default".into(),
        rule: "source-syn".into(),
        shared: true,
        per: "source".into(),
        counted_as: "203.0.113.7".into(),
        of: "syn".into(),
        rate: 100,
        burst: 200,
        then: "limit".into(),
        state: RuleState::Enforce,
        from: RuleOrigin::Default,
        expires: None,
        spares: Spares::KnownInPeace,
        spares_flows: false,
        spares_it: false,
        left: Some(200),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_rule_leaves_a_source_and_who_says_so() {
        let all = [
            rule_of_test(),
            AppliedRule {
                rule: "source-packets".into(),
                of: "packets".into(),
                rate: 20_000,
                burst: 40_000,
                state: RuleState::Monitor,
                from: RuleOrigin::Configuration,
                spares_flows: true,
                spares_it: true,
                left: None,
                ..rule_of_test()
            },
            AppliedRule {
                service: "web".into(),
                rule: "strict".into(),
                shared: false,
                counted_as: "203.0.113.0/24".into(),
                then: "ban for 1m".into(),
                from: RuleOrigin::Command,
                spares: Spares::Nobody,
                left: Some(0),
                ..rule_of_test()
            },
        ];
        assert_eq!(
            text(|out| rules(&all, out, Style::plain())),
            "  RULE              COUNTS   OF                  RATE   BURST  LEFT  MODE         FROM           LEAVES ALONE\n\
             \x20 */source-syn      syn      203.0.113.7        100/s     200   200  drops        default        known sources in \
             peace\n\
             \x20 */source-packets  packets  203.0.113.7     20,000/s  40,000        only counts  configuration  known sources in \
             peace, flows in which both ends speak (this one, too)\n\
             \x20 web/strict        syn      203.0.113.0/24     100/s     200     0  drops, bans  limit set\n"
        );
    }

    #[test]
    fn bans_and_signatures_in_a_line() {
        let made = AppliedBan {
            prefix: "203.0.113.7/32".into(),
            since: Some(40.0),
            until: 159.5,
            count: Some(2),
            rule: Some("default/source-syn".into()),
            because: "it crossed rule default/source-syn".into(),
            listed: true,
            enforced: true,
        };
        assert_eq!(
            text(|out| ban(&made, 100, out, Style::plain())),
            "  203.0.113.7/32 is banned since 1m ago, ends in 1m: it crossed rule default/source-syn; it is ban 2 of it\n"
        );
        let found = AppliedSignature {
            number: 3,
            text: "tcp flags=syn".into(),
            drops: true,
            new_sources_only: true,
            may_match: false,
            packets: 1_000,
        };
        assert_eq!(
            text(|out| signature(&found, true, out, Style::plain())),
            "  3 drops: tcp flags=syn; of new sources: not of this one, which is known; 1,000 packets so far\n"
        );
    }
}
