//! Where things are pinned.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use floodwall_common::wire::ABI_VERSION;
use tracing::warn;

use floodwall_store::claim;
use floodwall_tables::Capacity;

/// A directory on bpffs that belongs to one daemon.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    root: PathBuf,
}

impl Pins {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where the maps of this layout and capacity are. Maps of another layout or capacity have another name,
    /// so what is found here always fits.
    pub(super) fn maps(&self, capacity: &Capacity) -> PathBuf {
        self.root
            .join(format!("v{ABI_VERSION}-{}-{}-{}", capacity.prefixes, capacity.sources, capacity.flows))
    }

    /// Where the attachment to an interface is. Names on a BPF file system have no dots, and those of interfaces no colons.
    pub(super) fn link(&self, interface: &str) -> PathBuf {
        self.links().join(interface.replace('.', ":"))
    }

    /// Where the program is that looks at what leaves by an interface.
    pub(super) fn egress(&self, ifindex: u32) -> PathBuf {
        self.observers().join(ifindex.to_string())
    }

    /// Where those are.
    pub(super) fn observers(&self) -> PathBuf {
        self.root.join("egress")
    }

    /// Where it is noted that an interface has a filter which looks at what leaves.
    pub(super) fn filter(&self, ifindex: u32) -> PathBuf {
        self.filters().join(ifindex.to_string())
    }

    /// Where all of these are noted.
    pub(super) fn filters(&self) -> PathBuf {
        self.root.join("filters")
    }

    /// The directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    fn create(&self, capacity: &Capacity) -> anyhow::Result<()> {
        for directory in [self.maps(capacity), self.links(), self.observers()] {
            fs::create_dir_all(&directory).with_context(|| {
                format!("creating {} (names on a BPF file system have no dots)", directory.display())
            })?;
        }
        Ok(())
    }

    /// Makes the directory and claims it. If nothing is attached when the claim ends, it is removed.
    pub(super) fn claim(&self, capacity: &Capacity) -> anyhow::Result<Claim> {
        self.create(capacity)?;
        Ok(Claim { _lock: self.lock()?, maps: self.maps(capacity), pins: self.clone() })
    }

    /// Claims the directory, which must be there, for as long as the lock is held: two daemons that write to
    /// the same maps would undo each other's lists.
    pub(super) fn lock(&self) -> anyhow::Result<File> {
        let root = self.root.display();
        let directory = File::open(&self.root).with_context(|| format!("opening {root}"))?;
        claim(directory).map_err(|error| {
            anyhow!(error)
                .context(format!("another floodwall pins below {root}; stop it, or name another --bpffs"))
        })
    }

    /// Names of the interfaces that have an attachment.
    pub(super) fn interfaces(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(self.links()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(error),
        };
        for entry in entries {
            names.extend(entry?.file_name().into_string().map(|name| name.replace(':', ".")));
        }
        names.sort();
        Ok(names)
    }

    /// Removes maps of other layouts and capacities.
    pub(super) fn remove_other_maps(&self, capacity: &Capacity) -> io::Result<()> {
        let keep = self.maps(capacity);
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            let stays = [self.links(), self.observers(), self.filters()].contains(&path);
            if path != keep && !stays {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Removes every trace. Where the directory was made for a daemon that may write to it and not to the one above, it stays,
    /// empty.
    pub(super) fn remove_all(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let is_empty = fs::read_dir(&self.root)?.next().is_none();
                if is_empty { Ok(()) } else { Err(error) }
            }
            Ok(()) => Ok(()),
        }
    }
}

/// The directory is this process's. A start that fails before anything is attached, whatever it fails at, leaves nothing
/// pinned: the maps are large.
#[derive(Debug)]
pub(super) struct Claim {
    pins: Pins,
    maps: PathBuf,
    _lock: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // That no attachment is there is asked without opening anything: there may be no descriptor left.
        match fs::remove_dir(self.pins.links()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return,
            _ => {}
        }
        let Err(error) = self.pins.remove_all() else { return };
        // Then nothing was made below these either.
        for directory in [&self.maps, &self.pins.observers(), &self.pins.root] {
            drop(fs::remove_dir(directory));
        }
        if self.pins.root.exists() {
            warn!(%error, "maps that nothing uses could not be removed");
        }
    }
}
