//! A chart of what passed and what was dropped over time: SVG, written by hand.

use std::fmt::Write as _;

use floodwall_common::wire::Verdict;

use super::{
    summary::{Noted, Summary},
    timeline::Timeline,
};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
/// Room around the columns: for numbers and words.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 44.0;
/// Most columns; a longer capture has longer ones.
const COLUMNS: u64 = 240;
/// Most marks that are drawn.
const MARKS: usize = 40;
/// Marks whose words stand beside them; more would cover each other.
const WORDS: usize = 12;

const PASSED: &str = "#1f7a5a";
const DROPPED: &str = "#b5412f";
const INK: &str = "#222";

/// Draws what became of the packets of a capture, or several, of that name.
pub fn render(name: &str, summary: &Summary) -> String {
    let timeline = summary.timeline.at_most(COLUMNS);
    let frame = Frame::around(&timeline);
    let mut body = String::new();
    let report = summary.report(None);
    text(&mut body, (16.0, 28.0), "start", "bold", INK, &format!("Packets/s in {name}"));
    let mut totals = format!("{} passed, {} dropped", report.passed, report.dropped);
    if report.apart.unjudged() > 0 {
        let _ = write!(totals, "; {} more not judged", report.apart.unjudged());
    }
    text(&mut body, (16.0, 48.0), "start", "normal", INK, &totals);
    legend(&mut body);
    frame.axes(&mut body);
    for (second, row) in timeline.rows() {
        let dropped = row.with(Verdict::Drop) as f64 / frame.span;
        let passed = row.with(Verdict::Pass) as f64 / frame.span;
        frame.column(&mut body, second, 0.0, passed, PASSED);
        frame.column(&mut body, second, passed, dropped, DROPPED);
    }
    for (number, Noted { unix_ns, what, .. }) in summary.marks.iter().take(MARKS).enumerate() {
        frame.mark(&mut body, number, *unix_ns as f64 / 1e9, what);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// Where times and rates lie on the paper.
struct Frame {
    /// Seconds since 1970 at the left edge, and as many to the right one.
    from: f64,
    seconds: f64,
    /// Seconds of a column.
    span: f64,
    /// Packets/s at the top.
    most: f64,
}

impl Frame {
    fn around(timeline: &Timeline) -> Self {
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
        Self { from, seconds: until - from, span, most }
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + (second - self.from) / self.seconds * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, rate: f64) -> f64 {
        HEIGHT - BOTTOM - rate / self.most * (HEIGHT - TOP - BOTTOM)
    }

    fn column(&self, body: &mut String, second: u64, from: f64, rate: f64, colour: &str) {
        if rate <= 0.0 {
            return;
        }
        let (left, right) = (self.x(second as f64), self.x(second as f64 + self.span));
        let (top, bottom) = (self.y(from + rate), self.y(from));
        let (width, height) = (right - left, bottom - top);
        // A string takes all that is written to it.
        let _ = writeln!(
            body,
            "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{colour}\"/>"
        );
    }

    fn mark(&self, body: &mut String, number: usize, second: f64, what: &str) {
        let x = self.x(second.clamp(self.from, self.from + self.seconds));
        line(body, (x, TOP), (x, HEIGHT - BOTTOM), "#555", "4 3");
        if number < WORDS {
            let y = TOP + 12.0 + 15.0 * number as f64;
            let (at, anchor) = if x > WIDTH * 0.7 { (x - 4.0, "end") } else { (x + 4.0, "start") };
            text(body, (at, y), anchor, "normal", INK, what);
        }
    }

    fn axes(&self, body: &mut String) {
        let step = round_step(self.most / 4.0);
        let mut rate = 0.0;
        while rate <= self.most {
            line(body, (LEFT, self.y(rate)), (WIDTH - RIGHT, self.y(rate)), "#ddd", "none");
            text(body, (LEFT - 8.0, self.y(rate) + 4.0), "end", "normal", INK, &format!("{rate:.0}"));
            rate += step;
        }
        let step = round_step(self.seconds / 8.0);
        let mut second = 0.0;
        while second <= self.seconds {
            let x = self.x(self.from + second);
            text(body, (x, HEIGHT - BOTTOM + 18.0), "middle", "normal", INK, &format!("{second:.0} s"));
            second += step;
        }
    }
}

/// The next of 1, 2, 5, 10, 20 … that is at least this much.
fn round_step(least: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if step * factor >= least {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn legend(body: &mut String) {
    for (x, colour, words) in [(WIDTH - 190.0, PASSED, "passed"), (WIDTH - 100.0, DROPPED, "dropped")] {
        let _ = writeln!(body, "<rect x=\"{x}\" y=\"18\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
        text(body, (x + 18.0, 28.0), "start", "normal", INK, words);
    }
}

fn line(body: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, dashes: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        body,
        "<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" stroke=\"{colour}\" \
         stroke-dasharray=\"{dashes}\"/>"
    );
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, weight: &str, colour: &str, words: &str) {
    let words: String = words.chars().filter(|c| !c.is_control()).collect();
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        body,
        "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"{colour}\">{words}</text>"
    );
}

#[cfg(test)]
mod tests {
    use floodwall_capture::LinkType;
    use floodwall_common::wire::Reason;

    use super::*;
    use crate::run::{Apart, Played, Seen, Why};
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
        summary.count(&Played::Apart(Apart { capture: 0, index, unix_ns, why: Why::Outgoing }));
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

    #[test]
    fn steps_are_round() {
        assert_eq!([0.0, 1.5, 3.0, 7.0, 11.0, 499.0].map(round_step), [1.0, 2.0, 5.0, 10.0, 20.0, 500.0]);
    }
}
