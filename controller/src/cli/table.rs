//! Tables that come in parts.

use std::io::{self, Write};

use super::style::Style;

/// Which way a column leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lean {
    Left,
    Right,
}

/// A table of `N` columns that is written part by part; a column only grows, so that parts line up.
pub(super) struct Table<const N: usize> {
    columns: [(&'static str, Lean); N],
    widths: [usize; N],
    begun: bool,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [(&'static str, Lean); N]) -> Self {
        Self { columns, widths: columns.map(|(heading, _)| heading.len()), begun: false }
    }

    /// Makes room for these rows.
    pub(super) fn measure(&mut self, rows: &[[String; N]]) {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
    }

    /// Writes the headings.
    pub(super) fn headings(&mut self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        self.begun = true;
        writeln!(out, "{}", style.strong(self.line(&self.columns.map(|(heading, _)| heading.to_owned()))))
    }

    /// Writes the next rows, and the headings before the first.
    pub(super) fn write(
        &mut self,
        rows: &[[String; N]],
        out: &mut dyn Write,
        style: Style,
    ) -> io::Result<()> {
        self.measure(rows);
        if !self.begun {
            self.headings(out, style)?;
        }
        rows.iter().try_for_each(|row| writeln!(out, "{}", self.line(row)))
    }

    /// A row, aligned.
    pub(super) fn line(&self, row: &[String; N]) -> String {
        let mut line = String::new();
        for ((cell, &width), (_, lean)) in row.iter().zip(&self.widths).zip(&self.columns) {
            line += &match lean {
                Lean::Left => format!("{cell:<width$}  "),
                Lean::Right => format!("{cell:>width$}  "),
            };
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_grow() {
        let mut table = Table::new([("NAME", Lean::Left), ("N", Lean::Right), ("NOTE", Lean::Left)]);
        let mut out = Vec::new();
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        table.write(&[row(["a", "1", ""]), row(["längst", "100", "x"])], &mut out, Style::plain()).unwrap();
        table.write(&[row(["b", "10000", "y"])], &mut out, Style::plain()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "NAME      N  NOTE\n\
             a         1\n\
             längst  100  x\n\
             b       10000  y\n"
        );
    }
}
