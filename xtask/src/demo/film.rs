//! The recording: pictures in the order of time as one animated SVG, which a README can show.
//!
//! Each character is written once, with the span of time in which it stands; who asks for reduced motion, or cannot animate,
//! sees the last picture.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::canvas::{Canvas, Cell, HEIGHT, Paint, WIDTH};

/// A character's width and height, the margin, and the size of the letters, in pixels.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;
const LETTERS: f64 = 14.0;
/// How long the last picture stands before it begins anew.
const HOLD: Duration = Duration::from_secs(8);
/// Gaps of so many spaces do not part a text.
const GAP: usize = 2;

/// What was shown so far.
#[derive(Debug, Default)]
pub(super) struct Film {
    frames: Vec<(Duration, Canvas)>,
}

/// From one picture to another, that one not included.
type Life = (usize, usize);

/// What stands on the screen for one life.
#[derive(Debug, Default)]
struct Layer {
    texts: Vec<Text>,
    /// Bars, as paths.
    bars: BTreeMap<&'static str, String>,
}

/// Letters of one kind in a row.
#[derive(Debug)]
struct Text {
    row: usize,
    column: usize,
    paint: Paint,
    letters: String,
}

impl Film {
    /// Takes a picture in; one that is the same as the last is not needed.
    pub(super) fn take(&mut self, at: Duration, canvas: Canvas) {
        if self.frames.last().is_none_or(|(_, last)| *last != canvas) {
            self.frames.push((at, canvas));
        }
    }

    /// The recording. `story` is what happens in it, for who cannot see it.
    pub(super) fn svg(&self, story: &str) -> String {
        let (width, height) = (WIDTH as f64 * CELL.0 + 2.0 * MARGIN, HEIGHT as f64 * CELL.1 + 2.0 * MARGIN);
        let last = self.frames.last().map_or(Duration::ZERO, |(at, _)| *at);
        let whole = (last + HOLD).as_secs_f64();
        let layers = self.layers();
        let mut style = format!(
            "text{{font:{LETTERS}px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}}{}",
            [Paint::Plain, Paint::Dim, Paint::Bold, Paint::Good, Paint::Bad, Paint::Own].map(rule).concat()
        );
        let mut drawn = String::new();
        for (number, (&life, layer)) in layers.iter().enumerate() {
            let name = format!("l{number}");
            if life == (0, self.frames.len()) {
                let _ = write!(drawn, "<g>{}</g>", layer.svg());
                continue;
            }
            style.push_str(&self.keyframes(&name, life, whole));
            let _ = write!(drawn, "<g class=\"{name}\">{}</g>", layer.svg());
        }
        style.push_str("@media(prefers-reduced-motion:reduce){g{animation:none!important}}");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\"><title>A recording of cargo xtask demo</title><desc>{}</desc>\
             <style>{style}</style><rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#11161d\"/>{drawn}</svg>\n",
            escaped(story)
        )
    }

    /// When a layer is seen.
    fn keyframes(&self, name: &str, (from, to): Life, whole: f64) -> String {
        let percent = |frame: usize| {
            let at = self.frames.get(frame).map_or(whole, |(at, _)| at.as_secs_f64());
            format!("{:.2}%", at / whole * 100.0)
        };
        let at_end = to == self.frames.len();
        let (mut steps, mut before) = (String::new(), "visible");
        if from > 0 {
            let _ = write!(steps, "0%{{visibility:hidden}}{}{{visibility:visible}}", percent(from));
        } else {
            steps.push_str("0%{visibility:visible}");
        }
        if !at_end {
            let _ = write!(steps, "{}{{visibility:hidden}}", percent(to));
            before = "hidden";
        }
        let _ = write!(steps, "to{{visibility:{before}}}");
        // Where nothing is animated, the last picture is seen.
        format!(
            "@keyframes {name}{{{steps}}}.{name}{{visibility:{before};animation:{name} {whole:.1}s step-end infinite}}"
        )
    }

    /// What stands where, by how long it stands there.
    fn layers(&self) -> BTreeMap<Life, Layer> {
        let mut layers: BTreeMap<Life, Layer> = BTreeMap::new();
        for row in 0..HEIGHT {
            for column in 0..WIDTH {
                let mut from = 0;
                while let Some((_, first)) = self.frames.get(from) {
                    let cell = first.rows()[row][column];
                    let stands =
                        self.frames[from..].iter().take_while(|(_, frame)| frame.rows()[row][column] == cell);
                    let to = from + stands.count();
                    if cell.0 != ' ' {
                        layers.entry((from, to)).or_default().take(row, column, cell);
                    }
                    from = to;
                }
            }
        }
        layers
    }
}

impl Layer {
    /// Takes a character in; those of a row come from left to right.
    fn take(&mut self, row: usize, column: usize, (letter, paint): Cell) {
        if let Some(eighths) = "▁▂▃▄▅▆▇█".chars().position(|level| level == letter) {
            // At most eight.
            let height = CELL.1 * (eighths + 1) as f64 / 8.0;
            let (x, y) = place(row, column);
            let path = self.bars.entry(class(paint)).or_default();
            let _ = write!(path, "M{x:.1} {:.1}h{}v{height:.1}h-{}z", y + CELL.1 - height, CELL.0, CELL.0);
            return;
        }
        if let Some(text) = self.texts.last_mut()
            && text.row == row
            && text.paint == paint
        {
            let end = text.column + text.letters.chars().count();
            if column >= end && column - end <= GAP {
                text.letters.extend(std::iter::repeat_n(' ', column - end));
                text.letters.push(letter);
                return;
            }
        }
        self.texts.push(Text { row, column, paint, letters: letter.to_string() });
    }

    fn svg(&self) -> String {
        let mut svg = String::new();
        for (class, path) in &self.bars {
            let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
        for text in &self.texts {
            let (x, y) = place(text.row, text.column);
            // Whatever letters the viewer has, they keep to the columns.
            let length = text.letters.chars().count() as f64 * CELL.0;
            let _ = write!(
                svg,
                "<text class=\"{}\" x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\">{}</text>",
                class(text.paint),
                y + LETTERS,
                escaped(&text.letters)
            );
        }
        svg
    }
}

/// Upper left corner of a character.
fn place(row: usize, column: usize) -> (f64, f64) {
    (MARGIN + column as f64 * CELL.0, MARGIN + row as f64 * CELL.1)
}

fn class(paint: Paint) -> &'static str {
    match paint {
        Paint::Plain => "p",
        Paint::Dim => "d",
        Paint::Bold => "b",
        Paint::Good => "g",
        Paint::Bad => "r",
        Paint::Own => "c",
    }
}

fn rule(paint: Paint) -> String {
    let fill = match paint {
        Paint::Plain => "#d5dbe3",
        Paint::Dim => "#8b97a6",
        Paint::Bold => "#ffffff;font-weight:bold",
        Paint::Good => "#4cc38a",
        Paint::Bad => "#f2716b",
        Paint::Own => "#5ab8f2",
    };
    format!(".{}{{fill:{fill}}}", class(paint))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str, bar: char) -> Canvas {
        let mut canvas = Canvas::new();
        canvas.text(0, 0, Paint::Bold, "a title");
        canvas.text(1, 0, Paint::Plain, text);
        canvas.put(2, 0, (bar, Paint::Good));
        canvas
    }

    #[test]
    fn what_stands_is_written_once_and_what_goes_has_its_time() {
        let mut film = Film::default();
        film.take(Duration::from_secs(0), frame("one", '▄'));
        film.take(Duration::from_secs(1), frame("one", '▄'));
        film.take(Duration::from_secs(2), frame("<two>", '▄'));
        let svg = film.svg("a & b");
        assert_eq!(svg.matches("a title").count(), 1);
        assert_eq!((svg.matches("<path").count(), svg.matches("@keyframes").count()), (1, 2));
        assert!(
            svg.contains("0%{visibility:hidden}20.00%{visibility:visible}to{visibility:visible}"),
            "{svg}"
        );
        assert!(
            svg.contains("0%{visibility:visible}20.00%{visibility:hidden}to{visibility:hidden}"),
            "{svg}"
        );
        assert!(svg.contains("&lt;two&gt;") && svg.contains("<desc>a &amp; b</desc>"));
    }
}
