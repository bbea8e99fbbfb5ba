//! What other tools do to a filter.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use anyhow::Context as _;
use floodwall_lab::namespace::Namespace;

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_DETACH: libc::c_long = 34;

/// Detaches a link through its pin, which stays, as `bpftool link detach` does.
///
/// # Errors
///
/// If there is no such link.
pub fn detach_pinned(path: &Path) -> anyhow::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // `union bpf_attr` for `BPF_OBJ_GET`: the path's address, a descriptor and flags.
    let mut get: [u64; 2] = [name.as_ptr() as u64, 0];
    let link = bpf(BPF_OBJ_GET, &mut get).with_context(|| format!("opening {}", path.display()))?;
    let mut detach: [u64; 1] = [link.cast_unsigned()];
    let outcome = bpf(BPF_LINK_DETACH, &mut detach).context("detaching the link");
    // SAFETY: the kernel has just handed out this descriptor; nobody else owns it.
    unsafe { libc::close(link as libc::c_int) };
    outcome.map(drop)
}

/// Puts a program at the egress of an interface, before all others, that ends the chain there: it returns `TC_ACT_OK`.
/// It is there for as long as the link lives.
///
/// # Errors
///
/// If the kernel has no TCX.
pub fn end_egress(namespace: &Namespace, ifindex: u32) -> anyhow::Result<OwnedFd> {
    // `BPF_PROG_TYPE_SCHED_CLS`, `BPF_TCX_EGRESS`, `BPF_F_BEFORE` in `include/uapi/linux/bpf.h`.
    attach(namespace, ifindex, Place { program: 3, attach: 47, flags: 1 << 3 }, 0)
        .context("putting a program that ends the chain at an egress")
}

/// Puts an XDP program on an interface that passes every packet. It is there for as long as the link lives. A veth takes what
/// a program at its other end sends back only so.
///
/// # Errors
///
/// If another program is there.
pub fn pass_all(namespace: &Namespace, ifindex: u32) -> anyhow::Result<OwnedFd> {
    // `BPF_PROG_TYPE_XDP`, `BPF_XDP`, `XDP_FLAGS_DRV_MODE`, `XDP_PASS`.
    attach(namespace, ifindex, Place { program: 6, attach: 37, flags: 1 << 2 }, 2)
        .context("putting a program that passes every packet on an interface")
}

/// Where a program is put, in numbers of the kernel's.
struct Place {
    program: u64,
    attach: u64,
    flags: u64,
}

/// Puts a program somewhere that returns the same number for every packet.
fn attach(namespace: &Namespace, ifindex: u32, place: Place, verdict: u64) -> anyhow::Result<OwnedFd> {
    let Place { program, attach, flags } = place;
    namespace.enter(|| {
        // `r0 = verdict; exit`.
        let instructions: [u64; 2] = [0xb7 | verdict << 32, 0x95];
        let license = c"GPL";
        let mut load: [u64; 6] =
            [program | 2 << 32, instructions.as_ptr() as u64, license.as_ptr() as u64, 0, 0, 0];
        let program = bpf(BPF_PROG_LOAD, &mut load).context("loading it")?;
        // SAFETY: the kernel has just handed out this descriptor; nobody else owns it.
        let program = unsafe { OwnedFd::from_raw_fd(program as libc::c_int) };
        let fd = u64::from(program.as_raw_fd().cast_unsigned());
        let mut create: [u64; 4] = [fd | u64::from(ifindex) << 32, attach | flags << 32, 0, 0];
        let link = bpf(BPF_LINK_CREATE, &mut create).context("attaching it")?;
        // SAFETY: as above.
        Ok(unsafe { OwnedFd::from_raw_fd(link as libc::c_int) })
    })?
}

fn bpf<const N: usize>(command: libc::c_long, attribute: &mut [u64; N]) -> io::Result<libc::c_long> {
    // SAFETY: the attribute is as long as is said, and what it points to outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), size_of::<[u64; N]>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
