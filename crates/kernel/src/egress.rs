//! The program that looks at what leaves, on the interfaces that lead out.
//!
//! It is attached by TCX links, behind all others that are there, and returns as if it were not there. The links are
//! pinned, so that what leaves is noted while no daemon runs; a link goes along with its interface through a new name. A
//! kernel without TCX gets a filter in place of a link: see [`clsact`].

use std::{
    env, fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use anyhow::{Context as _, anyhow};

use super::{clsact, pins::Pins, syscall};
use floodwall_host::Interface;

/// Tells, if it is set to anything, that the kernel is to be taken for one without TCX: for tests.
const WITHOUT_TCX: &str = "FLOODWALL_TEST_WITHOUT_TCX";

/// The program at the egress of an interface.
#[derive(Debug)]
pub struct Observer(Held);

#[derive(Debug)]
enum Held {
    /// Holds the attachment together with its pin.
    Link(OwnedFd),
    /// The filter lives by itself.
    Filter(Pins),
}

impl Observer {
    /// Whether it is on this interface still.
    pub fn is_on(&self, ifindex: u32) -> bool {
        match &self.0 {
            Held::Link(link) => syscall::link_ifindex(link.as_fd()).is_ok_and(|held| held == ifindex),
            Held::Filter(pins) => clsact::is_on(pins, ifindex),
        }
    }

    /// Whether it is a filter, as the kernel has no TCX.
    pub fn is_filter(&self) -> bool {
        matches!(self.0, Held::Filter(_))
    }
}

/// Has a program look at what leaves by an interface, in place of that which an earlier daemon left.
pub(super) fn observe(
    pins: &Pins,
    program: BorrowedFd<'_>,
    interface: &Interface,
) -> anyhow::Result<Observer> {
    let path = pins.egress(interface.index);
    if let Some(link) = take_up(&path, interface.index)?
        && syscall::link_update(link.as_fd(), program).is_ok()
    {
        return Ok(Observer(Held::Link(link)));
    }
    let created = match env::var_os(WITHOUT_TCX) {
        Some(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        None => syscall::link_create_egress(program, interface.index),
    };
    let link = match created {
        Err(error) if clsact::is_without_tcx(&error) => {
            clsact::put_on(pins, program, interface)?;
            return Ok(Observer(Held::Filter(pins.clone())));
        }
        created => created.map_err(|error| explain(&error, &interface.name))?,
    };
    syscall::pin(link.as_fd(), &path).with_context(|| format!("pinning it as {}", path.display()))?;
    if clsact::is_noted(pins, interface.index) {
        // The kernel is a newer one than that of an earlier run.
        clsact::take_off(pins, interface.index)?;
    }
    Ok(Observer(Held::Link(link)))
}

/// What is asked before our program about what leaves by an interface, and may not let it be asked; `ours` are the numbers of
/// ours.
pub(super) fn before(pins: &Pins, ours: &[u32], ifindex: u32) -> anyhow::Result<Vec<String>> {
    if clsact::is_noted(pins, ifindex) {
        return clsact::before(ifindex);
    }
    let all = syscall::egress_programs(ifindex).context("asking which programs look at what leaves")?;
    let others = all.into_iter().take_while(|number| !ours.contains(number));
    Ok(others.map(|number| format!("program, number {number}")).collect())
}

/// The pinned link of an earlier run, if it is on this interface still; else it is let go.
fn take_up(path: &Path, ifindex: u32) -> anyhow::Result<Option<OwnedFd>> {
    let link = match syscall::get_pinned(path) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(anyhow!(error).context(format!("opening the pinned link {}", path.display())));
        }
    };
    if syscall::link_ifindex(link.as_fd()).is_ok_and(|held| held == ifindex) {
        return Ok(Some(link));
    }
    let_go(path)?;
    Ok(None)
}

/// Ends what looks at what leaves by an interface, by this run or an earlier one.
pub(super) fn let_go_of(pins: &Pins, ifindex: u32) -> anyhow::Result<()> {
    if clsact::is_noted(pins, ifindex) {
        clsact::take_off(pins, ifindex)?;
    }
    let path = pins.egress(ifindex);
    if path.exists() { let_go(&path) } else { Ok(()) }
}

/// Ends the attachment that is pinned under a path.
fn let_go(path: &Path) -> anyhow::Result<()> {
    // Of an interface that is gone, the link holds nothing any more.
    let ended = syscall::get_pinned(path).and_then(|link| syscall::link_detach(link.as_fd()));
    if let Err(error) = ended
        && error.raw_os_error() != Some(libc::ENOLINK)
    {
        tracing::warn!(%error, path = %path.display(), "what leaves may still be looked at");
    }
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

/// Indices of the interfaces on which there is one, by this run or an earlier one.
pub(super) fn observed(pins: &Pins) -> Vec<u32> {
    let entries = fs::read_dir(pins.observers()).into_iter().flatten().flatten();
    let linked = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut all: Vec<u32> = linked.chain(clsact::noted(pins)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Ends all of them.
pub(super) fn let_go_of_all(pins: &Pins) {
    for ifindex in observed(pins) {
        if let Err(error) = let_go_of(pins, ifindex) {
            tracing::warn!(error = format!("{error:#}"), "what leaves may still be looked at");
        }
    }
}

/// What the kernel's refusal means for whoever asked.
fn explain(error: &io::Error, name: &str) -> anyhow::Error {
    let meaning = match error.raw_os_error() {
        Some(libc::ENODEV) => "the interface has just disappeared",
        Some(libc::ERANGE) => "there are too many programs already",
        Some(libc::EPERM) => "this takes the capabilities CAP_NET_ADMIN and CAP_BPF (run it as root)",
        _ => "the kernel refuses",
    };
    anyhow!("no program can be attached to the egress of {name}: {meaning} ({error})")
}
