//! Which checks are in force, why not the others, and what they would have dropped.

use std::{
    fmt,
    io::{self, Write},
};

use crate::{
    api::{CheckStatus, ProofStatus, Status},
    cli::{
        style::Style,
        table::{Lean, Table},
        units,
    },
};

/// Width of what the facts of a status are called.
const NAME: usize = 11;

pub(super) fn write(status: &Status, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let fact = |out: &mut dyn Write, name: &str, value: &dyn fmt::Display| {
        writeln!(out, "{} {value}", style.strong(format_args!("{name:<NAME$}")))
    };
    if status.observe {
        let value = style.loud("observe: only lists, rules and signatures that you have named drop");
        fact(out, "mode", &value)?;
    }
    let (drop, count): (Vec<_>, Vec<_>) = status.checks.iter().partition(|check| check.enforced);
    let named = |checks: &[&CheckStatus], what: &str| {
        let names: Vec<_> = checks.iter().map(|check| units::printable(&check.check)).collect();
        (!names.is_empty()).then(|| format!("{} {what}", names.join(", ")))
    };
    let parts: Vec<_> = [named(&drop, "drop"), named(&count, "only count")].into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(());
    }
    fact(out, "checks", &parts.join("; "))?;
    let part = drop.into_iter().filter(|check| !check.why.is_empty());
    for CheckStatus { check, why, .. } in count.into_iter().chain(part) {
        let why: Vec<_> = why.iter().map(|why| units::printable(why)).collect();
        writeln!(out, "{:NAME$}   {}: {}", "", units::printable(check), why.join("; "))?;
    }
    let names = |proof: &str, filter: bool| {
        let is_filter = |status: &ProofStatus| status.by.as_deref() == Some("clsact");
        let those =
            status.proofs.iter().filter(|status| status.proof == proof && is_filter(status) == filter);
        let name = |status: &ProofStatus| match &status.families[..] {
            [family] => format!("{} ({})", units::printable(&status.interface), units::printable(family)),
            _ => units::printable(&status.interface),
        };
        those.map(name).collect::<Vec<_>>()
    };
    let by = [
        (names("egress", false), "by what leaves and by sockets"),
        (names("egress", true), "by what leaves (tc filter) and by sockets"),
        (names("sockets", false), "by sockets alone"),
    ];
    let parts: Vec<_> = by
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, how)| format!("{how} on {}", names.join(", ")))
        .collect();
    if !parts.is_empty() {
        fact(out, "flows known", &parts.join("; "))?;
    }
    Ok(())
}

/// What checks and rules that only count would have dropped; nothing if there is none.
pub(super) fn would_drop(status: &Status, out: &mut dyn Write, style: Style) -> io::Result<()> {
    if status.would_drop.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new([
        ("WOULD DROP", Lean::Left),
        ("OF KNOWN SOURCES", Lean::Right),
        ("OF OTHERS", Lean::Right),
    ]);
    let rows: Vec<[String; 3]> = status
        .would_drop
        .iter()
        .map(|would| {
            let counts = [would.known_packets, would.unknown_packets].map(units::count);
            let [known, unknown] = counts;
            [units::printable(&would.reason), known, unknown]
        })
        .collect();
    table.write(&rows, out, style)
}
