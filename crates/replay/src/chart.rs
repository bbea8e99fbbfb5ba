//! A chart of what passed and what was dropped over time.

use std::fmt::Write as _;

use floodwall_common::wire::Verdict;
use floodwall_svg::{Anchor, DROPPED, Frame, PASSED, Picture, round_step};

use super::{
    summary::{Noted, Summary},
    timeline::Timeline,
};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
/// Where the columns lie; around them are numbers and words.
const ACROSS: (f64, f64) = (70.0, WIDTH - 20.0);
const DOWN: (f64, f64) = (74.0, HEIGHT - 44.0);
/// Most columns; a longer capture has longer ones.
const COLUMNS: u64 = 240;
/// Most marks that are drawn.
const MARKS: usize = 40;
/// Marks whose words stand beside them; more would cover each other.
const WORDS: usize = 12;

/// Draws what became of the packets of a capture, or several, of that name.
pub fn render(name: &str, summary: &Summary) -> String {
    let timeline = summary.timeline.at_most(COLUMNS);
    let frame = frame_around(&timeline);
    let mut picture = Picture::default();
    let report = summary.report(None);
    let title = format!("Packets/s in {name}");
    picture.bold((16.0, 28.0), Anchor::Start, &title);
    let mut totals = format!("{} passed, {} dropped", report.passed, report.dropped);
    if report.caveats.unjudged() > 0 {
        // A string takes all that is written to it.
        let _ = write!(totals, "; {} more not judged", report.caveats.unjudged());
    }
    picture.text((16.0, 48.0), Anchor::Start, &totals);
    picture.legend((WIDTH - 190.0, 18.0), PASSED, "passed");
    picture.legend((WIDTH - 100.0, 18.0), DROPPED, "dropped");
    frame.rates(&mut picture, |rate| format!("{rate:.0}"));
    times(&frame, &mut picture);
    let span = timeline.span() as f64;
    for (second, row) in timeline.rows() {
        let time = (second as f64, second as f64 + span);
        let passed = row.with(Verdict::Pass) as f64 / span;
        let dropped = row.with(Verdict::Drop) as f64 / span;
        column(&frame, &mut picture, time, (0.0, passed), PASSED);
        column(&frame, &mut picture, time, (passed, passed + dropped), DROPPED);
    }
    for (number, Noted { unix_ns, what, .. }) in summary.marks.iter().take(MARKS).enumerate() {
        mark(&frame, &mut picture, number, *unix_ns as f64 / 1e9, what);
    }
    picture.finish((WIDTH, HEIGHT), &title)
}

fn frame_around(timeline: &Timeline) -> Frame {
    let span = timeline.span() as f64;
    let (mut from, mut until, mut most) = (f64::INFINITY, 0.0_f64, 1.0_f64);
    for (second, row) in timeline.rows() {
        from = from.min(second as f64);
        until = until.max(second as f64 + span);
        most = most.max(row.packets.iter().sum::<u64>() as f64 / span);
    }
    if !from.is_finite() {
        (from, until) = (0.0, span);
    }
    Frame { across: ACROSS, down: DOWN, from, seconds: until - from, most }
}

fn column(frame: &Frame, picture: &mut Picture, time: (f64, f64), rates: (f64, f64), colour: &str) {
    if rates.1 > rates.0 {
        let (left, right) = (frame.x(time.0), frame.x(time.1));
        let (top, bottom) = (frame.y(rates.1), frame.y(rates.0));
        picture.rectangle((left, top), (right - left, bottom - top), colour);
    }
}

fn mark(frame: &Frame, picture: &mut Picture, number: usize, second: f64, what: &str) {
    frame.mark(picture, second, 0.0);
    if number < WORDS {
        let (x, y) = (frame.x(second), DOWN.0 + 12.0 + 15.0 * number as f64);
        let (at, anchor) = if x > WIDTH * 0.7 { (x - 4.0, Anchor::End) } else { (x + 4.0, Anchor::Start) };
        picture.text((at, y), anchor, what);
    }
}

/// Seconds from the first one on, at round steps.
fn times(frame: &Frame, picture: &mut Picture) {
    let step = round_step(frame.seconds / 8.0);
    let mut second = 0.0;
    while second <= frame.seconds {
        let x = frame.x(frame.from + second);
        picture.text((x, DOWN.1 + 18.0), Anchor::Middle, &format!("{second:.0} s"));
        second += step;
    }
}

#[cfg(test)]
mod tests {
    use floodwall_capture::LinkType;
    use floodwall_common::wire::Reason;

    use super::*;
    use crate::run::{NotJudged, Played, Seen, Why};
    use floodwall_kernel::Judged;

    fn summary(seconds: u64) -> Summary {
        let mut summary = Summary::default();
        for second in 0..seconds {
            for reason in [Reason::Clean, Reason::Blocked] {
                let judged = Judged::by(reason);
                let unix_ns = (1_767_225_600 + second) * 1_000_000_000;
                summary.count(&Played::Judged(Seen {
                    capture: 0,
                    index: second,
                    unix_ns,
                    length: 60,
                    judged,
                    rule: None,
                    link: LinkType::Ethernet,
                    came_in: true,
                }));
            }
        }
        summary
    }

    #[test]
    fn everything_is_on_the_paper() {
        let mut summary = summary(10);
        summary.mark(1_767_225_603_500_000_000, "ban <203.0.113.7> & more".to_owned());
        let (index, unix_ns) = (20, 1_767_225_603_000_000_000);
        summary.count(&Played::NotJudged(NotJudged { capture: 0, index, unix_ns, why: Why::Outgoing }));
        let svg = render("a<b.pcap", &summary);
        assert_eq!(svg.matches(DROPPED).count(), 11, "ten columns and the legend");
        assert!(svg.contains("10 passed, 10 dropped; 1 more not judged<") && svg.contains("a&lt;b.pcap"));
        assert!(svg.contains("ban &lt;203.0.113.7> &amp; more"));
    }

    #[test]
    fn long_and_empty_captures_have_charts_too() {
        assert!(render("empty", &Summary::default()).contains("0 passed, 0 dropped"));
        assert!(render("long", &summary(5_000)).matches("<rect").count() < 500);
    }
}
