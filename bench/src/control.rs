//! How long changes of the blocklist take while packets are being judged.

use std::{
    fmt::Write as _,
    fs,
    io::BufReader,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use floodwall::{
    lists,
    tables::{
        Prefix,
        prefixes::{Changes, List, apply, change, reclaim},
    },
};
use floodwall_common::{
    prefix::{Address, Family, find},
    wire::Leaf,
};
use floodwall_lab::random::Random;
use serde::Serialize;

use crate::{
    candidate::Candidate,
    floodwall::{Floodwall, OWNER, grace},
    frames::Frame,
    shapes,
    sources::Window,
    stand::Stand,
};

/// What changes of the blocklist cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Changed {
    /// A million prefixes into an empty table.
    pub(crate) load: Import,
    /// A million others in their place, all at once.
    pub(crate) replace: Import,
    /// Packets/s judged on one processor meanwhile.
    pub(crate) packets_per_second: f64,
    /// Single inserts made and timed while imports ran without pause.
    pub(crate) inserts: usize,
    /// Time until an insert is in force, median, ms.
    pub(crate) insert_p50_ms: f64,
    /// The same, 99th percentile, ms.
    pub(crate) insert_p99_ms: f64,
    /// The same, the longest, ms.
    pub(crate) insert_max_ms: f64,
    /// Inserts that found no memory free, and waited for a grace period and for what was retired to be freed.
    pub(crate) inserts_that_waited: usize,
}

/// Times of an import from a file, s. The prefixes are in force when all of it has passed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Import {
    /// The file is read and its lines become prefixes.
    pub(crate) parse: f64,
    /// They are sorted.
    pub(crate) prepare: f64,
    /// They are built in the kernel's memory, and come into force.
    pub(crate) apply: f64,
}

impl Import {
    /// All of it.
    pub(crate) fn total(&self) -> f64 {
        self.parse + self.prepare + self.apply
    }
}

/// Measures all of it with two sets of prefixes. The second of them is listed afterwards.
pub(crate) fn measure(
    stand: &Stand,
    floodwall: &Floodwall,
    sets: [&[Prefix]; 2],
    inserts: usize,
) -> anyhow::Result<Changed> {
    let directory = tempfile::tempdir().context("making a directory for the lists")?;
    let mut files = Vec::new();
    for (number, set) in sets.into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.txt"));
        fs::write(&path, text(set)).with_context(|| format!("writing {}", path.display()))?;
        files.push(path);
    }
    floodwall.block(&[])?;
    let stop = AtomicBool::new(false);
    let (load, replace, packets_per_second) = thread::scope(|scope| {
        let judging = scope.spawn(|| judge(stand, &stop));
        let imports = import(floodwall, &files[0]).and_then(|load| Ok((load, import(floodwall, &files[1])?)));
        stop.store(true, Ordering::Relaxed);
        let packets = judging.join().map_err(|_| anyhow!("the thread that shows packets panicked"))??;
        imports.map(|(load, replace)| (load, replace, packets))
    })?;
    let Inserts { mut times, waited: inserts_that_waited } = latencies(floodwall, sets, inserts)?;
    times.sort();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times.get(index.min(times.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let [insert_p50_ms, insert_p99_ms, insert_max_ms] = [at(0.5), at(0.99), at(1.0)];
    let inserts = times.len();
    Ok(Changed {
        load,
        replace,
        packets_per_second,
        inserts,
        insert_p50_ms,
        insert_p99_ms,
        insert_max_ms,
        inserts_that_waited,
    })
}

/// Single inserts.
struct Inserts {
    /// What each took.
    times: Vec<Duration>,
    /// Those that waited for a grace period.
    waited: usize,
}

/// The prefixes, one a line.
fn text(prefixes: &[Prefix]) -> String {
    let mut text = String::new();
    for prefix in prefixes {
        // A string takes all that is written to it.
        let _ = writeln!(text, "{prefix}");
    }
    text
}

/// Shows packets until told to stop; says how many a second.
fn judge(stand: &Stand, stop: &AtomicBool) -> anyhow::Result<f64> {
    const AT_ONCE: u32 = 10_000;
    let (start, mut packets) = (Instant::now(), 0u64);
    while !stop.load(Ordering::Relaxed) {
        stand.run(Candidate::Floodwall, Frame::Syn, Window::blocked(Family::V4), AT_ONCE)?;
        packets += u64::from(AT_ONCE);
    }
    Ok(packets as f64 / start.elapsed().as_secs_f64())
}

/// Makes the blocklist what the file lists.
fn import(floodwall: &Floodwall, path: &Path) -> anyhow::Result<Import> {
    let start = Instant::now();
    let file = fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let list = lists::parse(BufReader::with_capacity(1 << 16, file), 0, &mut |_, _| ())?;
    let parsed = Instant::now();
    let prefixes = list.prefixes.into_iter().map(|prefix| (Prefix::from(prefix), OWNER));
    let sets = Arc::clone(floodwall.table.lock().sets());
    let changes = Changes::new().replace(List::Block, prefixes).prepare(&sets);
    let prepared = Instant::now();
    apply(&floodwall.table, changes, grace, |_, _| ())?;
    let applied = Instant::now();
    // What was in force before is freed when it is in nobody's way.
    reclaim(&floodwall.table, grace)?;
    Ok(Import {
        parse: (parsed - start).as_secs_f64(),
        prepare: (prepared - parsed).as_secs_f64(),
        apply: (applied - prepared).as_secs_f64(),
    })
}

/// Times of single inserts while whole lists are replaced in another thread, again and again.
fn latencies(floodwall: &Floodwall, sets: [&[Prefix]; 2], inserts: usize) -> anyhow::Result<Inserts> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let importing = scope.spawn(|| {
            let mut turn = sets.into_iter().cycle();
            while !stop.load(Ordering::Relaxed) {
                floodwall.block(&[turn.next().unwrap_or_default()])?;
            }
            anyhow::Ok(())
        });
        let times = insert_some(floodwall, inserts);
        stop.store(true, Ordering::Relaxed);
        importing.join().map_err(|_| anyhow!("the thread that imports panicked"))??;
        times
    })
}

fn insert_some(floodwall: &Floodwall, inserts: usize) -> anyhow::Result<Inserts> {
    let tables = &*floodwall.tables;
    let mut random = Random::new(3);
    let mut times = Vec::with_capacity(inserts);
    let mut waited = 0;
    while times.len() < inserts {
        // Spread over the imports, whatever they are doing.
        thread::sleep(Duration::from_micros(u64::from(500 + random.below(1_000))));
        let address: Address = shapes::any_address(Family::V4, &mut random);
        let prefix = Prefix::host(address);
        let start = Instant::now();
        let patient = || {
            waited += 1;
            grace()
        };
        let inserted = change(&floodwall.table, patient, |table| match table.get(List::Block, prefix) {
            Some(_) => Ok(false),
            None => table.insert(List::Block, prefix, OWNER).map(|()| true),
        });
        let time = start.elapsed();
        if inserted.map_err(|error: anyhow::Error| error.context(format!("blocking {prefix}")))? {
            let found = find(tables, &tables.settings[0], address, false);
            // The import that was under way may have been in force for a moment less.
            ensure!(matches!(found, Some(Leaf::Block(_))), "{prefix} was blocked and is {found:?}");
            times.push(time);
        }
    }
    Ok(Inserts { times, waited })
}
