//! The report as a chart.

use floodwall_common::prefix::Family;
use floodwall_svg::{Anchor, Picture};

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
    let mut picture = Picture::default();
    let mut y = TOP;
    for row in rows {
        picture.bold((LEFT, y + 20.0), Anchor::Start, &row.name);
        y += TITLE;
        for (candidate, colour) in BARS {
            let Some(value) = row.median(candidate) else { continue };
            bar(&mut picture, y, candidate.name(), colour, value, longest);
            y += BAR;
        }
        y += GAP;
    }
    let machine = &report.machine;
    let under = format!(
        "medians of {} rounds; {}, Linux {}; 1 M IPv4 and 250 k IPv6 prefixes listed",
        report.rounds, machine.processor, machine.kernel
    );
    let title = "Cost per packet above a program that only drops, ns";
    picture.bold((16.0, 28.0), Anchor::Start, title);
    picture.text((16.0, 48.0), Anchor::Start, &under);
    picture.finish((WIDTH, y), title)
}

fn bar(picture: &mut Picture, y: f64, name: &str, colour: &str, value: f64, longest: f64) {
    let length = (value.max(0.0) / longest * (WIDTH - LEFT - RIGHT)).max(1.0);
    picture.rectangle((LEFT, y), (length, BAR - 3.0), colour);
    let write = if name.starts_with("floodwall") { Picture::bold } else { Picture::text };
    write(picture, (LEFT - 8.0, y + 12.0), Anchor::End, name);
    write(picture, (LEFT + length + 6.0, y + 12.0), Anchor::Start, &format!("{value:.0}"));
}
