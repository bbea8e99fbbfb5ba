//! What was measured before, so that hours of work can be broken off and taken up again.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::bench::Outcomes;
use super::edit::Factor;

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// The name of the constant; `None`: the filter as it is.
    pub(super) constant: Option<String>,
    /// `None` of the filter as it is.
    pub(super) factor: Option<Factor>,
    pub(super) outcomes: Outcomes,
}

/// A file of these, a line each.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    pub(super) measured: Vec<Measured>,
}

impl Kept {
    /// Opens it, and reads what is there. A line that was broken off counts for nothing.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let told = || format!("opening {}", path.display());
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(told)?,
        };
        let measured = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(told)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").with_context(told)?;
        }
        Ok(Self { file, measured })
    }

    /// What came of a change, if it was measured.
    pub(super) fn find(&self, constant: Option<&str>, factor: Option<Factor>) -> Option<&Outcomes> {
        let is_it = |one: &&Measured| one.constant.as_deref() == constant && one.factor == factor;
        self.measured.iter().find(is_it).map(|one| &one.outcomes)
    }

    /// Keeps one more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, measured: Measured) -> Result<()> {
        let line = serde_json::to_string(&measured).context("writing figures as JSON")?;
        self.file.write_all(format!("{line}\n").as_bytes()).context("keeping what was measured")?;
        self.measured.push(measured);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Figures;
    use super::*;

    #[test]
    fn what_was_measured_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures");
        let figures = Figures { attack_dropped: Some(97.5), delay: Some(0.15), ..Figures::default() };
        let judged = Outcomes::Judged([("d01".to_owned(), figures)].into());
        let refused = Outcomes::NotBuilt("error: why".to_owned());
        let mut kept = Kept::open(&path).unwrap();
        kept.add(Measured { constant: None, factor: None, outcomes: judged.clone() }).unwrap();
        kept.add(Measured {
            constant: Some("L".to_owned()),
            factor: Some(Factor::Half),
            outcomes: refused.clone(),
        })
        .unwrap();
        // Killed while it wrote.
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"constant\": \"M\",")).unwrap();
        let mut kept = Kept::open(&path).unwrap();
        assert_eq!(kept.find(None, None), Some(&judged));
        assert_eq!(kept.find(Some("L"), Some(Factor::Half)), Some(&refused));
        assert_eq!(kept.find(Some("L"), Some(Factor::Double)), None);
        assert_eq!(kept.find(Some("M"), Some(Factor::Half)), None);
        kept.add(Measured { constant: Some("M".to_owned()), factor: Some(Factor::Half), outcomes: refused })
            .unwrap();
        assert_eq!(Kept::open(&path).unwrap().measured.len(), 3);
    }
}
