//! A post-mortem as one page of HTML that needs nothing else: no script, no picture and no font of elsewhere.

use std::fmt::Write as _;

use floodwall_api::{IncidentPhase, IncidentReport};
use floodwall_units as units;

use super::{
    chart::{Chart, Quantity},
    origins,
    summary::{actor, bits, lasted, reasons, summary, title},
};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.15rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem;margin:1.5rem 0;padding:0}\
.facts div{border:1px solid #ddd;border-radius:6px;padding:.6rem .8rem}\
.facts dt{color:#666;font-size:.85rem}.facts dd{margin:0;font-size:1.15rem}\
.note{background:#fbf0e6;border-left:4px solid #b5412f;padding:.6rem 1rem}\
.state{display:inline-block;border-radius:4px;padding:.1rem .6rem;color:#fff;background:#b5412f}\
.state.resolved{background:#1f7a5a}.state.monitoring{background:#8a6a1c}\
code{background:#f3f3f3;padding:.1rem .3rem;overflow-wrap:anywhere}svg{width:100%;height:auto}\
td.t{white-space:nowrap;font-variant-numeric:tabular-nums}\
@media print{body{margin:0;max-width:none}h2{break-after:avoid}}";

/// The page.
pub fn html(report: &IncidentReport) -> String {
    let IncidentReport { incident, series, incomplete } = report;
    let heading = escaped(&title(incident));
    let phase = incident.phase.name();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{heading}</h1>\n<p><span class=\"state {phase}\">{phase}</span> {}</p>\n<p>{}</p>\n",
        incident.severity.name(),
        summary(incident).iter().map(|sentence| escaped(sentence)).collect::<Vec<_>>().join(" ")
    );
    let missing = incomplete.iter().map(|why| format!("Rates are missing: {why}."));
    for warning in incident.warnings.iter().cloned().chain(missing) {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&warning));
    }
    facts(&mut out, report);
    if !series.is_empty() {
        let _ = writeln!(out, "<h2>Rates</h2>\n{}", Chart::new(incident, series, Quantity::Packets).svg());
        out.push_str(&Chart::new(incident, series, Quantity::Bits).svg());
    }
    waves(&mut out, report);
    vectors(&mut out, report);
    timeline(&mut out, report);
    sources(&mut out, report);
    let _ = writeln!(
        out,
        "<p><small>Recorded by floodwall {}; incident {}.</small></p>\n</body>\n</html>",
        env!("CARGO_PKG_VERSION"),
        escaped(&incident.key)
    );
    out
}

fn facts(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    let traffic = &incident.traffic;
    let going_on = if incident.phase == IncidentPhase::Resolved { "lasted" } else { "so far" };
    let rows = [
        ("began", units::time(incident.began_ms)),
        (going_on, units::spelled_span(lasted(incident))),
        ("peak", format!("{} packets/s", units::count(traffic.peak_packets))),
        ("peak", bits(traffic.peak_bytes)),
        ("came", format!("{} packets", units::count(traffic.packets))),
        ("dropped", units::percent(traffic.dropped, traffic.packets)),
    ];
    out.push_str("<dl class=\"facts\">\n");
    for (name, value) in rows {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
}

fn waves(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    if incident.waves.len() < 2 {
        return;
    }
    out.push_str(
        "<h2>Waves</h2>\n<table><tr><th>wave<th>began<th>lasted<th class=\"n\">peak, packets/s<th class=\"n\">dropped at most, \
         packets/s</tr>\n",
    );
    for wave in &incident.waves {
        let until = wave.ended_ms.unwrap_or_else(|| incident.until_ms());
        let _ = writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            wave.number,
            units::time(wave.began_ms),
            units::spelled_span(until.saturating_sub(wave.began_ms).div_ceil(1_000)),
            units::count(wave.peak_packets),
            units::count(wave.peak_dropped)
        );
    }
    out.push_str("</table>\n");
}

fn vectors(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    out.push_str("<h2>What it consisted of</h2>\n<ul>\n");
    for vector in &incident.vectors {
        let _ = write!(out, "<li><strong>{}</strong>", escaped(&vector.words));
        for text in &vector.fingerprints {
            let _ = write!(out, "<br><code>{}</code>", escaped(text));
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul>\n<table><tr><th>reason<th class=\"n\">packets<th class=\"n\">share</tr>\n");
    for (reason, packets) in reasons(incident) {
        let (count, share) = (units::count(packets), units::percent(packets, incident.traffic.packets));
        let _ =
            writeln!(out, "<tr><td>{}<td class=\"n\">{count}<td class=\"n\">{share}</tr>", escaped(reason));
    }
    out.push_str("</table>\n");
    if !incident.strain.is_empty() {
        out.push_str("<h2>How the host fared, at its worst</h2>\n<ul>\n");
        for strain in &incident.strain {
            let when = units::clock(strain.time_ms);
            let _ = writeln!(out, "<li>{}: {} at {when}</li>", escaped(&strain.what), escaped(&strain.text));
        }
        out.push_str("</ul>\n");
    }
}

fn timeline(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    out.push_str("<h2>Timeline</h2>\n<table><tr><th>UTC<th>what<th>by</tr>\n");
    for line in &incident.timeline {
        let when = units::time(line.time_ms);
        let _ = writeln!(
            out,
            "<tr><td class=\"t\">{}<td>{}<td>{}</tr>",
            when.trim_end_matches(" UTC"),
            escaped(&line.text),
            escaped(actor(line))
        );
    }
    out.push_str("</table>\n");
    if incident.left_out > 0 {
        let _ = writeln!(out, "<p>{} lines more were not kept.</p>", units::count(incident.left_out));
    }
}

fn sources(out: &mut String, IncidentReport { incident, .. }: &IncidentReport) {
    if incident.sources.prefixes.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Where the sampled packets claim to come from</h2>\n<p>An address in a packet can be forged. This accuses \
         nobody.</p>\n<table><tr><th>prefix<th class=\"n\">sampled packets</tr>\n",
    );
    for prefix in &incident.sources.prefixes {
        let sampled = units::count(prefix.sampled);
        let _ = writeln!(out, "<tr><td>{}<td class=\"n\">{sampled}</tr>", escaped(&prefix.prefix));
    }
    out.push_str("</table>\n");
    let origins = origins::rows(&incident.sources, usize::MAX);
    if origins.is_empty() {
        return;
    }
    out.push_str("<table><tr><th>network or country<th class=\"n\">sampled and dropped<th class=\"n\">sampled and passed</tr>\n");
    for [who, dropped, passed] in origins {
        let _ =
            writeln!(out, "<tr><td>{}<td class=\"n\">{dropped}<td class=\"n\">{passed}</tr>", escaped(&who));
    }
    out.push_str("</table>\n");
}

/// Text of which nothing is taken for HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
