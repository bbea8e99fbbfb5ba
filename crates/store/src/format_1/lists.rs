//! The file of an import: a prefix a line, as people write it.

use floodwall_tables::Prefix;

use super::lines::Lines;
use crate::damage_report::{BadLines, Flaw};

/// The prefixes that can be read, and what is wrong with the other lines, if there are any.
pub(super) fn read(text: &[u8]) -> (Vec<Prefix>, Option<Flaw>) {
    let mut bad = BadLines::default();
    let mut prefixes = Vec::new();
    let lines = Lines::of(text);
    for (number, line) in lines.whole() {
        match str::from_utf8(line)
            .map_err(|error| error.to_string())
            .and_then(|line| line.parse::<Prefix>().map_err(|error| error.to_string()))
        {
            Ok(prefix) => prefixes.push(prefix),
            Err(why) => bad.add(number, why),
        }
    }
    // A shorter prefix length would be a larger prefix: what is cut off is not guessed at.
    lines.report_torn(&mut bad);
    (prefixes, bad.flaw())
}
