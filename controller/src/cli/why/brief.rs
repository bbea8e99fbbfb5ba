//! The answer on one screen of 80 columns.

use std::io::{self, Write};

use floodwall_incident::report::wrapped;

use crate::{
    api::{AddressOrigin, AppliedBan, AppliedRule, RuleState, WhyPacket, WhyReport},
    cli::{prefixes, style::Style, units},
};

/// Columns of a terminal that everybody has, and of the names of what is told.
const COLUMNS: usize = 80;
const NAMES: usize = 11;
/// Entries of each kind that are told; `--all` tells the others.
const FEW: usize = 2;

pub(super) fn render(report: &WhyReport, now: u64, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", super::verdict(report.outcome, &report.verdict, style))?;
    for problem in &report.problems {
        writeln!(out, "{} {}", style.bad("PROBLEM:"), style.bad(units::printable(problem)))?;
    }
    if let Some(packet) = &report.packet {
        field("packet", &about(packet), out)?;
    }
    field("source", &source(report, now), out)?;
    fields("lists", listed(report, now)?, "it is on none", out)?;
    report.spared.iter().take(1).try_for_each(|why| field("spared", why, out))?;
    fields("bans", banned(report, now), "it is not banned", out)?;
    fields("signatures", signatures(report), "none drops what could be its packets", out)?;
    field("limits", &limits(report), out)?;
    if !report.attacked.is_empty() {
        field("attacked", &report.attacked.join(", "), out)?;
    }
    fields("last hour", past(report, now), "", out)?;
    let undo = report
        .undo
        .iter()
        .map(|undo| {
            format!(
                "{}
{}",
                undo.command, undo.what
            )
        })
        .collect();
    fields("to undo it", undo, "nothing that is known drops its packets", out)?;
    writeln!(out, "{:NAMES$}floodwall why {} --all", "all of it", report.address)
}

/// What is told, behind its name, or below what was told before.
fn field(name: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut name = name;
    for line in text.split('\n') {
        for part in wrapped(&units::printable(line), COLUMNS - NAMES) {
            writeln!(out, "{name:NAMES$}{part}")?;
            name = "";
        }
    }
    Ok(())
}

/// Several, of which a few are told; or what is said where there is none.
fn fields(name: &str, all: Vec<String>, none: &str, out: &mut dyn Write) -> io::Result<()> {
    if all.is_empty() {
        return field(name, none, out);
    }
    for (place, text) in all.iter().take(FEW).enumerate() {
        field(if place == 0 { name } else { "" }, text, out)?;
    }
    match all.len().saturating_sub(FEW) {
        0 => Ok(()),
        more => field("", &format!("and {more} more"), out),
    }
}

fn about(packet: &WhyPacket) -> String {
    let WhyPacket { protocol, source_port, destination, destination_port, service, offered, mutual } = packet;
    let listens = if *offered { "something listens there" } else { "nothing is known to listen there" };
    let flow = if *mutual { "both ends of its flow have spoken" } else { "its flow is not known" };
    let destination =
        if destination.contains(':') { format!("[{destination}]") } else { destination.clone() };
    format!(
        "{protocol} from port {source_port} to {destination}:{destination_port}, of service {service}; {listens}, and {flow}"
    )
}

fn source(report: &WhyReport, now: u64) -> String {
    let source = &report.source;
    let origin = source.origin.as_ref().and_then(AddressOrigin::words);
    let origin = origin.map_or_else(String::new, |origin| format!("; of {origin}"));
    if !source.tracked {
        return format!("new: nothing is known of it{origin}");
    }
    let known = if source.known { "known" } else { "new" };
    let silent = source.idle_seconds.unwrap_or_default();
    let last = if silent < 60.0 {
        format!("{silent:.1} s ago")
    } else {
        units::ago(now.saturating_sub(silent as u64), now)
    };
    format!("{known}; {} packets, the last {last}{origin}", units::count(source.packets))
}

/// Lines as they are written elsewhere.
fn lines(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<String>> {
    let mut out = Vec::new();
    write(&mut out)?;
    Ok(String::from_utf8_lossy(&out).lines().map(|line| line.trim().to_owned()).collect())
}

fn listed(report: &WhyReport, now: u64) -> io::Result<Vec<String>> {
    let covering = &report.lists.covering;
    lines(|out| covering.iter().try_for_each(|covering| prefixes::covering(covering, now, out)))
}

fn banned(report: &WhyReport, now: u64) -> Vec<String> {
    let ban = |ban: &AppliedBan| {
        let ends = units::within(ban.until.ceil() as u64, now);
        let effect = if ban.enforced { "" } else { " (drops nothing)" };
        format!("{}, ends {ends}: {}{effect}", ban.prefix, ban.because)
    };
    report.bans.iter().map(ban).collect()
}

fn signatures(report: &WhyReport) -> Vec<String> {
    let such = report.signatures.iter().filter(|signature| signature.drops && signature.may_match);
    such.map(|signature| format!("{} drops {}", signature.number, signature.text)).collect()
}

fn limits(report: &WhyReport) -> String {
    let all = || report.source.limits.iter().chain(&report.rules);
    let used_up: Vec<_> = all().filter(|rule| rule.is_used_up()).map(name).collect();
    let drop = all().filter(|rule| rule.state == RuleState::Enforce && rule.then != "alert").count();
    let count = all().count();
    match used_up.as_slice() {
        [] => format!("{count} rules count its packets, of which {drop} drop; none is used up"),
        names => format!("{} has nothing left for it; {count} rules count its packets", names.join(", ")),
    }
}

fn name(rule: &AppliedRule) -> String {
    let service = if rule.shared { "*" } else { &rule.service };
    format!("{service}/{} ({} {}/s)", rule.rule, rule.of, rule.rate)
}

fn past(report: &WhyReport, now: u64) -> Vec<String> {
    let past = &report.past;
    let mut told: Vec<_> = past
        .packets
        .iter()
        .map(|packets| {
            let became = if packets.dropped { "dropped" } else { "passed" };
            let ago = units::ago(packets.last_ms / 1_000, now);
            let sampled = units::count(packets.sampled);
            format!("{sampled} sampled packets {became} ({}), the last {ago}", packets.reason)
        })
        .collect();
    for ban in &past.bans {
        let ended = units::ago(ban.until as u64, now);
        told.push(format!("{} was banned; that ended {ended}: {}", ban.prefix, ban.because));
    }
    if past.packets.is_empty() {
        let since = match past.since_ms {
            0 => String::new(),
            since_ms => {
                format!(" (samples of such sources are kept since {})", units::ago(since_ms / 1_000, now))
            }
        };
        told.insert(0, format!("no record: none of its packets was sampled{since}"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Outcome, PastBan, PastPackets, WhyPast, WhyUndo},
        cli::why::tests::report,
    };

    fn text(report: &WhyReport) -> String {
        let mut out = Vec::new();
        render(report, 10_000, &mut out, Style::plain()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_screen_says_what_happens_what_has_happened_and_what_undoes_it() {
        let mut report = WhyReport { problems: vec![], ..report() };
        assert_eq!(
            text(&report),
            "203.0.113.7 passes as far as its address goes; 1 signature drops by headers\n\
             source     new: nothing is known of it\n\
             lists      it is on none\n\
             spared     no rule bans it: somebody is logged in from 203.0.113.7\n\
             bans       it is not banned\n\
             signatures 3 drops udp sport=7\n\
             limits     1 rules count its packets, of which 1 drop; none is used up\n\
             attacked   web\n\
             last hour  no record: none of its packets was sampled\n\
             to undo it nothing that is known drops its packets\n\
             all of it  floodwall why 203.0.113.7 --all\n"
        );
        report.past = WhyPast {
            since_ms: 6_400_000,
            packets: vec![PastPackets {
                reason: "signature".into(),
                dropped: true,
                sampled: 12,
                last_ms: 9_990_000,
            }],
            bans: vec![PastBan {
                prefix: "203.0.113.7/32".into(),
                since: 9_000.0,
                until: 9_400.0,
                because: "it crossed rule web/strict".into(),
            }],
        };
        let what = "take the signature back, should it be the one that hits its packets".to_owned();
        report.undo = vec![WhyUndo { command: "floodwall signature drop 3".into(), what }];
        report.outcome = Outcome::Passes;
        let said = text(&report);
        for part in [
            "last hour  12 sampled packets dropped (signature), the last 10s ago\n",
            "           203.0.113.7/32 was banned; that ended 10m ago: it crossed rule\n",
            "to undo it floodwall signature drop 3\n           take the signature back",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn whatever_there_is_fits_on_a_screen() {
        let mut report = report();
        let ban = PastBan {
            prefix: "2001:db8:ffff:ffff::/64".into(),
            since: 1.0,
            until: 2.0,
            because: "a rule with a very long name ".repeat(4),
        };
        report.past.bans = vec![ban; 9];
        report.signatures = vec![report.signatures[0].clone(); 30];
        let what = "let it pass whatever it does, for an hour".to_owned();
        report.undo = vec![WhyUndo { command: "floodwall allow add 203.0.113.7 --for 1h".into(), what }; 4];
        let said = text(&report);
        assert!(said.lines().count() <= 24, "{} lines: {said}", said.lines().count());
        assert!(said.lines().all(|line| line.chars().count() <= COLUMNS), "{said}");
    }
}
