//! What the kernel does with packets after the device has handed them over, by CPU.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Longest list of kernel threads that is gone through.
const MOST_THREADS: usize = 65_536;

/// Where it is read.
#[derive(Debug)]
pub struct Backlogs {
    proc: PathBuf,
    /// Threads that do what a softirq does otherwise, and how long ago they were looked for.
    napi: Vec<u32>,
    looks: u32,
}

/// How often, of so many looks, it is looked for such threads.
const SEARCH_LOOKS: u32 = 10;

/// Counters since the start, as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Packets that came to the CPUs.
    pub processed: u64,
    /// Those that a CPU had no room for.
    pub dropped: u64,
    /// How often a CPU had to stop before all were done.
    pub squeezed: u64,
    /// Ticks that threads of NAPI have run for (1/100 s), by thread, and the CPU that each was on at last.
    pub napi: BTreeMap<u32, (u64, usize)>,
}

impl Backlogs {
    /// Below `proc`, which is `/proc` but in tests.
    pub fn below(proc: &Path) -> Self {
        Self { proc: proc.to_owned(), napi: Vec::new(), looks: 0 }
    }

    /// As it is now.
    pub fn read(&mut self) -> Backlog {
        if self.looks.is_multiple_of(SEARCH_LOOKS) {
            self.napi = self.napi_threads();
        }
        self.looks = self.looks.wrapping_add(1);
        let text = fs::read_to_string(self.proc.join("net/softnet_stat")).unwrap_or_default();
        let mut backlog = softnet(&text);
        for thread in &self.napi {
            let stat = fs::read_to_string(self.proc.join(format!("{thread}/stat"))).unwrap_or_default();
            backlog.napi.extend(ticks(&stat).map(|ticks| (*thread, ticks)));
        }
        backlog
    }

    /// Kernel threads that poll devices: `napi/eth0-8193`. With those, time that is spent on packets is none of a softirq.
    fn napi_threads(&self) -> Vec<u32> {
        // Kernel threads are children of the second process.
        let children = fs::read_to_string(self.proc.join("2/task/2/children")).unwrap_or_default();
        let threads = children.split_whitespace().filter_map(|number| number.parse().ok()).take(MOST_THREADS);
        threads
            .filter(|thread: &u32| {
                fs::read(self.proc.join(format!("{thread}/comm")))
                    .is_ok_and(|name| name.starts_with(b"napi/"))
            })
            .collect()
    }
}

impl Backlog {
    /// By CPU, the ticks that threads of NAPI have run for since `before`.
    pub fn napi_since(&self, before: &Self) -> BTreeMap<usize, u64> {
        let mut by_cpu = BTreeMap::new();
        for (thread, (ticks, cpu)) in &self.napi {
            if let Some((then, _)) = before.napi.get(thread) {
                *by_cpu.entry(*cpu).or_default() += ticks.saturating_sub(*then);
            }
        }
        by_cpu
    }
}

/// `/proc/net/softnet_stat`: a line each CPU, of hexadecimal numbers; the first three are these
/// (`net/core/net-procfs.c`).
fn softnet(text: &str) -> Backlog {
    let mut backlog = Backlog::default();
    for line in text.lines() {
        let mut numbers = line.split_whitespace().map(|number| u64::from_str_radix(number, 16).unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        backlog.processed += next();
        backlog.dropped += next();
        backlog.squeezed += next();
    }
    backlog
}

/// Ticks and CPU out of `/proc/N/stat` (proc_pid_stat(5)): fields 14, 15 and 39, counted behind the name in brackets.
fn ticks(stat: &str) -> Option<(u64, usize)> {
    let behind: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let (user, system) = (behind.get(11)?.parse::<u64>().ok()?, behind.get(12)?.parse::<u64>().ok()?);
    Some((user + system, behind.get(36)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cpus_count() {
        let backlog = softnet("0000000a 00000001 00000002 0 0\n00000010 0000000f 00000000 0 0\n");
        assert_eq!((backlog.processed, backlog.dropped, backlog.squeezed), (26, 16, 2));
        assert_eq!(softnet("nonsense"), Backlog::default());
    }

    #[test]
    fn threads_of_napi_are_found_and_their_time_counted() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("2/task/2/children", "3 77 78 ");
        write("3/comm", "rcu_gp\n");
        let stat = |ticks: u64, cpu: u32| {
            let zeros = |count: usize| vec!["0"; count].join(" ");
            format!("77 (napi/e0 (x)-8193) S {} 5 {ticks} {} {cpu} {}", zeros(10), zeros(23), zeros(10))
        };
        write("77/comm", "napi/e0-8193\n");
        write("77/stat", &stat(100, 1));
        write("78/comm", "napi/e0-8194\n");
        write("78/stat", "nonsense");
        let mut backlogs = Backlogs::below(root.path());
        let before = backlogs.read();
        assert_eq!(before.napi, BTreeMap::from([(77, (105, 1))]));
        write("77/stat", &stat(160, 1));
        write("78/stat", &stat(10, 1));
        let now = backlogs.read();
        assert_eq!(
            now.napi_since(&before),
            BTreeMap::from([(1, 60)]),
            "one that has just come counts from now on"
        );
    }
}
