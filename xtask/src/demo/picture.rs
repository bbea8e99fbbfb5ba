//! What the show looks like at one moment.

use std::time::Duration;

use super::canvas::{Canvas, HEIGHT, Paint, WIDTH};
use super::flood::RATE;
use super::story::{Act, Column, Moment, Story, Tone, clock};

/// Columns of a chart.
pub(super) const COLUMNS: usize = 66;
/// Where charts begin: behind the number at their top.
const LEFT: usize = WIDTH - COLUMNS - 2;
/// Rows of a chart.
const ROWS: usize = 3;
/// Where the axis with the acts stands, and what happened.
const AXIS: usize = 13;
const MOMENTS: usize = 15;
/// Requests per second at the top of the customers' chart: somewhat more than they send.
const REQUESTS: f64 = 800.0;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The picture of what has happened so far in a show of this length.
pub(super) fn draw(story: &Story, elapsed: Duration, length: Duration) -> Canvas {
    let mut canvas = Canvas::new();
    canvas.text(0, 1, Paint::Bold, "floodwall demo");
    canvas.text(0, 17, Paint::Dim, "a web site under a flood, first without floodwall, then with it");
    let columns = story.columns();
    let shown = &columns[columns.len().saturating_sub(COLUMNS)..];
    // A chart that is not full yet begins at the left, so that what is drawn stays where it is.
    let packets = f64::from(RATE);
    let charts: [Chart; 3] = [
        Chart {
            title: "customers: requests/s that are answered",
            paint: Paint::Good,
            most: REQUESTS,
            value: |column| column.answered,
        },
        Chart {
            title: "flood: packets/s that reach the host",
            paint: Paint::Bad,
            most: packets,
            value: Column::reaching,
        },
        Chart {
            title: "floodwall: packets/s that it drops",
            paint: Paint::Own,
            most: packets,
            value: Column::dropping,
        },
    ];
    for (place, chart) in charts.iter().enumerate() {
        chart.draw(&mut canvas, 1 + place * (ROWS + 1), shown);
    }
    canvas.text_before(AXIS, LEFT - 1, Paint::Dim, &clock(elapsed));
    axis(&mut canvas, shown);
    if columns.is_empty() {
        canvas.text(AXIS, LEFT, Paint::Dim, &format!("{} s", length.as_secs()));
    }
    moments(&mut canvas, story.moments());
    canvas
}

struct Chart {
    title: &'static str,
    paint: Paint,
    most: f64,
    value: fn(&Column) -> f64,
}

impl Chart {
    fn draw(&self, canvas: &mut Canvas, top: usize, columns: &[Column]) {
        canvas.text(top, LEFT, Paint::Plain, self.title);
        let last = columns.last().map_or(0.0, self.value);
        // Rates are never negative; a cast of what is not saturates.
        canvas.text_before(top, LEFT + COLUMNS, self.paint, &floodwall_units::count(last.round() as u64));
        canvas.text_before(top + 1, LEFT - 1, Paint::Dim, &floodwall_units::count(self.most as u64));
        canvas.text_before(top + ROWS, LEFT - 1, Paint::Dim, "0");
        for (at, column) in columns.iter().enumerate() {
            let share = ((self.value)(column) / self.most).clamp(0.0, 1.0);
            // In eighths of a row; what is there at all is seen.
            let mut eighths = (share * (ROWS * 8) as f64).round() as usize;
            if (self.value)(column) >= 1.0 {
                eighths = eighths.max(1);
            }
            for row in 0..ROWS {
                let level = eighths.saturating_sub(row * 8).min(8);
                if let Some(&letter) = level.checked_sub(1).and_then(|level| LEVELS.get(level)) {
                    canvas.put(top + ROWS - row, LEFT + at, (letter, self.paint));
                }
            }
        }
    }
}

/// Names of the acts, below where they begin.
fn axis(canvas: &mut Canvas, columns: &[Column]) {
    for (at, column) in columns.iter().enumerate() {
        if at == 0 || columns[at - 1].act != column.act {
            let title = match column.act {
                Act::Peace => column.act.title().to_owned(),
                act => format!("│{}", act.title()),
            };
            canvas.text(AXIS, LEFT + at, Paint::Dim, &title);
        }
    }
}

/// The last moments that there is room for; what is long goes on in the next line.
fn moments(canvas: &mut Canvas, moments: &[Moment]) {
    let indent = 7;
    let mut lines: Vec<(Option<String>, Paint, String)> = Vec::new();
    for moment in moments {
        let paint = match moment.tone {
            Tone::Plain => Paint::Plain,
            Tone::Good => Paint::Good,
            Tone::Bad => Paint::Bad,
            Tone::Own => Paint::Own,
        };
        for (number, line) in wrapped(&moment.text, WIDTH - indent - 1).into_iter().enumerate() {
            lines.push(((number == 0).then(|| clock(moment.at)), paint, line));
        }
    }
    let room = HEIGHT - MOMENTS;
    for (at, (time, paint, line)) in lines[lines.len().saturating_sub(room)..].iter().enumerate() {
        if let Some(time) = time {
            canvas.text_before(MOMENTS + at, indent - 2, Paint::Dim, time);
        }
        canvas.text(MOMENTS + at, indent, *paint, line);
    }
}

/// Lines of at most so many characters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(act: Act, answered: f64, sent: u64, dropped: u64) -> Column {
        let span = Duration::from_secs(1);
        Column { act, span, answered, failed: 0.0, half: None, sent, arrived: sent, dropped: Some(dropped) }
    }

    #[test]
    fn charts_grow_to_the_right_and_say_the_last_value() {
        let mut story = Story::default();
        story.push(column(Act::Peace, 800.0, 0, 0));
        story.push(column(Act::Flood, 400.0, u64::from(RATE), 0));
        let text = draw(&story, Duration::from_secs(2), Duration::from_secs(60)).ansi(false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].ends_with("400"), "{text}");
        let bars: Vec<String> = (2..5).map(|row| lines[row].chars().skip(LEFT).collect()).collect();
        assert_eq!(bars, ["█", "█▄", "██"]);
        assert!(
            lines[5].ends_with(&floodwall_units::count(RATE.into())) && lines[8].ends_with(" █"),
            "{text}"
        );
        assert!(lines[AXIS].contains("0:02") && lines[AXIS].contains("p│a flood"), "{text}");
    }

    #[test]
    fn the_last_moments_are_shown_and_long_ones_are_broken() {
        let mut story = Story::default();
        for second in 0..20 {
            let text = format!("moment {second} {}", "and so on ".repeat(8)).trim_end().to_owned();
            story.happened(Moment { at: Duration::from_secs(second), tone: Tone::Own, text });
        }
        let text = draw(&story, Duration::from_secs(30), Duration::from_secs(60)).ansi(false);
        assert!(text.contains("0:19  moment 19") && !text.contains("moment 15"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
