//! The few `ioctl`s on interfaces that are quicker and surer than starting a program. All act in
//! the namespace of the calling thread.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail};

/// `ETHTOOL_S*` commands of `linux/ethtool.h` with what each switches off.
const OFFLOADS: [(u32, &str); 6] = [
    // Without this, the kernel leaves checksums of its own packets to a device that has none, and
    // a capture or an XDP program sees them wrong.
    (0x17, "tx checksumming"),
    (0x15, "rx checksumming"),
    (0x1f, "TCP segmentation"),
    (0x22, "UDP fragmentation"),
    (0x24, "generic segmentation"),
    (0x2c, "generic receive offload"),
];

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

/// Brings an interface up.
pub(crate) fn up(name: &str) -> Result<()> {
    let socket = control_socket()?;
    let mut request = request_for(name)?;
    call(&socket, libc::SIOCGIFFLAGS, &mut request)
        .with_context(|| format!("reading the flags of interface {name}"))?;
    // SAFETY: SIOCGIFFLAGS has just filled this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    let up = libc::c_short::try_from(libc::IFF_UP).context("IFF_UP does not fit interface flags")?;
    request.ifr_ifru.ifru_flags = flags | up;
    call(&socket, libc::SIOCSIFFLAGS, &mut request).with_context(|| format!("bringing interface {name} up"))
}

/// The interface's index, its identity within the namespace.
pub(crate) fn index(name: &str) -> Result<u32> {
    nix::net::if_::if_nametoindex(name).with_context(|| format!("looking up interface {name}"))
}

/// Switches off every offload that makes frames on the wire differ from frames as sent.
pub(crate) fn plain_frames(name: &str) -> Result<()> {
    let socket = control_socket()?;
    for (command, what) in OFFLOADS {
        let mut value = EthtoolValue { command, value: 0 };
        let mut request = request_for(name)?;
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        match call(&socket, libc::SIOCETHTOOL, &mut request) {
            Ok(()) => {}
            // A device that cannot do it need not be told not to.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("switching off {what} of interface {name}"));
            }
        }
    }
    Ok(())
}

fn control_socket() -> Result<OwnedFd> {
    // SAFETY: plain system call; the result is checked before it is owned.
    let descriptor = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error()).context("opening a socket for interface control");
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

pub(crate) fn request_for(name: &str) -> Result<libc::ifreq> {
    // SAFETY: all-zero is a valid `ifreq`: integers, arrays of them, and null pointers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        bail!("interface name {name:?} must have 1 to {} characters", request.ifr_name.len() - 1);
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = libc::c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

fn call(socket: &OwnedFd, number: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: all callers pass commands that read and write one `ifreq` (and, for ethtool, the
    // live `EthtoolValue` it points to).
    if unsafe { libc::ioctl(socket.as_raw_fd(), number, request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
