//! `bpf(2)` commands that aya does not offer: an element into a map by its descriptor, many at once, and a program onto an
//! interface by its descriptor.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_MAP_UPDATE_BATCH: libc::c_int = 26;
const BPF_LINK_CREATE: libc::c_int = 28;
/// `BPF_XDP`, the place that XDP programs are attached at.
const AT_XDP: u32 = 37;
/// `XDP_FLAGS_DRV_MODE`: in the driver, or not at all.
const IN_DRIVER: u32 = 1 << 2;

/// `union bpf_attr` for `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` for `BPF_MAP_UPDATE_BATCH`.
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

/// `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct Link {
    program: u32,
    interface: u32,
    place: u32,
    flags: u32,
}

/// Runs a command; says what it returned.
fn bpf<T>(command: libc::c_int, attribute: &mut T) -> io::Result<libc::c_long> {
    let pointer: *mut T = attribute;
    // SAFETY: `attribute` is laid out as the kernel's `union bpf_attr` for `command`, and as long as is said;
    // pointers in it outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, pointer, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Puts a program into an array of programs.
pub(crate) fn set_program(array: BorrowedFd<'_>, index: u32, program: BorrowedFd<'_>) -> io::Result<()> {
    let value = program.as_raw_fd() as u32;
    let (key_at, value_at): (*const u32, *const u32) = (&index, &value);
    let map = array.as_raw_fd() as u32;
    let (key, value) = (key_at as u64, value_at as u64);
    bpf(BPF_MAP_UPDATE_ELEM, &mut Element { map, padding: 0, key, value, flags: 0 }).map(drop)
}

/// Attaches an XDP program to the interface with this index in the thread's namespace, in native mode. It is
/// detached when the link is closed.
pub(crate) fn attach(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let link = bpf(BPF_LINK_CREATE, &mut Link { program, interface, place: AT_XDP, flags: IN_DRIVER })?;
    // SAFETY: the kernel has just opened it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(link as libc::c_int) })
}

/// Puts elements into a map, each with a value of 64 bits that is 0.
///
/// `K` is what the map's definition says its keys are, without padding.
pub(crate) fn insert_zeros<K: Copy>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<()> {
    /// Elements that go in with one call.
    const MANY: usize = 4096;
    let values = [0u64; MANY];
    for keys in keys.chunks(MANY) {
        let mut batch = Batch {
            in_batch: 0,
            out_batch: 0,
            keys: keys.as_ptr() as u64,
            values: values.as_ptr() as u64,
            count: keys.len() as u32,
            map: map.as_raw_fd() as u32,
            element_flags: 0,
            flags: 0,
        };
        bpf(BPF_MAP_UPDATE_BATCH, &mut batch)?;
    }
    Ok(())
}
