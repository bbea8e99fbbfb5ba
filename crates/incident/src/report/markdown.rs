//! A post-mortem in Markdown (CommonMark, with tables as GitHub has them).

use std::fmt::Write as _;

use floodwall_api::IncidentReport;
use floodwall_units as units;

use super::{
    origins,
    spark::spark,
    summary::{actor, bits, lasted, reasons, summary, title},
};

/// Columns of a chart of blocks.
const SPARK: usize = 72;

/// The post-mortem. `charts` are names of references, with what they show; without any, blocks stand in for them.
pub fn markdown(report: &IncidentReport, charts: &[(String, &str)]) -> String {
    let IncidentReport { incident, series, incomplete } = report;
    let mut out = format!("# {}\n\n", escaped(&title(incident)));
    for sentence in summary(incident) {
        let _ = writeln!(out, "{}", escaped(&sentence));
    }
    for warning in &incident.warnings {
        let _ = writeln!(out, "\n> **Note.** {}", escaped(warning));
    }
    if let Some(why) = incomplete {
        let _ = writeln!(out, "\n> **Note.** Rates are missing: {}.", escaped(why));
    }
    facts(&mut out, report);
    out.push_str("\n## Rates\n\n");
    for (file, shows) in charts {
        let _ = writeln!(out, "![{shows}]({file})\n");
    }
    if charts.is_empty() && !series.is_empty() {
        let (came, most) = spark(series, SPARK, |second| second.packets);
        let (dropped, most_dropped) = spark(series, SPARK, |second| second.dropped);
        let _ = writeln!(
            out,
            "```\ncame     {came}  up to {}/s\ndropped  {dropped}  up to {}/s\n```",
            units::count(most),
            units::count(most_dropped)
        );
    }
    vectors(&mut out, report);
    timeline(&mut out, report);
    sources(&mut out, report);
    questions(&mut out);
    out
}

fn facts(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    let traffic = &incident.traffic;
    let seconds = traffic.seconds.max(1);
    let rows = [
        ("state", format!("{}, {}", incident.phase.name(), incident.severity.name())),
        ("began", units::time(incident.began_ms)),
        ("until", units::time(incident.until_ms())),
        ("lasted", units::spelled_span(lasted(incident))),
        ("services", incident.services_in_words()),
        ("peak", format!("{} packets/s, {}", units::count(traffic.peak_packets), bits(traffic.peak_bytes))),
        (
            "on average",
            format!(
                "{} packets/s, {}",
                units::count(traffic.packets / seconds),
                bits(traffic.bytes / seconds)
            ),
        ),
        ("came", format!("{} packets, {} bytes", units::count(traffic.packets), units::count(traffic.bytes))),
        (
            "dropped",
            format!(
                "{} packets ({})",
                units::count(traffic.dropped),
                units::percent(traffic.dropped, traffic.packets)
            ),
        ),
        ("key", incident.key.clone()),
    ];
    out.push_str("\n| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {} |", escaped(&value));
    }
    if incident.waves.len() > 1 {
        out.push_str("\n| wave | began | lasted | peak, packets/s | dropped at most, packets/s |\n|---|---|---|---|---|\n");
        for wave in &incident.waves {
            let until = wave.ended_ms.unwrap_or_else(|| incident.until_ms());
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                wave.number,
                units::time(wave.began_ms),
                units::spelled_span(until.saturating_sub(wave.began_ms).div_ceil(1_000)),
                units::count(wave.peak_packets),
                units::count(wave.peak_dropped)
            );
        }
    }
}

fn vectors(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    out.push_str("\n## What it consisted of\n\n");
    for vector in &incident.vectors {
        let _ = writeln!(
            out,
            "- **{}**, from {} to {}",
            escaped(&vector.words),
            units::clock(vector.first_ms),
            units::clock(vector.last_ms)
        );
        for text in &vector.fingerprints {
            let _ = writeln!(out, "  - `{}`", text.replace('`', "'"));
        }
    }
    out.push_str("\n| reason | packets | share |\n|---|---:|---:|\n");
    for (reason, packets) in reasons(incident) {
        let share = units::percent(packets, incident.traffic.packets);
        let _ = writeln!(out, "| {} | {} | {share} |", escaped(reason), units::count(packets));
    }
    if !incident.strain.is_empty() {
        out.push_str("\n## How the host fared, at its worst\n\n");
        for strain in &incident.strain {
            let when = units::clock(strain.time_ms);
            let _ = writeln!(out, "- {}: {} at {when}", escaped(&strain.what), escaped(&strain.text));
        }
    }
}

fn timeline(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    out.push_str("\n## Timeline (UTC)\n\n| time | what | by |\n|---|---|---|\n");
    for line in &incident.timeline {
        let (when, by) = (units::time(line.time_ms), actor(line));
        let when = when.trim_end_matches(" UTC");
        let _ = writeln!(out, "| {when} | {} | {} |", escaped(&line.text), escaped(by));
    }
    if incident.left_out > 0 {
        let _ = writeln!(out, "\n{} lines more were not kept.", units::count(incident.left_out));
    }
}

fn sources(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    if incident.sources.prefixes.is_empty() {
        return;
    }
    out.push_str(
        "\n## Where the sampled packets claim to come from\n\nAn address in a packet can be forged. This accuses nobody.\n\n\
         | prefix | sampled packets |\n|---|---:|\n",
    );
    for prefix in &incident.sources.prefixes {
        let _ = writeln!(out, "| {} | {} |", escaped(&prefix.prefix), units::count(prefix.sampled));
    }
    let origins = origins::rows(&incident.sources, usize::MAX);
    if !origins.is_empty() {
        out.push_str(
            "\n| network or country | sampled and dropped | sampled and passed |\n|---|---:|---:|\n",
        );
    }
    for [who, dropped, passed] in origins {
        let _ = writeln!(out, "| {} | {dropped} | {passed} |", escaped(&who));
    }
}

/// What no record can know.
fn questions(out: &mut String) {
    out.push_str(
        "\n## To be filled in\n\n- Who was hurt, and how, beyond what is estimated above:\n- What went well:\n- What did not:\n- What will be changed, by whom, \
         until when:\n",
    );
}

/// Text of which nothing is taken for Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
