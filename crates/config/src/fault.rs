//! What is wrong with a configuration, and where.

use std::{fmt, ops::Range};

/// Longer lines, in bytes, are not shown.
const LONGEST_LINE: usize = 400;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what is allowed there.
    pub message: String,
    /// The line itself, in which tabs and the like are spaces; empty if it is too long to be shown.
    pub text: String,
}

impl Fault {
    /// A fault at a place in a text; at its beginning, if no place is known.
    pub(super) fn new(text: &str, at: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let at = at.map_or(0, |at| at.start).min(text.len());
        let before = text.get(..at).unwrap_or(text);
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(begin..).unwrap_or_default().chars().count() + 1,
            message: message.into(),
            text: if line.len() > LONGEST_LINE { String::new() } else { line.replace(char::is_control, " ") },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, text } = self;
        write!(formatter, "line {line}, column {column}: {message}")?;
        if text.is_empty() {
            return Ok(());
        }
        writeln!(formatter)?;
        let number = line.to_string();
        writeln!(formatter, "{number} | {text}")?;
        write!(formatter, "{:width$} | {:indent$}^", "", "", width = number.len(), indent = column - 1)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let text = "a = 1\nü = \"x\"\n";
        let at = text.find('"').unwrap();
        let fault = Fault::new(text, Some(at..at + 3), "no");
        assert_eq!((fault.line, fault.column), (2, 5));
        assert_eq!(fault.to_string(), "line 2, column 5: no\n2 | ü = \"x\"\n  |     ^");
        assert_eq!(Fault::new("", Some(7..9), "no").line, 1);
    }

    #[test]
    fn no_line_spoils_the_screen() {
        assert_eq!(Fault::new("\t\u{1b}x", Some(2..3), "no").text, "  x");
        let fault = Fault::new(&"[".repeat(100_000), Some(82..83), "no");
        assert_eq!(fault.to_string(), "line 1, column 83: no");
    }
}
