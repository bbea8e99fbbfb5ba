//! The lines of a file: those that have an end, and perhaps one that was cut off.

use crate::damage_report::BadLines;

const END: u8 = b'\n';

/// The lines of a file. As bytes: a crash may have cut a character in half.
pub(super) struct Lines<'a> {
    whole: &'a [u8],
    torn: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        let end = text.iter().rposition(|byte| *byte == END).map_or(0, |at| at + 1);
        let (whole, torn) = text.split_at(end);
        Self { whole, torn }
    }

    /// Lines that have an end, without it, and their numbers, from 1.
    pub(super) fn whole(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let lines = self.whole.split_inclusive(|byte| *byte == END);
        (1..).zip(lines.map(|line| line.strip_suffix(&[END]).unwrap_or(line)))
    }

    /// How many lines have an end.
    pub(super) fn count(&self) -> u64 {
        self.whole.iter().filter(|byte| **byte == END).count() as u64
    }

    /// Reports a last line without an end, in a file that is never left with one.
    pub(super) fn report_torn(&self, bad: &mut BadLines) {
        if !self.torn.is_empty() {
            bad.add(self.count() + 1, "it is cut off");
        }
    }
}
