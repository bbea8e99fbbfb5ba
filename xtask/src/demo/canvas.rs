//! A picture made of characters, for a terminal and for the recording.

use std::fmt::Write as _;

/// Columns and rows of a picture: it fits a terminal of 80×24 with the cursor below.
pub(super) const WIDTH: usize = 80;
pub(super) const HEIGHT: usize = 23;

/// What a character means, and so how it is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Paint {
    #[default]
    Plain,
    Dim,
    Bold,
    /// Customers are served.
    Good,
    /// The flood gets through.
    Bad,
    /// What floodwall does.
    Own,
}

impl Paint {
    /// As a terminal knows it (ECMA-48, 8.3.117).
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Own => "36",
        }
    }
}

/// A character in its place.
pub(super) type Cell = (char, Paint);

/// The picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Canvas {
    cells: Vec<[Cell; WIDTH]>,
}

impl Canvas {
    pub(super) fn new() -> Self {
        Self { cells: vec![[(' ', Paint::Plain); WIDTH]; HEIGHT] }
    }

    pub(super) fn rows(&self) -> &[[Cell; WIDTH]] {
        &self.cells
    }

    /// One character; what lies outside is not drawn.
    pub(super) fn put(&mut self, row: usize, column: usize, cell: Cell) {
        if let Some(place) = self.cells.get_mut(row).and_then(|row| row.get_mut(column)) {
            *place = cell;
        }
    }

    /// Text from a column on.
    pub(super) fn text(&mut self, row: usize, column: usize, paint: Paint, text: &str) {
        for (at, letter) in text.chars().enumerate() {
            self.put(row, column + at, (letter, paint));
        }
    }

    /// Text that ends before a column.
    pub(super) fn text_before(&mut self, row: usize, end: usize, paint: Paint, text: &str) {
        self.text(row, end.saturating_sub(text.chars().count()), paint, text);
    }

    /// For a terminal, a line a row.
    pub(super) fn ansi(&self, colour: bool) -> String {
        let mut text = String::new();
        for row in &self.cells {
            let length = row.iter().rposition(|(letter, _)| *letter != ' ').map_or(0, |last| last + 1);
            let mut paint = Paint::Plain;
            for &(letter, wanted) in &row[..length] {
                if colour && wanted != paint && letter != ' ' {
                    // From a clean slate: bold and dim do not end by another colour.
                    let _ = write!(text, "\x1b[0m\x1b[{}m", wanted.sgr());
                    paint = wanted;
                }
                text.push(letter);
            }
            text.push_str(if paint == Paint::Plain { "\n" } else { "\x1b[0m\n" });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_colours_only_if_it_wants_them() {
        let mut canvas = Canvas::new();
        canvas.text(0, 1, Paint::Good, "up");
        canvas.text_before(1, 4, Paint::Plain, "12");
        canvas.text(99, 0, Paint::Plain, "nowhere");
        let plain = canvas.ansi(false);
        assert_eq!(plain.lines().take(3).collect::<Vec<_>>(), [" up", "  12", ""]);
        assert_eq!(plain.lines().count(), HEIGHT);
        assert!(canvas.ansi(true).starts_with(" \x1b[0m\x1b[32mup\x1b[0m\n  12\n"));
    }
}
