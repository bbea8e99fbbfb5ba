//! What fuzz targets and their seeds share: a filter over tables in memory, and the state that it keeps.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use anyhow::Context as _;
use floodwall_api::LockdownRequest;
use floodwall_config::Config;
use floodwall_event::Bus;
use floodwall_state::{Filter, ImportOptions};
use floodwall_store::Store;
use floodwall_tables::{Capacity, SharedTables};
use tempfile::TempDir;

/// A directory that no disk is waited for.
///
/// # Errors
///
/// If it cannot be made.
pub fn directory_in_memory() -> anyhow::Result<TempDir> {
    TempDir::new_in("/dev/shm").context("making a directory in /dev/shm")
}

/// A filter over tables in memory that keeps its state in this directory.
///
/// # Errors
///
/// If the directory cannot be used.
pub fn filter(directory: &Path) -> anyhow::Result<Arc<Filter>> {
    let capacity = Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 };
    let config = Config { capacity, ..Config::default() };
    let tables = Arc::new(SharedTables::in_memory(&config.capacity)?);
    Filter::open(tables, Store::open(directory, false)?, &config, Bus::default())
}

/// The files of a state directory, apart from the lock, as a daemon that was killed leaves them.
///
/// # Errors
///
/// If they cannot be written or read.
pub fn sound_state() -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let directory = directory_in_memory()?;
    let filter = filter(directory.path())?;
    let options = ImportOptions {
        name: "list".to_owned(),
        skip_bad: false,
        replace: false,
        lifetime: None,
        lifelines: None,
    };
    let list: &[u8] = b"198.51.100.7\n2001:db9::/32\n";
    filter.import(list, &options, &mut |_| ()).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    let lockdown =
        LockdownRequest { service: "default".to_owned(), closed: true, ..LockdownRequest::default() };
    filter.lock_down(&lockdown).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory.path()).context("looking into a state directory")? {
        let path = entry.context("looking into a state directory")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name != "lock" {
            files.insert(name, fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    Ok(files)
}
