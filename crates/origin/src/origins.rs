//! The configured databases: loaded once, and again when their files have changed.

use std::{fs, net::IpAddr, os::unix::fs::MetadataExt as _, path::PathBuf, sync::Arc};

use ipnetwork::IpNetwork;
use parking_lot::{Mutex, RwLock};

use crate::{
    database::Database,
    error::OriginError,
    kind::Kind,
    selector::{Country, Selector},
};

/// The files of the databases, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Those that map addresses to autonomous systems.
    pub asn: Vec<PathBuf>,
    /// Those that map addresses to countries.
    pub country: Vec<PathBuf>,
}

/// What the databases say about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The autonomous system that announces it.
    pub asn: Option<u32>,
    /// The name of that autonomous system.
    pub name: Option<String>,
    /// The country that it is said to be in.
    pub country: Option<Country>,
}

/// Changes when a file changes: its inode, length, and modification time in s and ns. `None` if there is no such file.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The files of one kind, and the database that was loaded from them.
#[derive(Debug)]
struct Dataset {
    kind: Kind,
    files: Vec<PathBuf>,
    database: RwLock<Arc<Database>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The files as they were when they were loaded.
    loaded: Option<Vec<Stamp>>,
    /// The files as the previous refresh saw them. A file that differs from it may still be being written.
    previous: Option<Vec<Stamp>>,
    /// Why the loaded database is not what the files hold now.
    problem: Option<String>,
}

/// Answers which autonomous system and country an address belongs to. Without configured files it knows of none.
#[derive(Debug)]
pub struct Origins {
    asn: Dataset,
    country: Dataset,
}

impl Origins {
    /// Loads nothing yet: see [`Self::refresh`].
    pub fn new(Files { asn, country }: Files) -> Self {
        Self { asn: Dataset::new(Kind::Asn, asn), country: Dataset::new(Kind::Country, country) }
    }

    /// Loads databases that were not loaded yet, and those whose files have changed and then stayed the same between two
    /// refreshes, so that a half-written file is not read. Returns whether a database was loaded. Takes seconds for large
    /// files.
    ///
    /// A database that cannot be loaded leaves the previous one in use, and is reported by [`Self::problems`].
    pub fn refresh(&self) -> bool {
        // Without short circuit: both are refreshed.
        let [asn, country] = [&self.asn, &self.country].map(Dataset::refresh);
        asn || country
    }

    /// Why databases differ from what their files hold now.
    pub fn problems(&self) -> Vec<String> {
        let problem = |dataset: &Dataset| dataset.state.lock().problem.clone();
        [&self.asn, &self.country].into_iter().filter_map(problem).collect()
    }

    /// Whether any file is configured.
    pub fn are_configured(&self) -> bool {
        !self.asn.files.is_empty() || !self.country.files.is_empty()
    }

    /// The autonomous system that announces an address, and its country.
    pub fn asn_and_country(&self, address: IpAddr) -> (Option<u32>, Option<Country>) {
        let asn = self.asn.database.read().owner(address);
        (asn, self.country.database.read().owner(address).and_then(Country::of_number))
    }

    /// Everything that the databases say about an address.
    pub fn of(&self, address: IpAddr) -> Origin {
        let (asn, country) = self.asn_and_country(address);
        Origin { asn, name: asn.and_then(|asn| self.name(asn)), country }
    }

    /// The name of an autonomous system.
    pub fn name(&self, asn: u32) -> Option<String> {
        self.asn.database.read().name(asn).map(str::to_owned)
    }

    /// The fewest prefixes that cover exactly the addresses of an autonomous system or a country.
    ///
    /// # Errors
    ///
    /// If no database of this kind is loaded, or it has no prefix for the selector.
    pub fn prefixes(&self, selector: Selector) -> Result<Vec<IpNetwork>, OriginError> {
        let (dataset, owner) = match selector {
            Selector::Asn(number) => (&self.asn, number),
            Selector::Country(country) => (&self.country, country.number()),
        };
        if dataset.files.is_empty() {
            return Err(OriginError::NotConfigured { selector, key: dataset.kind.key() });
        }
        let database = Arc::clone(&dataset.database.read());
        if database.is_empty() {
            let problem = dataset.state.lock().problem.clone();
            let why = problem.unwrap_or_else(|| "it was not read yet; try again in a moment".to_owned());
            return Err(OriginError::NotLoaded { selector, why });
        }
        let prefixes = database.prefixes(owner);
        if prefixes.is_empty() {
            return Err(OriginError::NoPrefix { selector, files: dataset.file_names() });
        }
        Ok(prefixes)
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self::new(Files::default())
    }
}

impl Dataset {
    fn new(kind: Kind, files: Vec<PathBuf>) -> Self {
        Self { kind, files, database: RwLock::default(), state: Mutex::default() }
    }

    fn refresh(&self) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let stamps: Vec<Stamp> = self.files.iter().map(stamp).collect();
        {
            let mut state = self.state.lock();
            let previous = state.previous.replace(stamps.clone());
            let settled = state.loaded.is_none() || previous.as_ref() == Some(&stamps);
            if !settled || state.loaded.as_ref() == Some(&stamps) {
                return false;
            }
            state.loaded = Some(stamps);
        }
        match Database::load(&self.files, self.kind) {
            Ok(database) => {
                *self.database.write() = Arc::new(database);
                self.state.lock().problem = None;
                true
            }
            Err((index, error)) => {
                let file = self.files.get(index).map(|file| file.display().to_string()).unwrap_or_default();
                let kept = if self.database.read().is_empty() { "" } else { "; what was read before holds" };
                let problem = format!("origin.{} {file}: {error}{kept}", self.kind.key());
                self.state.lock().problem = Some(problem);
                false
            }
        }
    }

    fn file_names(&self) -> String {
        self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn stamp(file: &PathBuf) -> Stamp {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests;
