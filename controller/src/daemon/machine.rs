//! Looks how the machine below the filter fares: links and CPUs each second, file systems every ten.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    disks::Disks,
    link_load::{Pipe, Readings},
    periodically::{blocking, every},
    protection::Protection,
};
use crate::{
    host::{Backlog, Backlogs, Ports, Vitals, appended_to},
    server::Dataplane as _,
};

const INTERVAL: Duration = Duration::from_secs(1);
const DISK_INTERVAL: Duration = Duration::from_secs(10);
/// So many looks at file systems later it is searched again for files that are appended to: ten minutes.
const SEARCH_EVERY: u32 = 60;
/// Ticks of a CPU in a second (`USER_HZ`), on every architecture that Linux runs XDP on.
const TICKS: f64 = 100.0;

/// Looks at links and CPUs, for ever.
pub(super) async fn watch(protection: Arc<Protection>) {
    let mut tick = every(INTERVAL);
    let mut looking = Looking::new();
    loop {
        tick.tick().await;
        let protection = Arc::clone(&protection);
        let work = move || {
            looking.look(&protection);
            looking
        };
        // What was looked at goes with a look that fails; the task is started anew.
        let Some(looked) = blocking("looking at the links failed", work).await else { return };
        looking = looked;
    }
}

/// Looks at file systems, for ever. One that does not answer holds up nothing but this.
pub(super) async fn watch_disks(protection: Arc<Protection>, directories: Vec<PathBuf>) {
    let (mut disks, mut searched) = (Disks::default(), Vec::new());
    for look in (0..SEARCH_EVERY).cycle() {
        let (protection, named) = (Arc::clone(&protection), directories.clone());
        let work = move || {
            if look == 0 {
                searched = appended_to(Path::new("/proc"));
            }
            let (found, told) = disks.look(&[named, searched.clone()].concat());
            protection.machine_mut().disks = found;
            told.into_iter().for_each(|what| protection.bus().publish(what));
            (disks, searched)
        };
        let Some(known) = blocking("looking at the file systems failed", work).await else { return };
        (disks, searched) = known;
        tokio::time::sleep(DISK_INTERVAL).await;
    }
}

/// What was seen at the last look.
struct Looking {
    ports: Ports,
    backlogs: Backlogs,
    pipe: Pipe,
    before: Option<(Instant, Vitals, Backlog)>,
}

impl Looking {
    fn new() -> Self {
        Self {
            ports: Ports::live(),
            backlogs: Backlogs::below(Path::new("/proc")),
            pipe: Pipe::default(),
            before: None,
        }
    }

    fn look(&mut self, protection: &Protection) {
        let interfaces = protection.interfaces();
        self.ports.look();
        let readings: Readings = interfaces
            .into_iter()
            .map(|interface| {
                let ports = self.ports.of(&interface.name, interface.ifindex);
                (interface.name, ports)
            })
            .collect();
        let (now, vitals, backlog) = (Instant::now(), Vitals::read(), self.backlogs.read());
        let seconds = self
            .before
            .as_ref()
            .map_or(1.0, |(then, _, _)| now.duration_since(*then).as_secs_f64())
            .max(0.001);
        let (links, mut told) = self.pipe.links(&readings, seconds);
        let napi =
            self.before.as_ref().map_or_else(BTreeMap::new, |(_, _, before)| backlog.napi_since(before));
        let shares = match &self.before {
            None => BTreeMap::new(),
            Some((_, before, _)) => shares(&vitals, before, &napi, seconds),
        };
        let all_napi = napi.values().sum::<u64>() as f64 * 100.0 / (TICKS * seconds);
        let (cpu, news) = self.pipe.cpus(&shares, all_napi, backlog.clone(), seconds);
        told.extend(news);
        self.before = Some((now, vitals, backlog));
        {
            let mut machine = protection.machine_mut();
            (machine.links, machine.cpu) = (links, Some(cpu));
        }
        told.into_iter().for_each(|what| protection.bus().publish(what));
    }
}

/// By CPU the share of its time that packets took: softirqs, and the threads of NAPI that ran there.
fn shares(now: &Vitals, before: &Vitals, napi: &BTreeMap<usize, u64>, seconds: f64) -> BTreeMap<usize, f64> {
    let softirqs = now
        .softirq
        .iter()
        .zip(&before.softirq)
        .map(|((busy, _), (busy_before, _))| busy.saturating_sub(*busy_before));
    softirqs
        .enumerate()
        .map(|(cpu, softirq)| {
            let ticks = softirq + napi.get(&cpu).copied().unwrap_or(0);
            (cpu, (ticks as f64 * 100.0 / (TICKS * seconds)).min(100.0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_threads_of_napi_counts_on_their_cpu() {
        let at = |first: u64, second: u64| Vitals {
            softirq: vec![(first, 1_000), (second, 1_000)],
            ..Vitals::default()
        };
        let napi = BTreeMap::from([(1, 150)]);
        let shares = shares(&at(20, 60), &at(0, 40), &napi, 2.0);
        assert_eq!(shares, BTreeMap::from([(0, 10.0), (1, 85.0)]));
    }
}
