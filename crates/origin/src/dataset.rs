//! Files that are read once, and again when they have changed; and what was read of them last.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};

use crate::error::LoadError;

/// Changes when a file changes: its inode, length, and modification time in s and ns. `None` if there is no such file.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Files, and what was read of them.
#[derive(Debug)]
pub(crate) struct Dataset<T> {
    /// The key of `[origin]` that names the files.
    key: String,
    files: Vec<PathBuf>,
    content: RwLock<Option<Arc<T>>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The files as they were when they were loaded.
    loaded: Option<Vec<Stamp>>,
    /// The files as the previous refresh saw them. A file that differs from it may still be being written.
    previous: Option<Vec<Stamp>>,
    /// Why the content is not what the files hold now.
    problem: Option<String>,
}

impl<T> Dataset<T> {
    /// Reads nothing yet.
    pub(crate) fn new(key: impl Into<String>, files: Vec<PathBuf>) -> Self {
        Self { key: key.into(), files, content: RwLock::default(), state: Mutex::default() }
    }

    /// Has the files read by `load` if that was not done yet, or if they have changed and then stayed the same between two
    /// refreshes. Returns whether there is new content. `load` says which file it could not read, by its index, and why; the
    /// previous content stays then.
    pub(crate) fn refresh(&self, load: impl FnOnce(&[PathBuf]) -> Result<T, (usize, LoadError)>) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let stamps: Vec<Stamp> = self.files.iter().map(|file| stamp(file)).collect();
        {
            let mut state = self.state.lock();
            let previous = state.previous.replace(stamps.clone());
            let settled = state.loaded.is_none() || previous.as_ref() == Some(&stamps);
            if !settled || state.loaded.as_ref() == Some(&stamps) {
                return false;
            }
            state.loaded = Some(stamps);
        }
        match load(&self.files) {
            Ok(content) => {
                *self.content.write() = Some(Arc::new(content));
                self.state.lock().problem = None;
                true
            }
            Err((index, error)) => {
                let file = self.files.get(index).map(|file| file.display().to_string()).unwrap_or_default();
                let kept = if self.content.read().is_none() { "" } else { "; what was read before holds" };
                self.state.lock().problem = Some(format!("origin.{} {file}: {error}{kept}", self.key));
                false
            }
        }
    }

    /// Whether any file is named.
    pub(crate) fn is_configured(&self) -> bool {
        !self.files.is_empty()
    }

    /// What was read last; `None` if nothing could be read yet.
    pub(crate) fn content(&self) -> Option<Arc<T>> {
        self.content.read().clone()
    }

    /// Why the content is not what the files hold now.
    pub(crate) fn problem(&self) -> Option<String> {
        self.state.lock().problem.clone()
    }

    /// The files, joined by commas.
    pub(crate) fn file_names(&self) -> String {
        self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn stamp(file: &Path) -> Stamp {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}
