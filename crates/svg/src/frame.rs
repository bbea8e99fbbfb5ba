//! Maps times and rates to coordinates.

use crate::{Anchor, Picture};

const GRID_COLOUR: &str = "#ddd";
const MARK_COLOUR: &str = "#555";

/// The area of a picture in which rates over time are plotted, with the ranges of both axes.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The x coordinates of its left and right edges.
    pub across: (f64, f64),
    /// The y coordinates of its top and bottom edges.
    pub down: (f64, f64),
    /// Time at the left edge, Unix time in s.
    pub from: f64,
    /// Time from the left to the right edge, s; more than 0.
    pub seconds: f64,
    /// Rate at the top; more than 0.
    pub most: f64,
}

impl Frame {
    /// The x coordinate of a time, clamped to the edges.
    pub fn x(&self, second: f64) -> f64 {
        let share = ((second - self.from) / self.seconds).clamp(0.0, 1.0);
        let (left, right) = self.across;
        left + share * (right - left)
    }

    /// The y coordinate of a rate.
    pub fn y(&self, rate: f64) -> f64 {
        let (top, bottom) = self.down;
        bottom - rate / self.most * (bottom - top)
    }

    /// Draws horizontal grid lines at round rates, labelled by `label`.
    pub fn rates(&self, picture: &mut Picture, label: impl Fn(f64) -> String) {
        let step = round_step(self.most / 4.0);
        let (left, right) = self.across;
        let mut rate = 0.0;
        while rate <= self.most {
            picture.line((left, self.y(rate)), (right, self.y(rate)), GRID_COLOUR);
            picture.text((left - 8.0, self.y(rate) + 4.0), Anchor::End, &label(rate));
            rate += step;
        }
    }

    /// Draws a dashed vertical line at a time, from `above` pixels above the top down to the bottom.
    pub fn mark(&self, picture: &mut Picture, second: f64, above: f64) {
        let (x, (top, bottom)) = (self.x(second), self.down);
        picture.dashed_line((x, top - above), (x, bottom), MARK_COLOUR);
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50 … that is not less than `least`.
pub fn round_step(least: f64) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame =
        Frame { across: (10.0, 110.0), down: (20.0, 70.0), from: 1_000.0, seconds: 50.0, most: 8.0 };

    #[test]
    fn times_go_right_and_rates_up() {
        assert_eq!(
            [999.0, 1_000.0, 1_025.0, 1_060.0].map(|second| FRAME.x(second)),
            [10.0, 10.0, 60.0, 110.0]
        );
        assert_eq!([0.0, 4.0, 8.0].map(|rate| FRAME.y(rate)), [70.0, 45.0, 20.0]);
    }

    #[test]
    fn every_round_rate_has_a_line_and_a_label() {
        let mut picture = Picture::default();
        FRAME.rates(&mut picture, |rate| format!("{rate:.0}"));
        FRAME.mark(&mut picture, 1_025.0, 4.0);
        let svg = picture.finish((120.0, 80.0), "");
        assert_eq!(svg.matches("<text").count(), 5, "0, 2, 4, 6, 8");
        assert!(svg.contains("<text x=\"2.00\" y=\"24.00\"") && svg.contains(">8</text>"), "{svg}");
        assert!(svg.contains("x1=\"60.00\" y1=\"16.00\" x2=\"60.00\" y2=\"70.00\""), "{svg}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.0, 1.5, 3.0, 7.0, 11.0, 499.0].map(round_step), [1.0, 2.0, 5.0, 10.0, 20.0, 500.0]);
    }
}
