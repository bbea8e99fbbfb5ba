//! Whether there is room left where logs are written: a log that has filled a disk takes services down that no flood did.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    api::DiskStatus,
    event::What,
    host::{Disk, disks, mounts},
};

/// Less than this is little: a share of the size, percent, or so many bytes, of small ones a quarter.
const LITTLE_PERCENT: u64 = 5;
const LITTLE_BYTES: u64 = 256 << 20;
/// So many times as much is enough again.
const ENOUGH: f64 = 1.25;

/// What is known of file systems.
#[derive(Debug, Default)]
pub(super) struct Disks {
    /// Those that are told of, and what was.
    scarce: BTreeMap<PathBuf, String>,
}

impl Disks {
    /// Looks at the file systems of these directories: how they are, and what is to be told.
    pub(super) fn look(&mut self, directories: &[PathBuf]) -> (Vec<DiskStatus>, Vec<What>) {
        self.judge(disks(directories, &mounts()))
    }

    fn judge(&mut self, found: Vec<Disk>) -> (Vec<DiskStatus>, Vec<What>) {
        let mut told = Vec::new();
        self.scarce.retain(|path, _| found.iter().any(|disk| disk.path == *path));
        let all = found.into_iter().map(|disk| {
            let was_scarce = self.scarce.contains_key(&disk.path);
            let factor = if was_scarce { ENOUGH } else { 1.0 };
            let problem = problem(&disk, factor);
            match (&problem, was_scarce) {
                (Some(text), false) => told.push(What::Health { text: text.clone(), loud: true }),
                (None, true) => {
                    let text = format!("{} has room again: {}", disk.path.display(), room(&disk));
                    told.push(What::Health { text, loud: false });
                }
                _ => {}
            }
            match &problem {
                Some(text) => drop(self.scarce.insert(disk.path.clone(), text.clone())),
                None => drop(self.scarce.remove(&disk.path)),
            }
            let Disk { path, bytes, free_bytes, inodes, free_inodes } = disk;
            DiskStatus { path: path.display().to_string(), bytes, free_bytes, inodes, free_inodes, problem }
        });
        let all = all.collect();
        (all, told)
    }
}

/// What is wrong with one, if less is left than so many times as little.
fn problem(disk: &Disk, factor: f64) -> Option<String> {
    let little = (disk.bytes / 100 * LITTLE_PERCENT).max(LITTLE_BYTES.min(disk.bytes / 4));
    let is_less = |free: u64, little: u64| (free as f64) < little as f64 * factor;
    let what = if is_less(disk.free_bytes, little) {
        "IS NEARLY FULL"
    } else if disk.inodes > 0 && is_less(disk.free_inodes, disk.inodes / 100 * LITTLE_PERCENT) {
        "HAS NEARLY NO FILES LEFT"
    } else {
        return None;
    };
    Some(format!(
        "{} {what}: {}; services that log there may stop, and so may changes of floodwall's state",
        disk.path.display(),
        room(disk)
    ))
}

fn room(disk: &Disk) -> String {
    let percent = |free: u64, all: u64| (free as f64 * 100.0 / all.max(1) as f64).floor();
    let mib = |bytes: u64| bytes >> 20;
    let files = match disk.inodes {
        0 => String::new(),
        all => format!(", {} of {all} files", disk.free_inodes),
    };
    format!(
        "{} of {} MiB ({} %){files} are free",
        mib(disk.free_bytes),
        mib(disk.bytes),
        percent(disk.free_bytes, disk.bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(bytes: u64, free_bytes: u64) -> Disk {
        Disk { path: "/var/log".into(), bytes, free_bytes, inodes: 0, free_inodes: 0 }
    }

    fn told(disks: &mut Disks, disk: Disk) -> Vec<String> {
        disks.judge(vec![disk]).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn little_room_is_told_once_and_its_end_once_there_is_enough() {
        let mut disks = Disks::default();
        assert_eq!(told(&mut disks, disk(100 * GIB, 6 * GIB)), Vec::<String>::new());
        let said = told(&mut disks, disk(100 * GIB, 4 * GIB));
        assert!(said.len() == 1 && said[0].contains("4096 of 102400 MiB (4 %)"), "{said:?}");
        assert_eq!(told(&mut disks, disk(100 * GIB, 3 * GIB)), Vec::<String>::new());
        assert_eq!(told(&mut disks, disk(100 * GIB, 6 * GIB)), Vec::<String>::new(), "not enough yet");
        let said = told(&mut disks, disk(100 * GIB, 7 * GIB));
        assert!(said.len() == 1 && said[0].contains("has room again"), "{said:?}");
    }

    #[test]
    fn small_ones_and_files_count_as_well() {
        assert!(problem(&disk(4 * GIB, 300 << 20), 1.0).is_none());
        assert!(problem(&disk(4 * GIB, 250 << 20), 1.0).is_some(), "under 256 MiB");
        assert!(problem(&disk(64 << 20, 20 << 20), 1.0).is_none(), "a small one needs less");
        assert!(problem(&disk(64 << 20, 15 << 20), 1.0).is_some());
        let files = Disk { inodes: 1_000, free_inodes: 40, ..disk(100 * GIB, 90 * GIB) };
        assert!(problem(&files, 1.0).is_some_and(|text| text.contains("40 of 1000 files")));
    }
}
