//! The file systems that logs are written to.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use nix::sys::{
    stat::stat,
    statvfs::{FsFlags, statvfs},
};

/// Most file systems that are looked at.
const MOST: usize = 64;

/// How much room there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The first directory that led to it.
    pub path: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
    /// Bytes that are left to those that are not root.
    pub free_bytes: u64,
    /// Files that it has room for; 0 without such a limit.
    pub inodes: u64,
    /// Files that can still be made.
    pub free_inodes: u64,
}

/// The file systems of these directories, of what is mounted below them, and of where symbolic links in them lead to. Those
/// that are not there, or cannot be written to, have none.
pub fn disks(directories: &[PathBuf], mounts: &str) -> Vec<Disk> {
    let mut found = BTreeMap::new();
    let mut places = Vec::new();
    for directory in directories {
        places.push(directory.clone());
        places.extend(mounted_below(directory, mounts));
        places.extend(linked_from(directory));
    }
    for place in places {
        if found.len() >= MOST {
            break;
        }
        // A file system that does not answer is another's business; one that is asked twice is one.
        if let Ok(stat) = stat(&place)
            && let std::collections::btree_map::Entry::Vacant(entry) = found.entry(stat.st_dev)
            && let Some(disk) = look(&place)
        {
            entry.insert(disk);
        }
    }
    let mut disks: Vec<Disk> = found.into_values().collect();
    disks.sort_by(|one, other| one.path.cmp(&other.path));
    disks
}

/// What is mounted, as [`disks`] reads it.
pub fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

fn look(path: &Path) -> Option<Disk> {
    let found = statvfs(path).ok()?;
    if found.flags().contains(FsFlags::ST_RDONLY) || found.blocks() == 0 {
        return None;
    }
    let size = found.fragment_size();
    Some(Disk {
        path: path.to_owned(),
        bytes: found.blocks().saturating_mul(size),
        free_bytes: found.blocks_available().saturating_mul(size),
        inodes: found.files(),
        free_inodes: found.files_available(),
    })
}

/// `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the fifth field is where, with blanks as `\040`.
fn mounted_below(directory: &Path, mounts: &str) -> Vec<PathBuf> {
    let places = mounts.lines().filter_map(|line| line.split_whitespace().nth(4));
    let places = places.map(|place| PathBuf::from(place.replace("\\040", " ")));
    places.filter(|place| place.starts_with(directory) && place != directory).collect()
}

/// The directories that symbolic links in a directory lead to: `/var/log/nginx` may be one. A link to a file says nothing of
/// where is written: it may be an explanation among the documents, or `/dev/stdout`.
fn linked_from(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let places = links.filter_map(|link| fs::canonicalize(link.path()).ok());
    places.filter(|place| place.is_dir()).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_found_by_what_leads_to_it_and_looked_at_once() {
        let root = tempfile::tempdir().unwrap();
        let logs = root.path().join("log");
        fs::create_dir_all(logs.join("below")).unwrap();
        // A memory file system, as the links lead to.
        std::os::unix::fs::symlink("/dev/shm", logs.join("elsewhere")).unwrap();
        // On the one of device nodes, and no place that is written to.
        std::os::unix::fs::symlink("/dev/null", logs.join("nowhere")).unwrap();
        let mounts = format!("1 2 0:1 / {} rw - x x rw\n", logs.join("below").display());
        let found = disks(&[logs.clone(), logs.join("below"), "/nonexistent".into()], &mounts);
        let paths: Vec<_> = found.iter().map(|disk| disk.path.clone()).collect();
        assert!(paths.contains(&logs), "{paths:?}");
        let is_apart = stat("/dev/shm").unwrap().st_dev != stat(&logs).unwrap().st_dev;
        assert_eq!(paths.len(), 1 + usize::from(is_apart), "{paths:?}");
        assert!(found.iter().all(|disk| disk.bytes >= disk.free_bytes && disk.bytes > 0));
    }

    #[test]
    fn mounts_with_blanks_in_their_names() {
        let mounts = "25 1 8:1 / / rw - ext4 x rw\n26 25 8:2 / /var/log/my\\040app rw - ext4 y rw\n\
                      27 25 8:3 / /var/logs rw - ext4 z rw\n";
        assert_eq!(mounted_below(Path::new("/var/log"), mounts), [PathBuf::from("/var/log/my app")]);
    }
}
