//! A status as a page: what is wrong first, then what the filter does, then what it holds.

use std::io::{self, Write};

use super::{checks, machine};
use crate::{
    api::{ChallengeStatus, InterfaceStatus, ListStatus, Status},
    cli::{
        limit,
        style::Style,
        table::{Lean, Table},
        trial, units,
    },
};

pub(super) fn render(status: &Status, out: &mut dyn Write, style: Style) -> io::Result<()> {
    for problem in &status.problems {
        writeln!(out, "{} {}", style.bad("PROBLEM:"), style.bad(units::printable(problem)))?;
    }
    for trial in &status.trials {
        writeln!(out, "{} {}", style.loud("ON TRIAL:"), style.bad(trial::waiting(trial)))?;
    }
    for warning in &status.warnings {
        writeln!(out, "{} {}", style.loud("WARNING:"), style.bad(units::printable(warning)))?;
    }
    if !(status.warnings.is_empty() && status.problems.is_empty() && status.trials.is_empty()) {
        writeln!(out)?;
    }
    facts(status, out, style)?;
    checks::write(status, out, style)?;
    machine::write(&status.machine, out, style)?;
    writeln!(out)?;
    counters(status, out, style)?;
    checks::would_drop(status, out, style)?;
    if !status.memory.is_empty() {
        writeln!(out)?;
        memory(status, out, style)?;
    }
    Ok(())
}

fn facts(status: &Status, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let Status { version, pid, uptime_seconds, interfaces, block, allow, capacity, limits, .. } = status;
    let mut fact =
        |name: &str, value: String| writeln!(out, "{} {value}", style.strong(format_args!("{name:<11}")));
    fact("floodwall", format!("{version}, process {pid}, up {}", units::span(*uptime_seconds)))?;
    let names: Vec<String> = interfaces.iter().map(|interface| shown(interface, style)).collect();
    fact("interfaces", if names.is_empty() { style.bad("none").to_string() } else { names.join(", ") })?;
    fact("blocklist", list(*block))?;
    fact("allowlist", list(*allow))?;
    let listed = block.ipv4 + block.ipv6 + allow.ipv4 + allow.ipv6;
    fact("room", format!("{} of {} taken", units::count(listed), units::prefixes(*capacity)))?;
    let words = |name: &str, limit| {
        let counts =
            if status.limits_only_count.iter().any(|what| what == name) { " (only counts)" } else { "" };
        format!("{}{counts}", limit::words(limit))
    };
    let (packets, syn) = (words("packets", limits.packets.as_ref()), words("syn", limits.syn.as_ref()));
    fact("limits", format!("packets {packets}; syn {syn}; per source"))?;
    let ChallengeStatus { sent, answered, .. } = status.challenges;
    if sent > 0 {
        let words = format!("{} sent, {} answered", units::count(sent), units::count(answered));
        fact("challenges", words)?;
    }
    Ok(())
}

fn shown(interface: &InterfaceStatus, style: Style) -> String {
    let InterfaceStatus { name, other_names, mode, filtered, .. } = interface;
    let (mut name, mode) = (units::printable(name), units::printable(mode));
    if !other_names.is_empty() {
        name = format!("{name} = {}", units::printable(&other_names.join(" = ")));
    }
    if !filtered {
        return style.bad(format_args!("{name} (NOT FILTERED)")).to_string();
    }
    let mode = if mode == "native" { style.good(mode) } else { style.loud(mode) };
    format!("{name} ({mode})")
}

fn list(list: ListStatus) -> String {
    format!("{} IPv4, {} IPv6", units::count(list.ipv4), units::count(list.ipv6))
}

fn counters(status: &Status, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut table = Table::new([
        ("VERDICT", Lean::Left),
        ("REASON", Lean::Left),
        ("PACKETS", Lean::Right),
        ("BYTES", Lean::Right),
    ]);
    let rows: Vec<[String; 4]> = status
        .counters
        .iter()
        .map(|counter| {
            let words = [&counter.verdict, &counter.reason].map(|text| units::printable(text));
            let [verdict, reason] = words;
            [verdict, reason, units::count(counter.packets), units::bytes(counter.bytes)]
        })
        .collect();
    table.measure(&rows);
    table.headings(out, style)?;
    for (row, counter) in rows.iter().zip(&status.counters) {
        let line = table.line(row);
        match (counter.verdict.as_str(), counter.packets) {
            (_, 0) => writeln!(out, "{line}")?,
            ("drop", _) => writeln!(out, "{}", style.bad(line))?,
            _ => writeln!(out, "{}", style.good(line))?,
        }
    }
    Ok(())
}

fn memory(status: &Status, out: &mut dyn Write, style: Style) -> io::Result<()> {
    let mut table = Table::new([("KERNEL MEMORY", Lean::Left), ("SIZE", Lean::Right), ("USED", Lean::Right)]);
    let rows: Vec<[String; 3]> = status
        .memory
        .iter()
        .map(|memory| {
            let used = memory.used.map(|used| format!("{:.0} %", used * 100.0)).unwrap_or_default();
            [units::printable(&memory.structure), units::bytes(memory.bytes), used]
        })
        .collect();
    let total = status.memory.iter().map(|memory| memory.bytes).sum();
    let sum = ["in all".to_owned(), units::bytes(total), String::new()];
    table.write(&[rows.as_slice(), &[sum]].concat(), out, style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CheckStatus, Limit, Limits, MemoryUse, ProofStatus, ReasonCount, WouldCount};

    fn status() -> Status {
        let counter = |reason: &str, verdict: &str, packets, bytes| ReasonCount {
            reason: reason.into(),
            verdict: verdict.into(),
            packets,
            bytes,
        };
        Status {
            version: "0.1.0".into(),
            pid: 42,
            uptime_seconds: 11_520,
            interfaces: vec![
                InterfaceStatus {
                    name: "eth0".into(),
                    other_names: Vec::new(),
                    ifindex: 2,
                    mode: "native".into(),
                    filtered: true,
                },
                InterfaceStatus {
                    name: "eth1".into(),
                    other_names: Vec::new(),
                    ifindex: 3,
                    mode: "generic".into(),
                    filtered: true,
                },
                InterfaceStatus {
                    name: "eth2".into(),
                    other_names: Vec::new(),
                    ifindex: 0,
                    mode: "none".into(),
                    filtered: false,
                },
            ],
            challenges: ChallengeStatus { possible: true, sent: 12_034, answered: 230 },
            would_drop: vec![WouldCount {
                reason: "out-of-state".into(),
                known_packets: 1_000,
                known_bytes: 2_048,
                unknown_packets: 7,
                unknown_bytes: 420,
            }],
            checks: vec![
                CheckStatus { check: "malformed".into(), enforced: true, why: vec![] },
                CheckStatus { check: "unsolicited".into(), enforced: false, why: vec!["NAT".into()] },
                CheckStatus {
                    check: "out-of-state".into(),
                    enforced: false,
                    why: vec!["NAT".into(), "IPVS".into()],
                },
            ],
            proofs: [("eth0", "egress"), ("eth1", "egress"), ("eth2", "sockets")]
                .map(|(interface, proof)| ProofStatus {
                    interface: interface.to_owned(),
                    families: vec!["IPv4".into(), "IPv6".into()],
                    proof: proof.to_owned(),
                    by: (interface == "eth1").then(|| "clsact".to_owned()),
                    why: None,
                })
                .to_vec(),
            observe: true,
            counters: vec![counter("clean", "pass", 1_234_567, 3 << 30), counter("blocked", "drop", 0, 0)],
            block: ListStatus { ipv4: 120_430, ipv6: 51 },
            allow: ListStatus { ipv4: 3, ipv6: 0 },
            capacity: 1_250_000,
            limits_only_count: vec!["packets".into()],
            limits: Limits { packets: Some(Limit { rate: 20_000, burst: 40_000 }), syn: None },
            memory: vec![
                MemoryUse { structure: "prefixes".into(), bytes: 64 << 20, used: Some(0.12) },
                MemoryUse { structure: "sources".into(), bytes: 96 << 20, used: None },
            ],
            machine: Default::default(),
            trials: Vec::new(),
            notify: Vec::new(),
            web: None,
            warnings: vec!["eth1 is filtered in generic mode".into()],
            problems: Vec::new(),
        }
    }

    fn text(status: &Status) -> String {
        let mut out = Vec::new();
        render(status, &mut out, Style::plain()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_status_as_a_page() {
        assert_eq!(
            text(&status()),
            "WARNING: eth1 is filtered in generic mode\n\
             \n\
             floodwall   0.1.0, process 42, up 3h 12m\n\
             interfaces  eth0 (native), eth1 (generic), eth2 (NOT FILTERED)\n\
             blocklist   120,430 IPv4, 51 IPv6\n\
             allowlist   3 IPv4, 0 IPv6\n\
             room        120,484 of 1,250,000 prefixes taken\n\
             limits      packets 20,000/s, burst 40,000 (only counts); syn off; per source\n\
             challenges  12,034 sent, 230 answered\n\
             mode        observe: only lists, rules and signatures that you have named drop\n\
             checks      malformed drop; unsolicited, out-of-state only count\n\
             \x20             unsolicited: NAT\n\
             \x20             out-of-state: NAT; IPVS\n\
             flows known by what leaves and by sockets on eth0; by what leaves (tc filter) and by sockets on eth1; by sockets alone on eth2\n\
             \n\
             VERDICT  REASON     PACKETS    BYTES\n\
             pass     clean    1,234,567  3.0 GiB\n\
             drop     blocked          0      0 B\n\
             \n\
             WOULD DROP    OF KNOWN SOURCES  OF OTHERS\n\
             out-of-state             1,000          7\n\
             \n\
             KERNEL MEMORY       SIZE  USED\n\
             prefixes        64.0 MiB  12 %\n\
             sources         96.0 MiB\n\
             in all         160.0 MiB\n"
        );
    }

    #[test]
    fn a_status_without_anything() {
        let status =
            Status { interfaces: vec![], counters: vec![], memory: vec![], warnings: vec![], ..status() };
        let status = Status { checks: vec![], would_drop: vec![], observe: false, ..status };
        let text = text(&status);
        assert!(text.starts_with("floodwall ") && text.contains("interfaces  none\n"), "{text}");
        assert!(text.ends_with("VERDICT  REASON  PACKETS  BYTES\n"), "{text}");
    }
}
