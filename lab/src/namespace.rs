//! Network namespaces that vanish with the value that owns them.
//!
//! The namespace gets a name under `/run/netns`, so `ip -n NAME …` works while one is debugging,
//! but nothing here runs `ip netns exec`: that command also mounts a fresh `/sys` and so hides
//! `/sys/fs/bpf`, where pinned BPF objects live.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};
use std::{io, panic};

use anyhow::{Context as _, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::interface;

/// Where `ip netns` keeps its names, so both see the same namespaces.
const DIRECTORY: &str = "/run/netns";
/// What every namespace of a lab is called by; [`sweep`] removes nothing else.
const PREFIX: &str = "fw-";

/// Settings every lab namespace starts with: the same state on each machine, and a quiet wire.
/// Reverse-path filtering would drop spoofed sources before anything under test sees them; the
/// IPv6 ones stop router solicitations and duplicate address detection from mixing with what a
/// test sends.
const SETTINGS: [(&str, &str); 8] = [
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.dad_transmits", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.autoconf", "0"),
    ("net.ipv6.conf.default.router_solicitations", "0"),
    ("net.ipv6.conf.default.addr_gen_mode", "1"),
];

static COUNTER: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// A network namespace of this process. Clones share it; the last one to be dropped deletes it.
#[derive(Clone, Debug)]
pub struct Namespace {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    label: String,
    handle: File,
}

impl Namespace {
    /// Creates a namespace with only a loopback interface, which is up. The first one of a process
    /// also sweeps up what killed processes left behind.
    ///
    /// `label` (letters, digits, `-`) ends up in the name for whoever looks at `ip netns`.
    ///
    /// # Errors
    /// Without root, or when the kernel has no network namespaces.
    pub fn new(label: &str) -> Result<Self> {
        Self::bound(label, |path| {
            unshare(CloneFlags::CLONE_NEWNET)
                .context("unsharing the network namespace (needs root: CAP_SYS_ADMIN)")?;
            // `thread-self`, not `self`: only this thread has moved.
            bind(Path::new("/proc/thread-self/ns/net"), path)?;
            interface::up("lo")?;
            for (key, value) in SETTINGS {
                match write_setting(key, value) {
                    // A kernel without IPv6 has none of its noise either.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other.with_context(|| format!("setting {key} = {value}"))?,
                }
            }
            Ok(())
        })
    }

    /// That of another process, such as one in a container: it is as that has made it.
    ///
    /// # Errors
    /// Without root, or when there is no such process.
    pub fn of_process(process: u32, label: &str) -> Result<Self> {
        Self::bound(label, |path| bind(&PathBuf::from(format!("/proc/{process}/ns/net")), path))
    }

    /// The one that `work`, on a thread of its own, binds to a path.
    fn bound(label: &str, work: impl FnOnce(&Path) -> Result<()> + Send) -> Result<Self> {
        if label.is_empty() || !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            bail!("namespace label {label:?} must be made of letters, digits and '-'");
        }
        // Once a process, and without fuss: what cannot be swept does not stand in the way.
        SWEPT.call_once(|| drop(sweep()));
        let name =
            format!("{PREFIX}{}-{}-{label}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        fs::create_dir_all(DIRECTORY).with_context(|| format!("creating {DIRECTORY} (needs root)"))?;
        let path = path_of(&name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("creating {} for a network namespace (needs root)", path.display()))?;

        let opened = on_fresh_thread(|| {
            work(&path)?;
            File::open(&path).with_context(|| format!("opening {}", path.display()))
        });
        match opened {
            Ok(handle) => Ok(Self { inner: Arc::new(Inner { name, label: label.to_owned(), handle }) }),
            Err(error) => {
                remove(&path);
                Err(error)
            }
        }
    }

    /// The name that `ip -n` takes: unique on the machine, changes from run to run.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The label it was created with: the same in every run.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// The file that stands for the namespace, for programs that take a path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        path_of(&self.inner.name)
    }

    /// Runs `work` inside, on a thread of its own, and waits for it. A panic of `work` goes on here.
    ///
    /// Sockets opened by `work` stay in the namespace and may be used from anywhere afterwards.
    ///
    /// # Errors
    /// When the thread cannot enter the namespace.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        on_fresh_thread(|| {
            self.join()?;
            Ok(work())
        })
    }

    /// Starts a thread that lives inside, for servers and clients.
    ///
    /// # Errors
    /// When the thread cannot be started or cannot enter the namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        thread_name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        // A thread starts in the namespace of the thread that starts it.
        self.enter(|| thread::Builder::new().name(thread_name.to_owned()).spawn(work))?
            .with_context(|| format!("starting thread {thread_name} in namespace {}", self.name()))
    }

    /// A command whose process runs inside: only its network differs, the file system is ours.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let namespace = Arc::clone(&self.inner);
        let mut command = Command::new(program);
        let enter = move || setns(&namespace.handle, CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
        // SAFETY: between fork and exec the closure makes one system call on a descriptor that it
        // keeps open; it neither allocates nor takes a lock.
        unsafe {
            command.pre_exec(enter);
        }
        command
    }

    /// Runs `ip ARGUMENTS` inside (split at white space) and returns what it printed.
    ///
    /// # Errors
    /// When iproute2 is missing or refuses; its message is part of the error.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        let output = self
            .command("ip")
            .args(arguments.split_whitespace())
            .output()
            .with_context(|| format!("running `ip {arguments}` (is iproute2 installed?)"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`ip {arguments}` in namespace {}: {}", self.name(), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes a kernel setting of this namespace, such as `net.ipv4.tcp_syncookies`.
    /// A key whose interface name contains a dot is written with slashes instead.
    ///
    /// # Errors
    /// When the setting does not exist per namespace or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.enter(|| write_setting(key, value))?
            .with_context(|| format!("setting {key} = {value} in namespace {}", self.name()))
    }

    /// Moves the calling thread inside.
    fn join(&self) -> Result<()> {
        setns(&self.inner.handle, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("entering network namespace {} (needs root)", self.name()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        remove(&path_of(&self.name));
    }
}

/// Deletes the namespaces that earlier processes left behind when they were killed, and returns
/// their names. Those of living processes are kept.
///
/// # Errors
/// When `/run/netns` cannot be listed.
pub fn sweep() -> Result<Vec<String>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("listing {DIRECTORY}"))?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {DIRECTORY}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_orphan(&name) {
            remove(&entry.path());
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Whether this is the name of a lab's namespace whose process has ended.
pub(crate) fn is_orphan(name: &str) -> bool {
    owner(name).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// The process a namespace of a lab belongs to, from its name.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Gives a namespace a name.
fn bind(namespace: &Path, path: &Path) -> Result<()> {
    mount(Some(namespace), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("binding the network namespace to {}", path.display()))
}

/// Unbinds and unlinks; what is gone already is fine, and a destructor has nobody to tell.
fn remove(path: &Path) {
    let _ = umount2(path, MntFlags::MNT_DETACH);
    let _ = fs::remove_file(path);
}

/// Writes a setting as seen by the calling thread's namespace.
fn write_setting(key: &str, value: &str) -> io::Result<()> {
    let key = if key.contains('/') { key.to_owned() } else { key.replace('.', "/") };
    fs::write(Path::new("/proc/sys").join(key), value)
}

/// Runs `work` on a thread that nobody else uses, since a thread that changed its namespace
/// must not go back to other work.
fn on_fresh_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(outcome) => outcome,
        Err(payload) => panic::resume_unwind(payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip::{or_skip, require_root};

    #[test]
    fn a_namespace_is_named_entered_and_deleted() {
        or_skip!(require_root());
        let namespace = Namespace::new("alone").unwrap();
        let path = namespace.path();
        assert!(path.exists());
        let inside = namespace.enter(|| fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
        let outside = fs::read_link("/proc/thread-self/ns/net").unwrap();
        assert_ne!(inside, outside);
        let child = namespace.command("readlink").arg("/proc/self/ns/net").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&child.stdout).trim(), inside.to_string_lossy());
        drop(namespace);
        assert!(!path.exists());
    }

    #[test]
    fn loopback_is_up_and_settings_are_its_own() {
        or_skip!(require_root());
        let namespace = Namespace::new("lo").unwrap();
        assert!(namespace.ip("-o link show lo").unwrap().contains("LOWER_UP"));
        let before = fs::read_to_string("/proc/sys/net/ipv4/tcp_max_syn_backlog").unwrap();
        namespace.sysctl("net.ipv4.tcp_max_syn_backlog", "17").unwrap();
        let read = || fs::read_to_string("/proc/sys/net/ipv4/tcp_max_syn_backlog").unwrap();
        assert_eq!(namespace.enter(read).unwrap().trim(), "17");
        assert_eq!(read(), before);
    }

    #[test]
    fn a_refused_setting_says_which_and_where() {
        or_skip!(require_root());
        let namespace = Namespace::new("refuse").unwrap();
        let error = namespace.sysctl("net.ipv4.no_such_thing", "1").unwrap_err();
        assert!(format!("{error:#}").contains("net.ipv4.no_such_thing = 1 in namespace fw-"));
    }

    #[test]
    fn a_spawned_thread_is_inside_before_spawn_returns() {
        or_skip!(require_root());
        let namespace = Namespace::new("thread").unwrap();
        let inside = namespace.enter(|| fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
        let thread = namespace.spawn("probe", || fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
        assert_eq!(thread.join().unwrap(), inside);
    }

    #[test]
    fn sweep_removes_what_the_dead_left_and_nothing_else() {
        or_skip!(require_root());
        let mine = Namespace::new("mine").unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let leftover = path_of(&format!("fw-{dead}-0-leftover"));
        fs::write(&leftover, "").unwrap();
        let foreign = path_of("fwother-lab-test");
        fs::write(&foreign, "").unwrap();
        // Another test program may be quicker, so what is returned does not matter.
        sweep().unwrap();
        assert!(!leftover.exists());
        assert!(mine.path().exists());
        assert!(foreign.exists());
        fs::remove_file(foreign).unwrap();
    }

    #[test]
    fn a_bad_label_is_refused() {
        assert!(Namespace::new("a/b").unwrap_err().to_string().contains("label"));
    }
}
