//! The hashes that are checked in.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::corpus::{Engine, Told};

/// What stands above the lines.
const HEADING: &str = "\
# What becomes of every packet of the corpus: `cargo xtask verdicts` compares, `cargo xtask verdicts --write` writes.
# A line each: hash, engine, scenario/mode (`egress`: told of the flows that the host itself opened, `alone`: not).
# SHA-256 over a line `packet,number of its reason` for each packet, in order.
";
/// Hexadecimal digits of a hash.
const DIGITS: usize = 64;

/// What was judged, by what, and what it was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Subject {
    pub(super) engine: Engine,
    pub(super) scenario: String,
    pub(super) told: Told,
}

/// Hashes by what they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) hashes: BTreeMap<Subject, String>,
}

impl Reference {
    /// Reads the file; there need not be one.
    ///
    /// # Errors
    /// When it cannot be read, or a line is none of these.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let told = || format!("reading {}", path.display());
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).with_context(told).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(told),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let mut hashes = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let told = || format!("line {}, `{line}`", number + 1);
            let (hash, subject) =
                parsed(line).with_context(told).context("not `hash engine scenario/mode`")?;
            if hashes.insert(subject, hash).is_some() {
                bail!("{}: for the second time", told());
            }
        }
        Ok(Self { hashes })
    }

    /// The file as text, in order of engine, scenario and mode.
    pub(super) fn text(&self) -> String {
        let lines = self.hashes.iter().map(|(subject, hash)| format!("{hash}  {subject}\n"));
        HEADING.to_owned() + &lines.collect::<String>()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.text()).with_context(|| format!("writing {}", path.display()))
    }
}

fn parsed(line: &str) -> Option<(String, Subject)> {
    let mut words = line.split_whitespace();
    let (hash, engine, what) = (words.next()?, words.next()?, words.next()?);
    let digits = hash.len() == DIGITS && hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let engine = Engine::ALL.into_iter().find(|known| known.name() == engine)?;
    let (scenario, told) = what.rsplit_once('/')?;
    let told = Told::ALL.into_iter().find(|known| known.folder() == told)?;
    let whole = digits && !scenario.is_empty() && words.next().is_none();
    whole.then(|| (hash.to_owned(), Subject { engine, scenario: scenario.to_owned(), told }))
}

impl std::fmt::Display for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:<6}  {}/{}", self.engine.name(), self.scenario, self.told.folder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(engine: Engine, scenario: &str, told: Told) -> Subject {
        Subject { engine, scenario: scenario.to_owned(), told }
    }

    #[test]
    fn what_is_written_is_read_and_sorted() {
        let mut reference = Reference::default();
        for (engine, scenario, told, digit) in [
            (Engine::Model, "d02-b", Told::Alone, "1"),
            (Engine::Model, "d01-a", Told::Alone, "2"),
            (Engine::Model, "d01-a", Told::Egress, "3"),
            (Engine::Kernel, "d02-b", Told::Egress, "4"),
        ] {
            reference.hashes.insert(subject(engine, scenario, told), digit.repeat(DIGITS));
        }
        let text = reference.text();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines[0], format!("{}  kernel  d02-b/egress", "4".repeat(64)));
        let order: Vec<_> = lines.iter().map(|line| &line[..1]).collect();
        assert_eq!(order, ["4", "2", "3", "1"]);
        assert_eq!(Reference::parse(&text).unwrap(), reference);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let hash = "a".repeat(DIGITS);
        for line in [
            "nonsense".to_owned(),
            format!("{hash} model d01"),
            format!("{hash} model d01/half"),
            format!("{hash} model /alone"),
            format!("{hash} card d01/alone"),
            format!("{} model d01/alone", &hash[1..]),
            format!("{} model d01/alone", "A".repeat(DIGITS)),
            format!("{hash} model d01/alone more"),
        ] {
            let error = format!("{:#}", Reference::parse(&format!("# heading\n{line}\n")).unwrap_err());
            assert!(error.contains("line 2") && error.contains(&line), "{line}: {error}");
        }
        let twice = format!("{hash} model d01/alone\n{hash} model d01/alone\n");
        assert!(Reference::parse(&twice).unwrap_err().to_string().contains("for the second time"));
    }

    #[test]
    fn no_file_is_no_reference() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Reference::read(&folder.path().join("none")).unwrap(), None);
    }
}
