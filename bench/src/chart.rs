//! The report as a chart: SVG, written by hand.

use std::fmt::Write as _;

use floodwall_common::prefix::Family;

use crate::{
    candidate::Candidate,
    groups,
    report::{Report, Row},
    sources::CLEAN,
};

const WIDTH: f64 = 960.0;
/// Where the bars begin.
const LEFT: f64 = 210.0;
/// Room to the right of the longest bar, for its number.
const RIGHT: f64 = 70.0;
const BAR: f64 = 17.0;
const TITLE: f64 = 30.0;
const GAP: f64 = 16.0;
const TOP: f64 = 64.0;

/// Bars of these, in this order, and their colours.
const BARS: [(Candidate, &str); 8] = [
    (Candidate::OneRead, "#b8b8b8"),
    (Candidate::XdpFilter, "#8fa7bf"),
    (Candidate::Lpm, "#d9a77c"),
    (Candidate::Lru, "#cf8f8f"),
    (Candidate::LpmAndLru, "#b5654a"),
    (Candidate::Unlisted, "#7fb8a0"),
    (Candidate::Floodwall, "#1f7a5a"),
    (Candidate::Signed, "#14523d"),
];

/// Draws the groups that tell the story; the others are in the table.
pub(crate) fn render(report: &Report) -> String {
    let shown = [
        groups::blocked(Family::V4),
        groups::clean(Family::V4, 1),
        groups::clean(Family::V4, 1_000_000),
        groups::clean(Family::V4, CLEAN),
        groups::blocked(Family::V6),
        groups::clean(Family::V6, CLEAN),
    ];
    let rows: Vec<&Row> =
        shown.iter().filter_map(|name| report.groups.iter().find(|row| row.name == *name)).collect();
    let values = rows.iter().flat_map(|row| row.cells.iter().map(|cell| cell.median_ns));
    let longest = values.fold(1.0, f64::max);
    let mut body = String::new();
    let mut y = TOP;
    for row in rows {
        text(&mut body, LEFT, y + 20.0, "start", "bold", &row.name);
        y += TITLE;
        for (candidate, colour) in BARS {
            let Some(value) = row.median(candidate) else { continue };
            bar(&mut body, y, candidate.name(), colour, value, longest);
            y += BAR;
        }
        y += GAP;
    }
    let machine = &report.machine;
    let under = format!(
        "medians of {} rounds; {}, Linux {}; 1 M IPv4 and 250 k IPv6 prefixes listed",
        report.rounds, machine.processor, machine.kernel
    );
    text(&mut body, 16.0, 28.0, "start", "bold", "Cost per packet above a program that only drops, ns");
    text(&mut body, 16.0, 48.0, "start", "normal", &under);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{y}\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn bar(body: &mut String, y: f64, name: &str, colour: &str, value: f64, longest: f64) {
    let length = (value.max(0.0) / longest * (WIDTH - LEFT - RIGHT)).max(1.0);
    let weight = if name.starts_with("floodwall") { "bold" } else { "normal" };
    text(body, LEFT - 8.0, y + 12.0, "end", weight, name);
    // A string takes all that is written to it.
    let _ = writeln!(
        body,
        "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>",
        BAR - 3.0
    );
    text(body, LEFT + length + 6.0, y + 12.0, "start", weight, &format!("{value:.0}"));
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, weight: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"#222\">{words}</text>"
    );
}
