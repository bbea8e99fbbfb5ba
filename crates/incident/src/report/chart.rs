//! Rates over time as a picture.

use floodwall_api::{Incident, IncidentSecond};
use floodwall_svg::{Anchor, DROPPED, Frame, PASSED, Picture};
use floodwall_units as units;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
/// Where the columns lie; around them are numbers and words.
const ACROSS: (f64, f64) = (86.0, WIDTH - 18.0);
const DOWN: (f64, f64) = (62.0, HEIGHT - 40.0);
/// Width that the words of a phase take, so that they do not cover each other.
const WORDS: f64 = 96.0;

const BITS: &str = "#34618f";
const WAVE: &str = "#f6ead9";
const INK: &str = "#222";

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
    frame: Frame,
}

impl<'a> Chart<'a> {
    /// A picture of this, of whichever incident.
    pub fn new(incident: &'a Incident, series: &'a [IncidentSecond], quantity: Quantity) -> Self {
        let from = series.first().map_or(incident.began_ms as f64 / 1e3, |second| second.time as f64);
        let until = series.last().map_or(from + 1.0, |last| last.time as f64 + f64::from(last.span));
        let rates = series.iter().map(|second| rate(second, quantity, second.packets));
        let most = rates.fold(1.0, f64::max);
        let frame = Frame { across: ACROSS, down: DOWN, from, seconds: (until - from).max(1.0), most };
        Self { incident, series, quantity, frame }
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let mut picture = Picture::default();
        let (name, unit) = match self.quantity {
            Quantity::Packets => ("Packets", "packets/s"),
            Quantity::Bits => ("Traffic", "bits/s"),
        };
        let title = format!("{name} of incident {}, {unit}", self.incident.id);
        picture.bold((16.0, 26.0), Anchor::Start, &title);
        self.waves(&mut picture);
        self.frame.rates(&mut picture, |rate| match self.quantity {
            Quantity::Packets => units::count(rate as u64),
            Quantity::Bits if rate == 0.0 => "0".to_owned(),
            Quantity::Bits => units::bit_rate(rate, units::Digits::Two),
        });
        self.times(&mut picture);
        match self.quantity {
            Quantity::Packets => {
                picture.legend((WIDTH - 200.0, 16.0), PASSED, "passed");
                picture.legend((WIDTH - 106.0, 16.0), DROPPED, "dropped");
                for second in self.series {
                    let passed =
                        rate(second, self.quantity, second.packets - second.dropped.min(second.packets));
                    let dropped = rate(second, self.quantity, second.dropped);
                    self.column(&mut picture, second, 0.0, passed, PASSED);
                    self.column(&mut picture, second, passed, dropped, DROPPED);
                }
            }
            Quantity::Bits => {
                for second in self.series {
                    self.column(&mut picture, second, 0.0, rate(second, self.quantity, 0), BITS);
                }
            }
        }
        self.phases(&mut picture);
        picture.finish((WIDTH, HEIGHT), &title)
    }

    fn column(&self, picture: &mut Picture, second: &IncidentSecond, from: f64, rate: f64, colour: &str) {
        if rate <= 0.0 {
            return;
        }
        let left = self.frame.x(second.time as f64);
        // A hair more, so that no light shows between two columns.
        let width = self.frame.x(second.time as f64 + f64::from(second.span)) - left + 0.3;
        let (top, bottom) = (self.frame.y(from + rate), self.frame.y(from));
        picture.column((left, top), (width, bottom - top), colour);
    }

    /// When it was attacked.
    fn waves(&self, picture: &mut Picture) {
        for wave in &self.incident.waves {
            let until = wave.ended_ms.unwrap_or_else(|| self.incident.until_ms());
            let (left, right) = (self.frame.x(wave.began_ms as f64 / 1e3), self.frame.x(until as f64 / 1e3));
            picture.column((left, DOWN.0), ((right - left).max(1.0), DOWN.1 - DOWN.0), WAVE);
        }
    }

    /// When it came to which phase; of several within a short time the last has its name there.
    fn phases(&self, picture: &mut Picture) {
        let end = self.frame.from + self.frame.seconds;
        let turns: Vec<_> = self
            .incident
            .turns
            .iter()
            .map(|turn| (turn.time_ms as f64 / 1e3, turn.phase))
            .filter(|(second, _)| *second <= end)
            .collect();
        for (place, (second, phase)) in turns.iter().enumerate() {
            self.frame.mark(picture, *second, 4.0);
            let x = self.frame.x(*second);
            let has_room = turns.get(place + 1).is_none_or(|(next, _)| self.frame.x(*next) >= x + WORDS);
            if has_room {
                let (at, anchor) =
                    if x > ACROSS.1 - WORDS { (x - 3.0, Anchor::End) } else { (x + 3.0, Anchor::Start) };
                picture.text((at, DOWN.0 - 6.0), anchor, phase.name());
            }
        }
    }

    /// Times of the day, at steps of a clock.
    fn times(&self, picture: &mut Picture) {
        let Frame { from, seconds, .. } = self.frame;
        let step = time_step(seconds / 8.0);
        let mut second = (from / step).ceil() * step;
        while second <= from + seconds {
            let x = self.frame.x(second);
            picture.line((x, DOWN.1), (x, DOWN.1 + 4.0), INK);
            let anchor = if x > ACROSS.1 - 24.0 { Anchor::End } else { Anchor::Middle };
            picture.text((x, DOWN.1 + 18.0), anchor, &units::clock(second as u64 * 1_000));
            second += step;
        }
        picture.text((ACROSS.1, HEIGHT - 6.0), Anchor::End, "UTC; shaded: under attack");
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

/// The next span of a clock that is at least so long, s.
fn time_step(least: f64) -> f64 {
    const STEPS: [f64; 13] =
        [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 10_800.0];
    let days = (least / 86_400.0).ceil() * 86_400.0;
    STEPS.into_iter().find(|step| *step >= least).unwrap_or(if least <= 21_600.0 { 21_600.0 } else { days })
}
