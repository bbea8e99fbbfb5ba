//! What other tools do to a filter.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt as _, path::Path};

use anyhow::Context as _;

const BPF_OBJ_GET: libc::c_long = 7;
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

fn bpf<const N: usize>(command: libc::c_long, attribute: &mut [u64; N]) -> io::Result<libc::c_long> {
    // SAFETY: the attribute is as long as is said, and what it points to outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), size_of::<[u64; N]>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
