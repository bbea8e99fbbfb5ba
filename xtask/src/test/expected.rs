//! Which tests may be skipped on a machine that has everything.
//!
//! A skip is honest where the machine lacks something, and a hole in the tests where it does not. So on a complete
//! machine every skip has to stand in a file, with its reason, or the run is red.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use floodwall_lab::skip;

use super::tally::Skip;
use crate::{setup, shell};

/// The file, from the root of the checkout.
pub(super) const FILE: &str = "tests/expected-skips";

/// The file's lines: `test: reason`, as the run prints them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    lines: Vec<Skip>,
}

impl Expected {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no test with a reason.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let told = || format!("reading {}", path.display());
        Self::parse(&fs::read_to_string(path).with_context(told)?).with_context(told)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let skip = line.split_once(": ").map(|(test, reason)| (test.trim(), reason.trim()));
            let (test, reason) = skip
                .filter(|(test, reason)| !test.is_empty() && !reason.is_empty())
                .with_context(|| format!("line {}, `{line}`, is not `test: reason`", number + 1))?;
            lines.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
        }
        Ok(Self { lines })
    }

    /// Whether this test may be skipped for this reason. Of the reason a part is enough: the rest may be a path, or a
    /// version.
    fn has(&self, skip: &Skip) -> bool {
        self.lines.iter().any(|line| line.test == skip.test && skip.reason.contains(&line.reason))
    }
}

/// What the skips of a run amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding<'a> {
    /// Each was expected, or there was none.
    Fine,
    /// Some were not, but the machine lacks this.
    Incomplete { unexpected: usize, lacking: &'a [String] },
    /// These were not, and the machine has everything.
    Unexpected(Vec<&'a Skip>),
}

/// Judges the skips of a run on a machine that lacks this.
pub(super) fn judge<'a>(expected: &Expected, skips: &'a [Skip], lacking: &'a [String]) -> Finding<'a> {
    let unexpected: Vec<_> = skips.iter().filter(|skip| !expected.has(skip)).collect();
    match (unexpected.len(), lacking) {
        (0, _) => Finding::Fine,
        (_, []) => Finding::Unexpected(unexpected),
        (unexpected, lacking) => Finding::Incomplete { unexpected, lacking },
    }
}

/// What this machine lacks for every test to run: root, the programs that setup installs, and the inputs that are not
/// part of the checkout. Nothing, if it is complete.
pub(super) fn lacking() -> Vec<String> {
    let mut lacking = Vec::new();
    if !shell::is_root() {
        lacking.push("root".to_owned());
    }
    lacking.extend(setup::missing_programs().into_iter().map(|program| format!("`{program}`")));
    for (what, found) in [("the corpus", skip::corpus()), ("the cases", skip::cases())] {
        if found.is_err() {
            lacking.push(what.to_owned());
        }
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(test: &str, reason: &str) -> Skip {
        Skip { test: test.to_owned(), reason: reason.to_owned() }
    }

    #[test]
    fn a_line_is_a_test_with_its_reason() {
        let text = "# comment\n\n a::one: needs `x`: not here \nsrc/lib.rs - b (line 10): marked #[ignore]\n";
        let expected = Expected::parse(text).unwrap();
        assert_eq!(
            expected.lines,
            [skip("a::one", "needs `x`: not here"), skip("src/lib.rs - b (line 10)", "marked #[ignore]")]
        );
        for line in ["a::one", "a::one:", "a::one: ", ": needs root"] {
            let error = Expected::parse(&format!("# comment\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{line}: {error}");
        }
    }

    #[test]
    fn a_skip_is_expected_for_its_reason_only() {
        let expected = Expected::parse("a::one: needs the corpus at\n").unwrap();
        let told = [
            skip("a::one", "needs the corpus at /x (not found)"),
            skip("a::one", "needs root"),
            skip("b::one", "needs the corpus at /x (not found)"),
        ];
        assert_eq!(judge(&expected, &told[..1], &[]), Finding::Fine);
        assert_eq!(judge(&expected, &told, &[]), Finding::Unexpected(vec![&told[1], &told[2]]));
    }

    #[test]
    fn on_a_machine_that_lacks_something_no_skip_is_held_against_a_run() {
        let (expected, lacking) = (Expected::default(), ["root".to_owned()]);
        let told = [skip("a::one", "needs root")];
        assert_eq!(
            judge(&expected, &told, &lacking),
            Finding::Incomplete { unexpected: 1, lacking: &lacking }
        );
        assert_eq!(judge(&expected, &[], &lacking), Finding::Fine);
    }

    #[test]
    fn the_checked_in_file_can_be_read() {
        Expected::read(&shell::root().join(FILE)).unwrap();
    }
}
