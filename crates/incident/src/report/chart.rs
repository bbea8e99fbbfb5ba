//! Rates over time as a picture: SVG, written by hand.

use std::fmt::Write as _;

use floodwall_api::{Incident, IncidentSecond};

use crate::words;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
/// Room around what is drawn: for numbers and words.
const LEFT: f64 = 86.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 40.0;
/// Width that the words of a phase take, so that they do not cover each other.
const WORDS: f64 = 96.0;

const PASSED: &str = "#1f7a5a";
const DROPPED: &str = "#b5412f";
const WAVE: &str = "#f6ead9";
const INK: &str = "#222";
const GRID: &str = "#ddd";

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Packets, those that passed and those that were dropped.
    Packets,
    /// Bits on the wire.
    Bits,
}

/// A picture of an incident's rates.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    incident: &'a Incident,
    series: &'a [IncidentSecond],
    quantity: Quantity,
    /// Seconds since 1970 at the left edge, and as many to the right one.
    from: f64,
    seconds: f64,
    /// Rate at the top.
    most: f64,
}

impl<'a> Chart<'a> {
    /// A picture of this, of whichever incident.
    pub fn new(incident: &'a Incident, series: &'a [IncidentSecond], quantity: Quantity) -> Self {
        let from = series.first().map_or(incident.began_ms as f64 / 1e3, |second| second.time as f64);
        let until = series.last().map_or(from + 1.0, |last| last.time as f64 + f64::from(last.span));
        let rates = series.iter().map(|second| rate(second, quantity, second.packets));
        let most = rates.fold(1.0, f64::max);
        Self { incident, series, quantity, from, seconds: (until - from).max(1.0), most }
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let mut body = String::new();
        let (name, unit) = match self.quantity {
            Quantity::Packets => ("Packets", "packets/s"),
            Quantity::Bits => ("Traffic", "bits/s"),
        };
        let title = format!("{name} of incident {}, {unit}", self.incident.id);
        text(&mut body, (16.0, 26.0), "start", "bold", &title);
        self.waves(&mut body);
        self.axes(&mut body);
        match self.quantity {
            Quantity::Packets => {
                legend(&mut body, WIDTH - 200.0, PASSED, "passed");
                legend(&mut body, WIDTH - 106.0, DROPPED, "dropped");
                for second in self.series {
                    let passed =
                        rate(second, self.quantity, second.packets - second.dropped.min(second.packets));
                    self.column(&mut body, second, 0.0, passed, PASSED);
                    self.column(
                        &mut body,
                        second,
                        passed,
                        rate(second, self.quantity, second.dropped),
                        DROPPED,
                    );
                }
            }
            Quantity::Bits => {
                for second in self.series {
                    self.column(&mut body, second, 0.0, rate(second, self.quantity, 0), "#34618f");
                }
            }
        }
        self.phases(&mut body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{title}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }

    fn x(&self, second: f64) -> f64 {
        let share = ((second - self.from) / self.seconds).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, rate: f64) -> f64 {
        HEIGHT - BOTTOM - rate / self.most * (HEIGHT - TOP - BOTTOM)
    }

    fn column(&self, body: &mut String, second: &IncidentSecond, from: f64, rate: f64, colour: &str) {
        if rate <= 0.0 {
            return;
        }
        let left = self.x(second.time as f64);
        // A hair more, so that no light shows between two columns.
        let width = self.x(second.time as f64 + f64::from(second.span)) - left + 0.3;
        let (top, bottom) = (self.y(from + rate), self.y(from));
        rectangle(body, (left, top), (width, bottom - top), colour);
    }

    /// When it was attacked.
    fn waves(&self, body: &mut String) {
        for wave in &self.incident.waves {
            let until = wave.ended_ms.unwrap_or_else(|| self.incident.until_ms());
            let (left, right) = (self.x(wave.began_ms as f64 / 1e3), self.x(until as f64 / 1e3));
            rectangle(body, (left, TOP), ((right - left).max(1.0), HEIGHT - TOP - BOTTOM), WAVE);
        }
    }

    /// When it came to which phase; of several within a short time the last has its name there.
    fn phases(&self, body: &mut String) {
        let end = self.from + self.seconds;
        let turns: Vec<_> = self
            .incident
            .turns
            .iter()
            .map(|turn| (turn.time_ms as f64 / 1e3, turn.phase))
            .filter(|(second, _)| *second <= end)
            .collect();
        for (place, (second, phase)) in turns.iter().enumerate() {
            let x = self.x(*second);
            line(body, (x, TOP - 4.0), (x, HEIGHT - BOTTOM), "#555", "4 3");
            let has_room = turns.get(place + 1).is_none_or(|(next, _)| self.x(*next) >= x + WORDS);
            if has_room {
                let (at, anchor) =
                    if x > WIDTH - RIGHT - WORDS { (x - 3.0, "end") } else { (x + 3.0, "start") };
                text(body, (at, TOP - 6.0), anchor, "normal", phase.name());
            }
        }
    }

    fn axes(&self, body: &mut String) {
        let step = round_step(self.most / 4.0);
        let mut rate = 0.0;
        while rate <= self.most {
            line(body, (LEFT, self.y(rate)), (WIDTH - RIGHT, self.y(rate)), GRID, "none");
            let said = match self.quantity {
                Quantity::Packets => words::count(rate as u64),
                Quantity::Bits if rate == 0.0 => "0".to_owned(),
                Quantity::Bits => words::bits(rate / 8.0),
            };
            text(body, (LEFT - 8.0, self.y(rate) + 4.0), "end", "normal", &said);
            rate += step;
        }
        let step = time_step(self.seconds / 8.0);
        let mut second = (self.from / step).ceil() * step;
        while second <= self.from + self.seconds {
            let x = self.x(second);
            line(body, (x, HEIGHT - BOTTOM), (x, HEIGHT - BOTTOM + 4.0), INK, "none");
            let anchor = if x > WIDTH - RIGHT - 24.0 { "end" } else { "middle" };
            text(body, (x, HEIGHT - BOTTOM + 18.0), anchor, "normal", &words::clock(second as u64 * 1_000));
            second += step;
        }
        text(body, (WIDTH - RIGHT, HEIGHT - 6.0), "end", "normal", "UTC; shaded: under attack");
    }
}

/// A second's rate of packets, of which `packets` are meant, or of bits.
fn rate(second: &IncidentSecond, quantity: Quantity, packets: u64) -> f64 {
    let span = f64::from(second.span.max(1));
    match quantity {
        Quantity::Packets => packets as f64 / span,
        Quantity::Bits => second.bytes as f64 * 8.0 / span,
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

/// The next span of a clock that is at least so long, s.
fn time_step(least: f64) -> f64 {
    const STEPS: [f64; 13] =
        [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 10_800.0];
    let days = (least / 86_400.0).ceil() * 86_400.0;
    STEPS.into_iter().find(|step| *step >= least).unwrap_or(if least <= 21_600.0 { 21_600.0 } else { days })
}

fn legend(body: &mut String, x: f64, colour: &str, said: &str) {
    rectangle(body, (x, 16.0), (12.0, 12.0), colour);
    text(body, (x + 18.0, 26.0), "start", "normal", said);
}

// A string takes all that is written to it.

fn rectangle(body: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    let _ = writeln!(
        body,
        "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{colour}\" \
         shape-rendering=\"crispEdges\"/>"
    );
}

fn line(body: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, dashes: &str) {
    let _ = writeln!(
        body,
        "<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" stroke=\"{colour}\" \
         stroke-dasharray=\"{dashes}\"/>"
    );
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, weight: &str, said: &str) {
    let _ = writeln!(
        body,
        "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"{INK}\">{said}</text>"
    );
}
