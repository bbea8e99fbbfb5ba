//! Every file of the state directory is garbage in turn: what is not damaged is enforced, and what is lost is told.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use floodwall_lab::{or_skip, random::Random, skip::require_root};
use floodwall_tests::protected::{PATIENCE, Protected};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::Signal,
};

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// Exit code of `status` while something is wrong.
const IMPAIRED: i32 = 9;
/// Exit code of a change that is refused as the state cannot be gone on with.
const REFUSED: i32 = 13;

/// What becomes of a file.
#[derive(Clone, Copy, Debug)]
enum Garbage {
    Empty,
    /// Its first half.
    Truncated,
    /// As many bytes as there were, none of them what it was.
    Random,
    /// Its beginning, where formats stand, and the rest random.
    OtherVersion,
    Directory,
    /// A symbolic link that leads nowhere.
    Dangling,
}

const ALL: [Garbage; 6] = [
    Garbage::Empty,
    Garbage::Truncated,
    Garbage::Random,
    Garbage::OtherVersion,
    Garbage::Directory,
    Garbage::Dangling,
];

impl Garbage {
    fn make(self, path: &Path, seed: u64) -> anyhow::Result<()> {
        let mut bytes = fs::read(path).unwrap_or_default();
        let mut random = Random::new(seed);
        let mut noise = |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| *byte = random.bits() as u8);
        match self {
            Self::Empty => bytes.clear(),
            Self::Truncated => bytes.truncate(bytes.len() / 2),
            Self::Random => noise(&mut bytes),
            Self::OtherVersion => {
                let kept = bytes.len().min(64);
                noise(&mut bytes[kept..]);
                // Where SQLite has the version that the application gives (user_version), and format 1 its version.
                if let Some(version) = bytes.get_mut(60..64) {
                    version.copy_from_slice(&[0, 0, 0, 99]);
                }
            }
            Self::Directory => {
                fs::remove_file(path)?;
                return fs::create_dir(path).context("making a directory in the place of a file");
            }
            Self::Dangling => {
                fs::remove_file(path)?;
                return symlink("nowhere/at/all", path).context("making a link in the place of a file");
            }
        }
        fs::write(path, bytes).context("writing garbage")
    }
}

/// Copies the files of a directory into another one, which is made anew.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Names of the files in a directory.
fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// How a start on a damaged directory has gone.
#[derive(Debug)]
struct Outcome {
    /// The exit code of `status`; none if the daemon has ended by itself.
    status: Option<i32>,
    /// What `status` and the log say.
    said: String,
    /// Whether what was blocked is blocked.
    is_enforced: bool,
}

fn start(host: &mut Protected, blocked: &[u8]) -> anyhow::Result<Outcome> {
    let log = host.log().len();
    let mut child = host.daemon_command(host.bpffs()).spawn().context("starting the daemon")?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if child.try_wait()?.is_some() {
            break None;
        }
        let output = host.run(&["status"])?;
        let code = output.status.code().unwrap_or(-1);
        if code == 0 || code == IMPAIRED {
            break Some((code, [output.stdout, output.stderr].concat()));
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
    };
    let is_enforced = !host.passes(blocked)?;
    let (code, shown) = match status {
        None => (None, Vec::new()),
        Some((code, shown)) => {
            child.kill()?;
            child.wait()?;
            (Some(code), shown)
        }
    };
    let said = format!("{}\n{}", String::from_utf8_lossy(&shown), &host.log()[log..]);
    Ok(Outcome { status: code, said, is_enforced })
}

/// The daemon starts on it, or says why not; and nothing is open without a word.
#[test]
fn garbage_in_the_place_of_a_file_is_told_and_costs_nothing_else() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("garbage", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let list = host.file("list.txt");
    fs::write(&list, "198.51.100.7\n")?;
    host.ok(&["block", "import", &list.display().to_string(), "--name", "list"])?;
    let blocked = host.from("203.0.113.7").udp(1, 2).build();
    // What is learnt is written at the end in order, and the log of the database is left by the end that is not.
    host.end(Signal::SIGTERM)?;
    host.launch()?;
    host.ok(&["block", "add", "192.0.2.128/25"])?;
    host.end(Signal::SIGKILL)?;
    let (state, whole) = (host.state_dir(), host.file("whole"));
    copy(&state, &whole)?;
    let names = names(&whole)?;
    for expected in
        ["state-1.db", "state-1.db-wal", "witness", "snapshot.jsonl", "audit.jsonl", "incidents.db", "lock"]
    {
        assert!(names.iter().any(|name| name == expected), "there is no {expected}: {names:?}");
    }
    let mut wrong = Vec::new();
    for (seed, name) in names.iter().enumerate() {
        for garbage in ALL {
            // What is in force is to be what the daemon has read.
            host.run(&["detach", "--all", "--bpffs", &host.bpffs().display().to_string()])?;
            copy(&whole, &state)?;
            garbage.make(&state.join(name), seed as u64)?;
            let outcome = start(&mut host, &blocked)?;
            if let Err(error) = judge(name, &outcome) {
                wrong.push(format!("{name}, {garbage:?}: {error:#}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

fn judge(name: &str, Outcome { status, said, is_enforced }: &Outcome) -> anyhow::Result<()> {
    // What is missing in a log is missing in its database.
    let is_named = said.contains(name.trim_end_matches("-wal"));
    match status {
        Some(0) => ensure!(*is_enforced, "nothing is said to be wrong, and what was blocked passes: {said}"),
        Some(_) => ensure!(is_named, "it is not named: {said}"),
        None => anyhow::bail!("the daemon ends: {said}"),
    }
    ensure!(!said.contains("panicked"), "{said}");
    // What was blocked first stands in the database, and is lost with it alone.
    ensure!(
        *is_enforced || name == "state-1.db",
        "what was blocked passes, and stands in another file: {said}"
    );
    Ok(())
}

/// A file system that nothing can be written to, above a directory, for as long as it lives.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mount(at: &Path) -> anyhow::Result<Self> {
        let (none, bind) = (None::<&str>, MsFlags::MS_BIND);
        mount(Some(at), at, none, bind, none)?;
        let mounted = Self(at.to_owned());
        mount(none, at, none, bind | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, none)?;
        Ok(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        // The daemon may be using it still, if the test has failed.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// As a file system is once its disk has failed.
#[test]
fn a_state_that_cannot_be_written_is_enforced_and_changes_are_refused() -> anyhow::Result<()> {
    or_skip!(require_root());
    let mut host = Protected::start("readonly", BINARY)?;
    host.ok(&["block", "add", "203.0.113.0/24"])?;
    let blocked = host.from("203.0.113.7").udp(1, 2).build();
    for end in [Signal::SIGTERM, Signal::SIGKILL] {
        host.end(end)?;
        host.ok(&["detach", "--all", "--bpffs", &host.bpffs().display().to_string()])?;
        let read_only = ReadOnly::mount(&host.state_dir())?;
        host.launch_with(&[], IMPAIRED)?;
        assert!(!host.passes(&blocked)?, "after {end} what is on disk is not enforced");
        let (_, said) = host.fails(&["status"])?;
        assert!(said.contains("cannot be written") && said.contains("make it writable"), "{said}");
        let (code, said) = host.fails(&["block", "add", "192.0.2.128"])?;
        assert_eq!(code, REFUSED, "{said}");
        host.end(Signal::SIGTERM)?;
        drop(read_only);
        host.launch()?;
        host.ok(&["block", "add", "192.0.2.128"])?;
        host.ok(&["block", "rm", "192.0.2.128"])?;
    }
    Ok(())
}
