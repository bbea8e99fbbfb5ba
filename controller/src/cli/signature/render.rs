//! Signatures, for people.

use std::io::{self, Write};

use crate::{
    api::{SignatureList, SignatureReport},
    cli::{
        style::Style,
        table::{Lean, Table},
        units,
    },
};

/// Characters of a signature in a list.
const MOST_IN_LIST: usize = 200;

pub(super) fn list(list: &SignatureList, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let state = match (list.attack, list.wave) {
        (true, 0 | 1) => style.bad(format!("under attack (incident {})", list.incident)),
        (true, wave) => style.bad(format!("under attack (incident {}, wave {wave})", list.incident)),
        (false, _) => style.good("calm".to_owned()),
    };
    let baseline = units::count(list.baseline);
    writeln!(out, "{state}; signatures are held against {baseline} samples of usual packets")?;
    if list.assumed {
        writeln!(out, "few are known yet: assumptions of what clients send stand in for them")?;
    }
    if list.signatures.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("NO", Lean::Right),
        ("STATE", Lean::Left),
        ("PACKETS", Lean::Right),
        ("AGE", Lean::Right),
        ("LAST", Lean::Right),
        ("SIGNATURE", Lean::Left),
    ]);
    let rows: Vec<_> = list
        .signatures
        .iter()
        .map(|report| {
            [
                report.number.to_string(),
                state_of(report).to_owned(),
                units::count(report.packets),
                units::span(report.age_seconds as u64),
                units::span(report.idle_seconds as u64),
                shortened(&report.text),
            ]
        })
        .collect();
    table.write(&rows, out, style)?;
    for SignatureReport { number, held, .. } in &list.signatures {
        if let Some(why) = held {
            writeln!(out, "signature {number} only counts: {}", units::printable(why))?;
        }
    }
    Ok(())
}

/// As much of a signature as a line of a list has room for: `signature show` tells all of it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_IN_LIST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn state_of(report: &SignatureReport) -> &'static str {
    match (report.pinned, report.enforced) {
        (true, true) => "pinned, drops",
        (true, false) => "pinned, counts",
        (false, true) if report.asks => "asks again",
        (false, true) => "drops",
        (false, false) if report.held.is_some() => "monitor",
        (false, false) => "on trial",
    }
}

pub(super) fn one(report: &SignatureReport, out: &mut dyn Write, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.strong(format!("{}  {}", report.number, report.text)))?;
    writeln!(out, "  state     {}", state_of(report))?;
    if let Some(why) = &report.held {
        writeln!(out, "  only counts: {}", units::printable(why))?;
    }
    if let Some(expires) = report.expires {
        writeln!(out, "  taken back {}", units::within(expires, units::now()))?;
    }
    if let Some(warning) = &report.warning {
        writeln!(out, "  {} {}", style.loud("WARNING:"), units::printable(warning))?;
    }
    let packets = units::count(report.packets);
    writeln!(out, "  matched   {packets} packets, {}", units::bytes(report.bytes))?;
    let share = 100.0 * report.sampled_known as f64 / report.sampled.max(1) as f64;
    writeln!(
        out,
        "  sampled   {}, of these {} ({share:.2} %) from sources that were there in calm times",
        units::count(report.sampled),
        units::count(report.sampled_known)
    )?;
    if report.enforced && !report.pinned {
        writeln!(
            out,
            "  let in    {} sampled packets that had been dropped, and came again after a second",
            units::count(report.sampled_again)
        )?;
    }
    writeln!(
        out,
        "  deployed  {} ago, last matched {} ago",
        units::span(report.age_seconds as u64),
        units::span(report.idle_seconds as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_room_for_so_much_of_a_signature() {
        assert_eq!(shortened("tcp flags=syn"), "tcp flags=syn");
        let long = shortened(&"ü".repeat(5_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MOST_IN_LIST + 1, true));
    }

    #[test]
    fn signatures_in_words() {
        let report = SignatureReport {
            number: 3,
            text: "tcp flags=syn window=0".into(),
            enforced: true,
            pinned: false,
            asks: false,
            held: None,
            warning: None,
            expires: None,
            age_seconds: 61.0,
            idle_seconds: 0.2,
            packets: 12_345,
            bytes: 740_700,
            sampled: 200,
            sampled_known: 1,
            sampled_again: 3,
        };
        let mut out = Vec::new();
        one(&report, &mut out, Style::plain()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("3  tcp flags=syn window=0\n  state     drops\n"), "{text}");
        assert!(text.contains("12,345 packets") && text.contains("1 (0.50 %)"), "{text}");
        assert!(text.contains("let in    3 sampled packets"), "{text}");
        let all = SignatureList {
            attack: true,
            attacked: vec!["default".to_owned()],
            incident: 1,
            wave: 3,
            baseline: 10,
            assumed: true,
            signatures: vec![report],
        };
        let mut out = Vec::new();
        list(&all, &mut out, Style::plain()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("under attack (incident 1, wave 3); ") && text.contains("few are known yet"),
            "{text}"
        );
    }
}
