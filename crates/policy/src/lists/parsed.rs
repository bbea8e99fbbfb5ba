//! What was found in a list.

use ipnetwork::IpNetwork;

use super::{Fault, text};

/// Prefixes that a list may hold, duplicates included; ranges can make many out of few bytes.
pub const MAX_PREFIXES: usize = 1 << 24;

/// Refused lines that are kept; all are counted.
pub const MAX_PROBLEMS: usize = 100;

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its number, from 1.
    pub line: u64,
    /// How it begins.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

/// What was found in a list.
#[derive(Clone, Debug, Default)]
pub struct ParsedList {
    /// Lines, those without an entry included.
    pub lines: u64,
    /// The prefixes, each once, in the order of their first appearance. They may cover one another.
    pub prefixes: Vec<IpNetwork>,
    /// Prefixes that stood in the list before.
    pub duplicates: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// The first refused lines, at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// Members of sets of ipset or nftables with a timeout of their own, which was not taken over.
    pub timeouts: u64,
}

impl ParsedList {
    /// Refuses the line that was counted last.
    pub(super) fn refuse(&mut self, line: &[u8], fault: &Fault) {
        self.refused += 1;
        if self.problems.len() < MAX_PROBLEMS {
            let (text, message) = (text::shortened(line), fault.to_string());
            self.problems.push(Problem { line: self.lines, text, message });
        }
    }
}
