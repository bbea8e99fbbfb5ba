//! The program that looks at what leaves, on the interfaces that lead out.
//!
//! It is attached by TCX links, behind all others that are there, and returns as if it were not there. The links are
//! pinned, so that what leaves is noted while no daemon runs; a link goes along with its interface through a new name.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use anyhow::{Context as _, anyhow};

use super::{pins::Pins, syscall};
use crate::host::Interface;

/// The program at the egress of an interface.
#[derive(Debug)]
pub struct Observer {
    /// Holds the attachment together with its pin.
    link: OwnedFd,
}

impl Observer {
    /// Whether it is on this interface still.
    pub fn is_on(&self, ifindex: u32) -> bool {
        syscall::link_ifindex(self.link.as_fd()).is_ok_and(|held| held == ifindex)
    }
}

/// Has `program` look at what leaves by an interface, in place of that which an earlier daemon left.
pub(super) fn observe(
    pins: &Pins,
    program: BorrowedFd<'_>,
    interface: &Interface,
) -> anyhow::Result<Observer> {
    let path = pins.egress(interface.index);
    if let Some(link) = take_up(&path, interface.index)?
        && syscall::link_update(link.as_fd(), program).is_ok()
    {
        return Ok(Observer { link });
    }
    let link = syscall::link_create_egress(program, interface.index)
        .map_err(|error| explain(&error, &interface.name))?;
    syscall::pin(link.as_fd(), &path).with_context(|| format!("pinning it as {}", path.display()))?;
    Ok(Observer { link })
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

/// Ends the attachment that is pinned under a path.
pub(super) fn let_go(path: &Path) -> anyhow::Result<()> {
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
pub(super) fn pinned(pins: &Pins) -> Vec<u32> {
    let entries = fs::read_dir(pins.observers()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Ends all of them.
pub(super) fn let_go_of_all(pins: &Pins) {
    for ifindex in pinned(pins) {
        if let Err(error) = let_go(&pins.egress(ifindex)) {
            tracing::warn!(error = format!("{error:#}"), "what leaves may still be looked at");
        }
    }
}

/// What the kernel's refusal means for whoever asked.
fn explain(error: &io::Error, name: &str) -> anyhow::Error {
    let meaning = match error.raw_os_error() {
        Some(libc::EINVAL) => "the kernel has no TCX (it came with Linux 6.6)",
        Some(libc::ENODEV) => "the interface has just disappeared",
        Some(libc::ERANGE) => "there are too many programs already",
        Some(libc::EPERM) => "this takes the capabilities CAP_NET_ADMIN and CAP_BPF (run it as root)",
        _ => "the kernel refuses",
    };
    anyhow!("no program can be attached to the egress of {name}: {meaning} ({error})")
}
