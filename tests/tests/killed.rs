//! The daemon is killed again and again in the middle of changes: none that was answered is lost, and none is made by half.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use floodwall_lab::{or_skip, random::Random, skip::require_root};
use floodwall_tests::protected::Protected;
use nix::sys::signal::Signal;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Of a long run the environment says how many.
const KILLS: u32 = 50;

/// Prefixes that are listed or taken off together.
type Group = BTreeSet<String>;

/// Whoever changes things, and what it knows of them.
struct Client {
    random: Random,
    /// All that it may ask for, of which each is there as a whole, or not at all.
    groups: Vec<Group>,
    /// Whether each is there, as far as was answered.
    listed: Vec<bool>,
    /// That change was asked for and not answered.
    pending: Option<usize>,
    /// Changes that were answered.
    answered: u32,
    /// Each is an import of one name, so that one at a time is there.
    files: Option<Vec<PathBuf>>,
}

impl Client {
    fn new(seed: u64, groups: Vec<Group>) -> Self {
        let listed = vec![false; groups.len()];
        Self { random: Random::new(seed), groups, listed, pending: None, answered: 0, files: None }
    }

    /// Changes one thing after another until the daemon is gone.
    fn work(&mut self, host: &Protected, stop: &AtomicBool) -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let chosen = self.random.below(self.groups.len() as u32) as usize;
            self.pending = Some(chosen);
            let (verb, is_there) = if self.listed[chosen] { ("rm", false) } else { ("add", true) };
            let output = match &self.files {
                Some(files) => {
                    let file = files[chosen].display().to_string();
                    host.run(&["block", "import", &file, "--name", "list", "--replace"])?
                }
                None => {
                    let group = self.groups[chosen].iter().map(String::as_str);
                    host.run(&["block", verb].into_iter().chain(group).collect::<Vec<_>>())?
                }
            };
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                anyhow::ensure!(stop.load(Ordering::Relaxed), "refused by a daemon that lives: {said}");
                return Ok(());
            }
            match self.files {
                Some(_) => (0..self.listed.len()).for_each(|group| self.listed[group] = group == chosen),
                None => self.listed[chosen] = is_there,
            }
            self.pending = None;
            self.answered += 1;
        }
        Ok(())
    }

    /// Holds what is listed against what was answered, and goes on from there.
    fn check(&mut self, listed: &BTreeSet<String>, when: &str) {
        let there: Vec<bool> = self
            .groups
            .iter()
            .map(|group| match group.iter().filter(|prefix| listed.contains(*prefix)).count() {
                0 => false,
                count if count == group.len() => true,
                count => panic!("{when}: {count} of {group:?} are there"),
            })
            .collect();
        let mut made = self.listed.clone();
        if let Some(pending) = self.pending.take() {
            match self.files {
                Some(_) => (0..made.len()).for_each(|group| made[group] = group == pending),
                None => made[pending] = !made[pending],
            }
        }
        assert!(
            there == self.listed || there == made,
            "{when}: there is {there:?}, {:?} was answered, and {made:?} if what was asked for last was made",
            self.listed
        );
        self.listed = there;
    }
}

#[test]
fn kills_in_the_middle_of_changes_lose_nothing_that_was_answered() -> anyhow::Result<()> {
    or_skip!(require_root());
    let seed = std::env::var("FLOODWALL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("FLOODWALL_SEED={seed}");
    let kills = match std::env::var("FLOODWALL_KILLS") {
        Ok(kills) => kills.parse().context("FLOODWALL_KILLS is no number")?,
        Err(_) => KILLS,
    };
    let mut random = Random::new(seed);
    let mut host = Protected::start("kills", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let blocked = host.from("203.0.113.7").udp(1, 2).build();

    let single = (0..20).map(|n| Group::from([format!("198.18.0.{n}/32")])).collect();
    let many = (0..10).map(|n| (0..5).map(|m| format!("198.18.{}.{m}/32", n + 1)).collect()).collect();
    let lists: Vec<Group> = (0..3)
        .map(|n| (0..3_000).map(|m| format!("198.{}.{}.{}/32", 20 + n, m / 250, m % 250)).collect())
        .collect();
    let files: Vec<PathBuf> = (0..lists.len()).map(|n| host.file(&format!("list-{n}.txt"))).collect();
    for (file, list) in files.iter().zip(&lists) {
        fs::write(file, list.iter().map(|prefix| format!("{prefix}\n")).collect::<String>())?;
    }
    let mut clients = [Client::new(seed, single), Client::new(seed + 1, many), Client::new(seed + 2, lists)];
    clients[2].files = Some(files);

    for kill in 1..=kills {
        let stop = AtomicBool::new(false);
        let after = Duration::from_millis(u64::from(random.below(300)));
        thread::scope(|scope| -> anyhow::Result<()> {
            let (host, stop) = (&host, &stop);
            let at_work = clients.each_mut().map(|client| scope.spawn(move || client.work(host, stop)));
            thread::sleep(after);
            // First, so that whoever sees the daemon gone knows why.
            stop.store(true, Ordering::Relaxed);
            host.signal(Signal::SIGKILL)?;
            for worker in at_work {
                worker.join().map_err(|_| anyhow::anyhow!("a client has panicked"))??;
            }
            Ok(())
        })?;
        host.wait()?;
        let when = format!("FLOODWALL_SEED={seed}, kill {kill}, after {after:?}");
        assert!(!host.passes(&blocked)?, "{when}: a blocked source passes while there is no daemon");
        host.launch()?;
        let listed: BTreeSet<String> = host.ok(&["block", "export"])?.lines().map(str::to_owned).collect();
        assert!(listed.contains("203.0.113.0/24"), "{when}");
        clients.iter_mut().for_each(|client| client.check(&listed, &when));
        assert!(!host.passes(&blocked)?, "{when}: a blocked source passes after the restart");
    }
    let answered: u32 = clients.iter().map(|client| client.answered).sum();
    println!("{kills} kills, {answered} changes were answered");
    assert!(answered > kills, "only {answered} changes were answered");
    Ok(())
}
