//! The databases of a daemon: read at first, and again when their files have changed.

use std::{fs, net::IpAddr, os::unix::fs::MetadataExt as _, path::PathBuf, sync::Arc};

use ipnetwork::IpNetwork;
use parking_lot::{Mutex, RwLock};

use crate::{
    database::Database,
    error::OriginError,
    kind::Kind,
    selector::{Country, Selector},
};

/// Which files are the databases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Those that tell of autonomous systems.
    pub asn: Vec<PathBuf>,
    /// Those that tell of countries.
    pub country: Vec<PathBuf>,
}

/// What is known of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The autonomous system that announces it.
    pub asn: Option<u32>,
    /// The name of that.
    pub name: Option<String>,
    /// The country that it is said to be in.
    pub country: Option<Country>,
}

/// What tells whether a file has changed: its number, length, and when it was written, s and ns. `None` if it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The files of one kind.
#[derive(Debug)]
struct Source {
    kind: Kind,
    files: Vec<PathBuf>,
    database: RwLock<Arc<Database>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The files as they were when they were read.
    read: Option<Vec<Stamp>>,
    /// The same at the look before: a file that is being written is another one at each look.
    before: Option<Vec<Stamp>>,
    /// Why what was read last is not what the files say.
    problem: Option<String>,
}

/// Answers whose addresses are; without files, nobody's.
#[derive(Debug)]
pub struct Origins {
    asn: Source,
    country: Source,
}

impl Origins {
    /// Knows nothing until it [looks](Self::look).
    pub fn new(Files { asn, country }: Files) -> Self {
        Self { asn: Source::new(Kind::Asn, asn), country: Source::new(Kind::Country, country) }
    }

    /// Reads those that were not read yet, and those that have changed and are written whole: as they were at the look
    /// before. Says whether anything is known that was not before. Takes seconds for large files.
    ///
    /// What cannot be read leaves what was read before, and is told by [`Self::problems`].
    pub fn look(&self) -> bool {
        // Both, whatever the first says.
        let [asn, country] = [&self.asn, &self.country].map(Source::look);
        asn || country
    }

    /// Why a database is not known as its file says.
    pub fn problems(&self) -> Vec<String> {
        let problem = |source: &Source| source.state.lock().problem.clone();
        [&self.asn, &self.country].into_iter().filter_map(problem).collect()
    }

    /// Whether any file was named.
    pub fn are_configured(&self) -> bool {
        !self.asn.files.is_empty() || !self.country.files.is_empty()
    }

    /// The autonomous system that announces an address, and its country.
    pub fn numbers(&self, address: IpAddr) -> (Option<u32>, Option<Country>) {
        let asn = self.asn.database.read().owner(address);
        (asn, self.country.database.read().owner(address).and_then(Country::of_number))
    }

    /// The same with the name of the first.
    pub fn of(&self, address: IpAddr) -> Origin {
        let (asn, country) = self.numbers(address);
        Origin { asn, name: asn.and_then(|asn| self.name(asn)), country }
    }

    /// The name of an autonomous system.
    pub fn name(&self, asn: u32) -> Option<String> {
        self.asn.database.read().name(asn).map(str::to_owned)
    }

    /// The prefixes that something stands for: the fewest that hold what is its, and nothing that is another's.
    ///
    /// # Errors
    ///
    /// If no database tells that, or it has none.
    pub fn prefixes(&self, selector: Selector) -> Result<Vec<IpNetwork>, OriginError> {
        let (source, owner) = match selector {
            Selector::Asn(number) => (&self.asn, number),
            Selector::Country(country) => (&self.country, country.number()),
        };
        if source.files.is_empty() {
            return Err(OriginError::NotConfigured { selector, key: source.kind.key() });
        }
        let database = Arc::clone(&source.database.read());
        if database.is_empty() {
            let problem = source.state.lock().problem.clone();
            let why = problem.unwrap_or_else(|| "it was not read yet; try again in a moment".to_owned());
            return Err(OriginError::NotLoaded { selector, why });
        }
        let prefixes = database.prefixes(owner);
        if prefixes.is_empty() {
            return Err(OriginError::NoPrefix { selector, files: source.named() });
        }
        Ok(prefixes)
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self::new(Files::default())
    }
}

impl Source {
    fn new(kind: Kind, files: Vec<PathBuf>) -> Self {
        Self { kind, files, database: RwLock::default(), state: Mutex::default() }
    }

    fn look(&self) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let stamps: Vec<Stamp> = self.files.iter().map(stamp).collect();
        {
            let mut state = self.state.lock();
            let before = state.before.replace(stamps.clone());
            let settled = state.read.is_none() || before.as_ref() == Some(&stamps);
            if !settled || state.read.as_ref() == Some(&stamps) {
                return false;
            }
            state.read = Some(stamps);
        }
        match Database::load(&self.files, self.kind) {
            Ok(database) => {
                *self.database.write() = Arc::new(database);
                self.state.lock().problem = None;
                true
            }
            Err((place, error)) => {
                let file = self.files.get(place).map(|file| file.display().to_string()).unwrap_or_default();
                let kept = if self.database.read().is_empty() { "" } else { "; what was read before holds" };
                let problem = format!("origin.{} {file}: {error}{kept}", self.kind.key());
                self.state.lock().problem = Some(problem);
                false
            }
        }
    }

    fn named(&self) -> String {
        self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn stamp(file: &PathBuf) -> Stamp {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests;
