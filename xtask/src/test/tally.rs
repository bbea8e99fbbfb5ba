//! Counting what the test harness says.

use std::collections::BTreeSet;
use std::process::ExitStatus;

/// A test that did not run, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Skip {
    pub(super) test: String,
    pub(super) reason: String,
}

/// The counts of one test program, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) name: String,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skips: Vec<Skip>,
    /// The tests that failed.
    pub(super) failures: BTreeSet<String>,
    /// Why the program itself counts as failed.
    pub(super) broken: Option<String>,
    /// Whether the harness came to its end.
    ended: bool,
}

impl Tally {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A part that could not be run at all.
    pub(super) fn of_skip(name: &str, reason: &str) -> Self {
        let skip = Skip { test: name.to_owned(), reason: reason.to_owned() };
        Self { skips: vec![skip], ..Self::new(name) }
    }

    /// All tests, run or not.
    pub(super) fn total(&self) -> u64 {
        self.passed + self.failed + self.skipped()
    }

    fn skipped(&self) -> u64 {
        self.skips.len() as u64
    }

    /// The counts as a line.
    pub(super) fn counts(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped())
    }

    /// Takes in a line of output.
    pub(super) fn read(&mut self, line: &str) {
        let line = without_colours(line);
        if let Some(result) = line.trim().strip_prefix("test result: ") {
            self.ended = true;
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
        } else if let Some((test, state)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            if let Some(reason) = state.trim().strip_prefix("ignored") {
                let reason = reason.trim_start_matches(", ");
                let reason = if reason.is_empty() { "marked #[ignore]" } else { reason };
                self.skips.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
            } else if state.trim() == "FAILED" {
                self.failures.insert(test.to_owned());
            }
        }
    }

    /// Takes in how the program ended, and the skips that its tests told: to the harness these
    /// passed.
    pub(super) fn finish(&mut self, status: ExitStatus, told: &str) {
        let told: BTreeSet<Skip> = told
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(test, reason)| Skip { test: test.to_owned(), reason: reason.to_owned() })
            .collect();
        self.passed = self.passed.saturating_sub(told.len() as u64);
        self.skips.extend(told);
        if status.success() {
            // A program without the harness passes or fails as a whole.
            self.passed += u64::from(!self.ended);
        } else if self.failed == 0 {
            self.failed = 1;
            self.broken = Some(format!("ended with {status} before its tests were done"));
        }
    }
}

/// All parts as one.
pub(super) fn sum(parts: &[Tally]) -> Tally {
    let mut all = Tally::default();
    for part in parts {
        all.passed += part.passed;
        all.failed += part.failed;
        all.skips.extend(part.skips.iter().cloned());
    }
    all
}

/// Finds `12 passed` in `ok. 12 passed; 0 failed; …`.
fn count(result: &str, what: &str) -> u64 {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let number = words.windows(2).find(|pair| pair[1] == what).map(|pair| pair[0]);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Takes out terminal colours (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, behind)| behind);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn tally(lines: &[&str], status: i32, told: &str) -> Tally {
        let mut tally = Tally::new("part");
        lines.iter().for_each(|line| tally.read(line));
        tally.finish(ExitStatus::from_raw(status), told);
        tally
    }

    #[test]
    fn told_skips_and_ignored_tests_are_no_passes() {
        let lines = [
            "test a::one ... ok",
            "SKIPPED a::two: needs root",
            "test a::two ... ok",
            "test a::three ... ignored, takes an hour",
            "test a::four ... ignored",
            "test result: \u{1b}[32mok\u{1b}[m. 2 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.1s",
        ];
        let tally = tally(&lines, 0, "a::two\tneeds root\na::two\tneeds root\n");
        assert_eq!(tally.counts(), "1 passed, 0 failed, 3 skipped");
        let reasons: Vec<_> = tally.skips.iter().map(|skip| skip.reason.as_str()).collect();
        assert_eq!(reasons, ["takes an hour", "marked #[ignore]", "needs root"]);
    }

    #[test]
    fn the_skips_of_all_parts_add_up_and_keep_their_reasons() {
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let one = tally(&["test a::one ... ok", result], 0, "a::one\tneeds root\n");
        let other = tally(&["test b::one ... ok", result], 0, "b::one\tneeds `nft`\nno tab, no skip\n");
        let all = sum(&[one, other]);
        assert_eq!((all.counts().as_str(), all.total()), ("0 passed, 0 failed, 2 skipped", 2));
        let told: Vec<_> = all.skips.iter().map(|skip| (&*skip.test, &*skip.reason)).collect();
        assert_eq!(told, [("a::one", "needs root"), ("b::one", "needs `nft`")]);
    }

    #[test]
    fn failures_are_counted_and_named() {
        let lines = [
            "test a::one ... \u{1b}[31mFAILED\u{1b}[m",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "test src/lib.rs - frame (line 10) ... FAILED",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        let tally = tally(&lines, 101 << 8, "");
        assert_eq!(tally.counts(), "3 passed, 2 failed, 0 skipped");
        assert!(tally.failures.contains("a::one") && tally.failures.contains("src/lib.rs - frame (line 10)"));
        assert_eq!(tally.broken, None);
    }

    #[test]
    fn a_crash_is_a_failure() {
        let tally = tally(&["test a::one ... ok"], 11, "");
        assert_eq!(tally.counts(), "0 passed, 1 failed, 0 skipped");
        assert!(tally.broken.unwrap().contains("signal: 11"));
    }

    #[test]
    fn a_program_without_the_harness_is_one_test() {
        assert_eq!(tally(&["all well"], 0, "").counts(), "1 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn nothing_run_is_nothing_counted() {
        let lines = ["test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out"];
        assert_eq!(tally(&lines, 0, "").total(), 0);
    }
}
