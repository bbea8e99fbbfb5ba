//! Files that processes append to: logs, wherever a service keeps them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Most descriptors that one search looks at.
const MOST: usize = 200_000;
/// Bits of a descriptor's link in `/proc/PID/fd`: it is open for writing (proc_pid_fd(5)).
const WRITABLE: u32 = 0o200;
/// `O_APPEND`, as `/proc/PID/fdinfo` writes it, in octal (asm-generic/fcntl.h, the same on every architecture that Linux
/// runs XDP on).
const APPEND: u32 = 0o2000;

/// A directory for each file system on which a process below `proc` holds a regular file open for appending, which is how
/// logs are written. A process that ends meanwhile, or may not be looked into, has none.
pub fn appended_to(proc: &Path) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    let mut looked_at = 0;
    for process in entries(proc).filter(|path| is_number(path)) {
        for descriptor in entries(&process.join("fd")) {
            looked_at += 1;
            if looked_at > MOST {
                return found.into_values().collect();
            }
            if let Some((device, directory)) = appended(&process, &descriptor) {
                found.entry(device).or_insert(directory);
            }
        }
    }
    found.into_values().collect()
}

/// The file system and the directory of the file that a descriptor appends to.
fn appended(process: &Path, descriptor: &Path) -> Option<(u64, PathBuf)> {
    let is_writable =
        fs::symlink_metadata(descriptor).is_ok_and(|link| link.permissions().mode() & WRITABLE != 0);
    if !is_writable {
        return None;
    }
    // A process may live in a file system of its own: only a path that leads from here to the same file will do. Pipes and
    // sockets have no path.
    let path = fs::read_link(descriptor).ok().filter(|path| path.is_absolute())?;
    let info = fs::read_to_string(process.join("fdinfo").join(descriptor.file_name()?)).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    if u32::from_str_radix(flags.trim(), 8).ok()? & APPEND == 0 {
        return None;
    }
    let (there, here) = (fs::metadata(descriptor).ok()?, fs::metadata(&path).ok()?);
    let is_the_same = there.is_file() && (there.dev(), there.ino()) == (here.dev(), here.ino());
    is_the_same.then(|| (there.dev(), path.parent().unwrap_or(Path::new("/")).to_owned()))
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn is_number(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    /// `/proc` with this process alone.
    fn proc_with_this_process() -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc/self", proc.path().join("1")).unwrap();
        std::os::unix::fs::symlink("/proc/self", proc.path().join("self")).unwrap();
        proc
    }

    #[test]
    fn a_file_that_is_open_for_appending_names_its_file_system() {
        let proc = proc_with_this_process();
        let logs = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = logs.path().join("access.log");
        let device = fs::metadata(logs.path()).unwrap().dev();
        let leads_there = || {
            appended_to(proc.path())
                .iter()
                .any(|found| fs::metadata(found).is_ok_and(|found| found.dev() == device))
        };
        let written = OpenOptions::new().write(true).create(true).truncate(false).open(&path).unwrap();
        assert!(!leads_there(), "it is written, not appended to: a database, say");
        drop(written);
        let appended = OpenOptions::new().append(true).open(&path).unwrap();
        assert!(leads_there());
        fs::remove_file(&path).unwrap();
        assert!(!leads_there(), "it has no name any more by which its directory could be told");
        drop(appended);
    }
}
