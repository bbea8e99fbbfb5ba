//! Attaching to interfaces, and letting go of them.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, anyhow, bail};

use super::{pins::Pins, syscall};
use floodwall_host::Mode;
use floodwall_host::{AttachedXdp, Framing, Interface};

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` in `include/uapi/linux/if_link.h`.
const GENERIC: u32 = 1 << 1;
const NATIVE: u32 = 1 << 2;

/// The filter on an interface.
#[derive(Debug)]
pub struct Attachment {
    /// Name of the interface.
    pub interface: String,
    /// Index of the interface.
    pub ifindex: u32,
    /// Whether the driver runs the program, rather than the network stack behind it.
    pub native: bool,
    /// Whether the mode is not the one asked for, and why.
    pub fallback: Option<String>,
    link: Link,
}

impl Attachment {
    /// What holds it, to be asked without the attachment.
    pub fn link(&self) -> Link {
        self.link.clone()
    }
}

/// Holds an attachment together with its pin.
#[derive(Clone, Debug)]
pub struct Link(Arc<OwnedFd>);

impl Link {
    fn new(link: OwnedFd) -> Self {
        Self(Arc::new(link))
    }

    /// Index of the interface that the link holds now, in whichever network namespace that is; 0 if it holds none: the
    /// interface is gone, or another tool has detached the program. `None` if that cannot be told.
    pub fn held(&self) -> Option<u32> {
        syscall::link_ifindex(self.0.as_fd()).ok()
    }

    /// Whether it is the same, and not another one of the same interface.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Has an attachment stand under another name, that of an interface that was renamed.
pub(super) fn rename(pins: &Pins, from: &str, to: &str) -> anyhow::Result<()> {
    let (from, to) = (pins.link(from), pins.link(to));
    // To take the place of another link's pin would end that link with the daemon; one whose interface is gone holds
    // nothing any more.
    let holds = syscall::get_pinned(&to).and_then(|link| syscall::link_ifindex(link.as_fd()));
    let is_free = from == to || !to.exists() || matches!(holds, Ok(0));
    anyhow::ensure!(is_free, "{} is there already", to.display());
    fs::rename(&from, &to).with_context(|| format!("renaming {} to {}", from.display(), to.display()))
}

/// Removes the pins of links whose interface is gone, or that another tool has detached: they hold nothing any more.
pub(super) fn sweep(pins: &Pins) -> anyhow::Result<()> {
    for name in pins.interfaces().context("listing the protected interfaces")? {
        let path = pins.link(&name);
        let held = syscall::get_pinned(&path).and_then(|link| syscall::link_ifindex(link.as_fd()));
        if matches!(held, Ok(0)) {
            fs::remove_file(&path).with_context(|| format!("removing the stale link {}", path.display()))?;
        }
    }
    Ok(())
}

/// Attaches `program`, or puts it behind the attachment that an earlier daemon left.
pub(super) fn attach(
    pins: &Pins,
    program: BorrowedFd<'_>,
    interface: &Interface,
    mode: Mode,
) -> anyhow::Result<Attachment> {
    let name = &interface.name;
    if let Err(why) = interface.framing() {
        bail!("{name} cannot be filtered: {why}");
    }
    let path = pins.link(name);
    if let Some(link) = take_up(&path, interface)? {
        let native = interface.xdp != Some(AttachedXdp::Generic);
        match (mode, native) {
            (Mode::Native, false) => bail!(
                "{name} is protected in generic mode by an earlier run; `floodwall detach {name}` first, or ask for \
                 --mode generic or auto"
            ),
            (Mode::Generic, true) => bail!(
                "{name} is protected in native mode by an earlier run; `floodwall detach {name}` first, or ask for \
                 --mode native or auto"
            ),
            _ => {}
        }
        syscall::link_update(link.as_fd(), program)
            .with_context(|| format!("replacing the program on {name} through its link"))?;
        let fallback = (!native).then(|| "an earlier run attached it so".to_owned());
        return Ok(Attachment {
            interface: name.clone(),
            ifindex: interface.index,
            native,
            fallback,
            link: Link::new(link),
        });
    }
    if let Some(other) = interface.xdp {
        bail!(
            "{name} has an XDP program already, attached in {other} mode and not by this floodwall; it is left alone. \
             `ip link show dev {name}` names it; detach it first if it is no longer wanted"
        );
    }
    let (link, native, fallback) = create(program, interface, mode)?;
    syscall::pin(link.as_fd(), &path)
        .with_context(|| format!("pinning the link of {name} as {}", path.display()))?;
    Ok(Attachment {
        interface: name.clone(),
        ifindex: interface.index,
        native,
        fallback,
        link: Link::new(link),
    })
}

/// The pinned link of an earlier run, if it still holds this interface. One whose interface is gone is removed;
/// one that filters another interface now is not, as that would leave it unprotected without a word.
fn take_up(path: &Path, interface: &Interface) -> anyhow::Result<Option<OwnedFd>> {
    let link = match syscall::get_pinned(path) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(anyhow!(error).context(format!("opening the pinned link {}", path.display())));
        }
    };
    let ifindex = syscall::link_ifindex(link.as_fd())
        .with_context(|| format!("asking what {} holds", path.display()))?;
    let name = &interface.name;
    match ifindex {
        0 => {
            fs::remove_file(path).with_context(|| format!("removing the stale link {}", path.display()))?;
            Ok(None)
        }
        // The numbers of interfaces are those of a network namespace: the same one may stand for another there.
        _ if ifindex == interface.index && interface.xdp.is_some() => Ok(Some(link)),
        _ => bail!(
            "{} filters another interface, number {ifindex}, that was {name} when it was protected: it was renamed, or \
             belongs to another network namespace; `floodwall detach {name}` lets go of it, and another --bpffs leaves \
             it alone",
            path.display()
        ),
    }
}

/// Names under which attachments stand, with the indices of the interfaces and the numbers of the programs that they hold.
pub(super) fn standing(pins: &Pins) -> anyhow::Result<Vec<(String, u32, u32)>> {
    let names = pins.interfaces().context("listing the protected interfaces")?;
    let holds = |name: String| {
        let link = syscall::get_pinned(&pins.link(&name));
        let (index, program) = link.and_then(|link| syscall::link_holds(link.as_fd())).ok()?;
        Some((name, index, program))
    };
    Ok(names.into_iter().filter_map(holds).collect())
}

fn create(
    program: BorrowedFd<'_>,
    interface: &Interface,
    mode: Mode,
) -> anyhow::Result<(OwnedFd, bool, Option<String>)> {
    if mode == Mode::Generic {
        let link = syscall::link_create(program, interface.index, GENERIC)
            .map_err(|error| explain(&error, interface, "generic"))?;
        return Ok((link, false, None));
    }
    // No driver runs it before there is a packet of the stack's: the kernel would have to know where IP begins.
    let created = match interface.framing() {
        Ok(Framing::Ip) => Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
        _ => syscall::link_create(program, interface.index, NATIVE),
    };
    let refused = match created {
        Ok(link) => return Ok((link, true, None)),
        Err(error) => explain(&error, interface, "native"),
    };
    if mode == Mode::Native {
        return Err(refused
            .context("native mode was asked for (the default); --mode auto would fall back to generic"));
    }
    let link = syscall::link_create(program, interface.index, GENERIC)
        .map_err(|error| explain(&error, interface, "generic"))?;
    Ok((link, false, Some(format!("{refused:#}"))))
}

/// What the kernel's refusal means for whoever asked.
fn explain(error: &io::Error, interface: &Interface, mode: &str) -> anyhow::Error {
    let Interface { name, mtu, .. } = interface;
    let meaning = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => format!("the driver of {name} cannot run XDP programs in {mode} mode"),
        Some(libc::EBUSY) => format!("another XDP program is attached to {name}; it is left alone"),
        Some(libc::EINVAL | libc::ERANGE | libc::E2BIG) if *mtu > 1500 => format!(
            "the driver of {name} refuses; its MTU is {mtu}, and many drivers run XDP only up to a page less \
             headroom (about 3,500): try `ip link set {name} mtu 1500`"
        ),
        Some(libc::EINVAL) => format!(
            "the driver of {name} refuses; it may need fewer queues or receive offloads (LRO) switched off: `dmesg` \
             may say which"
        ),
        Some(libc::ENODEV) => format!("{name} has just disappeared"),
        Some(libc::ENOMEM) => format!("the driver of {name} found no memory for its XDP queues"),
        Some(libc::EPERM) => {
            "this takes the capabilities CAP_NET_ADMIN and CAP_BPF (run it as root)".to_owned()
        }
        _ => "the kernel refuses".to_owned(),
    };
    anyhow!("attaching to {name} in {mode} mode: {meaning} ({error})")
}

/// Removes what is left of an attachment whose interface is gone.
pub(super) fn forget(pins: &Pins, attachment: &Attachment) -> anyhow::Result<()> {
    let path = pins.link(&attachment.interface);
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
}

/// Removes the attachment to an interface; packets pass it unfiltered from now on. Says which are left.
pub(super) fn detach(pins: &Pins, interface: &str) -> anyhow::Result<Vec<String>> {
    let path = pins.link(interface);
    let link = match syscall::get_pinned(&path) {
        Ok(link) => link,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let left = pins.interfaces().unwrap_or_default();
            let there =
                if left.is_empty() { "none is".to_owned() } else { format!("{} is", left.join(", ")) };
            bail!("{interface} is not protected by this floodwall ({there})");
        }
        Err(error) => {
            return Err(anyhow!(error).context(format!("opening the pinned link {}", path.display())));
        }
    };
    match syscall::link_detach(link.as_fd()) {
        // The interface has gone before.
        Err(error) if error.raw_os_error() != Some(libc::ENOLINK) => {
            return Err(anyhow!(error).context(format!("detaching from {interface}")));
        }
        _ => {}
    }
    fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    let left = pins.interfaces().context("listing the interfaces that are left")?;
    if left.is_empty() {
        super::egress::let_go_of_all(pins);
        pins.remove_all().context("removing the maps")?;
    }
    Ok(left)
}

/// Names of the interfaces that are filtered by what is pinned below `bpffs`, whether a daemon runs or not.
pub fn in_force(bpffs: &Path) -> anyhow::Result<Vec<String>> {
    let standing = standing(&Pins::new(bpffs))?.into_iter();
    Ok(standing.filter(|(_, index, _)| *index != 0).map(|(name, ..)| name).collect())
}

/// Detaches from all interfaces where no daemon runs that could be asked, and says which these were; every trace under `bpffs`
/// is gone then, also of a daemon that had none.
///
/// # Errors
///
/// If a daemon runs, or the kernel refuses.
pub fn detach_all_offline(bpffs: &Path) -> anyhow::Result<Vec<String>> {
    let pins = Pins::new(bpffs);
    if !bpffs.exists() {
        return Ok(Vec::new());
    }
    let _lock = pins.lock()?;
    let names = pins.interfaces().context("listing the protected interfaces")?;
    for name in &names {
        detach(&pins, name)?;
    }
    super::egress::let_go_of_all(&pins);
    pins.remove_all().context("removing the maps")?;
    Ok(names)
}

/// Detaches where no daemon runs that could be asked: the pin is all that holds the filter then. `found` is what has this
/// name, or alternative name, now; it may have been protected by another one.
///
/// Says which interfaces are left; when there are none, every trace under `bpffs` is gone.
pub fn detach_offline(
    bpffs: &Path,
    interface: &str,
    found: Option<&Interface>,
) -> anyhow::Result<Vec<String>> {
    let pins = Pins::new(bpffs);
    // A daemon that was asked at the wrong socket must not lose what it pinned; where nothing is pinned, there
    // is nothing to lock.
    let _lock = if bpffs.exists() { Some(pins.lock()?) } else { None };
    if let Some(found) = found.filter(|_| !pins.link(interface).exists()) {
        if pins.link(&found.name).exists() {
            return detach(&pins, &found.name);
        }
        let mut standing = standing(&pins)?.into_iter();
        if let Some((before, ..)) = standing.find(|(_, index, program)| found.has(*index, *program)) {
            return detach(&pins, &before);
        }
    }
    detach(&pins, interface)
}
