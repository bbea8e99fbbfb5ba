//! Changing a constant in the source.
//!
//! A pattern is a line as it stands there, but for its numbers: `{}` is one that is changed, and `#` any other. A space
//! stands for any white space, or none, as a line may be broken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use regex_lite::{Captures, Regex};
use serde::{Deserialize, Serialize};

/// A number, as Rust writes it.
const NUMBER: &str = "[0-9][0-9_]*(?:\\.[0-9_]+)?";

/// Where a constant stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    /// From the root of the checkout.
    pub(super) file: &'static str,
    /// A pattern that has to match exactly once.
    pub(super) line: &'static str,
}

/// What is made of a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Factor {
    /// Half of it; of a whole number, at least 1.
    Half,
    /// Twice as much.
    Double,
}

impl Factor {
    pub(super) const ALL: [Self; 2] = [Self::Half, Self::Double];

    /// As it stands behind the name of a constant.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Half => "÷ 2",
            Self::Double => "× 2",
        }
    }

    /// Of a number, as Rust writes it.
    fn of(self, number: &str) -> Result<String> {
        let plain = number.replace('_', "");
        let told = || format!("`{number}` is no number");
        if plain.contains('.') {
            let value: f64 = plain.parse().with_context(told)?;
            let changed = if self == Self::Half { value / 2.0 } else { value * 2.0 };
            return Ok(format!("{changed:?}"));
        }
        let value: u64 = plain.parse().with_context(told)?;
        let changed = if self == Self::Half { (value / 2).max(1) } else { value.saturating_mul(2) };
        ensure!(changed != value, "{value} has no half among the whole numbers");
        Ok(changed.to_string())
    }
}

/// The files of a checkout that these edits change, with what is to stand in them.
///
/// # Errors
/// When a file cannot be read, or a pattern does not match exactly once there: the table of constants no longer fits.
pub(super) fn edited(root: &Path, edits: &[Edit], factor: Factor) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for Edit { file, line } in edits {
        let path = root.join(file);
        let text = match files.remove(&path) {
            Some(text) => text,
            None => fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?,
        };
        let text =
            replaced(&text, line, factor).with_context(|| format!("looking for a constant in {file}"))?;
        files.insert(path, text);
    }
    Ok(files)
}

fn replaced(text: &str, line: &str, factor: Factor) -> Result<String> {
    let pattern = pattern(line)?;
    let found: Vec<Captures<'_>> = pattern.captures_iter(text).collect();
    let [found] = &found[..] else {
        bail!(
            "`{line}` stands there {} times, and not once: the table of constants in xtask/src/sensitivity has to follow",
            found.len()
        );
    };
    let (mut changed, mut end) = (String::with_capacity(text.len()), 0);
    for number in found.iter().skip(1).flatten() {
        changed.push_str(&text[end..number.start()]);
        changed.push_str(&factor.of(number.as_str())?);
        end = number.end();
    }
    ensure!(end > 0, "`{line}` says with no {{}} what is to be changed");
    changed.push_str(&text[end..]);
    Ok(changed)
}

/// The pattern as a regular expression, each `{}` being a group.
fn pattern(line: &str) -> Result<Regex> {
    let any = format!("(?:{NUMBER})");
    // No name of a constant is the end of another one's.
    let mut expression = String::from(r"\b");
    for (place, part) in line.split("{}").enumerate() {
        if place > 0 {
            expression.push_str(&format!("({NUMBER})"));
        }
        let words: Vec<_> = part
            .split(' ')
            .map(|word| word.split('#').map(regex_lite::escape).collect::<Vec<_>>().join(&any))
            .collect();
        expression.push_str(&words.join(r"\s*"));
    }
    Regex::new(&expression).with_context(|| format!("reading the pattern `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "const L: f64 = 21.9;\npub(super) const TRIAL: u64 = 50_000_000;\nconst ALL_L: f64 = 7.0;\n\
        const SMALL: [W; 2] =\n    [w(2, 200.0, 12.0), w(20, 0.0005, 12.0)];\nconst ONE: usize = 1;\n";

    fn changed(line: &str, factor: Factor) -> Result<String> {
        let text = replaced(SOURCE, line, factor)?;
        let differs = text.lines().zip(SOURCE.lines()).find(|(now, before)| now != before);
        Ok(differs.map(|(now, _)| now.trim().to_owned()).unwrap_or_default())
    }

    #[test]
    fn a_constant_is_halved_and_doubled() {
        for (line, half, double) in [
            ("const L: f64 = {};", "const L: f64 = 10.95;", "const L: f64 = 43.8;"),
            (
                "const TRIAL: u64 = {};",
                "pub(super) const TRIAL: u64 = 25000000;",
                "pub(super) const TRIAL: u64 = 100000000;",
            ),
            (
                "const SMALL: [W; 2] = [w(#, #, {}), w(#, #, {})];",
                "[w(2, 200.0, 6.0), w(20, 0.0005, 6.0)];",
                "[w(2, 200.0, 24.0), w(20, 0.0005, 24.0)];",
            ),
            (
                "const SMALL: [W; 2] = [w(#, #, #), w(#, {}, #)];",
                "[w(2, 200.0, 12.0), w(20, 0.00025, 12.0)];",
                "[w(2, 200.0, 12.0), w(20, 0.001, 12.0)];",
            ),
        ] {
            assert_eq!(changed(line, Factor::Half).unwrap(), half);
            assert_eq!(changed(line, Factor::Double).unwrap(), double);
        }
    }

    #[test]
    fn what_does_not_match_once_is_said() {
        for (line, expected) in [
            ("const M: f64 = {};", "stands there 0 times"),
            ("f64 = {};", "stands there 2 times"),
            ("const L: f64 = #;", "says with no {}"),
            ("const L: f64 = 21.0;", "stands there 0 times"),
        ] {
            let error = format!("{:#}", changed(line, Factor::Half).unwrap_err());
            assert!(error.contains(expected), "{line}: {error}");
        }
        assert!(changed("const ONE: usize = {};", Factor::Half).is_err(), "nothing would change");
        assert_eq!(changed("const ONE: usize = {};", Factor::Double).unwrap(), "const ONE: usize = 2;");
    }

    #[test]
    fn several_edits_of_a_file_add_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.rs"), SOURCE).unwrap();
        let edits = [
            Edit { file: "a.rs", line: "const L: f64 = {};" },
            Edit { file: "a.rs", line: "const TRIAL: u64 = {};" },
        ];
        let files = edited(folder.path(), &edits, Factor::Double).unwrap();
        let text = &files[&folder.path().join("a.rs")];
        assert!(files.len() == 1 && text.contains("43.8") && text.contains("100000000"), "{text}");
        let missing = [Edit { file: "b.rs", line: "{}" }];
        assert!(edited(folder.path(), &missing, Factor::Half).is_err());
    }
}
