//! The few `bpf(2)` commands that aya offers only with a fall-back floodwall must not take, or too slowly.
//!
//! aya answers `EINVAL` from `BPF_LINK_CREATE` by attaching through netlink, which would replace a program that
//! someone else attached there.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use floodwall_tables::lock::assert_none_held;

const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_LINK_UPDATE: libc::c_int = 29;
const BPF_LINK_DETACH: libc::c_int = 34;
/// `enum bpf_attach_type` in `include/uapi/linux/bpf.h`.
const BPF_XDP: u32 = 37;
const BPF_TCX_EGRESS: u32 = 47;

/// `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
    rest: [u64; 6],
}

/// `union bpf_attr` for `BPF_LINK_UPDATE`.
#[repr(C)]
struct LinkUpdate {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

/// Most programs that can look at what leaves by an interface (`BPF_MPROG_MAX`).
const MOST_PROGRAMS: usize = 64;

/// `union bpf_attr` for `BPF_PROG_QUERY`.
#[repr(C)]
struct Query {
    ifindex: u32,
    attach_type: u32,
    flags: [u32; 2],
    numbers: u64,
    count: u32,
    padding: u32,
    rest: [u64; 4],
}

/// `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    answer: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    rest: [u64; 3],
}

/// The beginning of `struct __sk_buff`: where a packet has come in.
#[repr(C)]
#[derive(Default)]
struct SkbContext {
    before: [u32; 9],
    ingress_ifindex: u32,
}

const _: () = assert!(size_of::<TestRun>() == 80 && size_of::<SkbContext>() == 40);

/// `union bpf_attr` for `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
#[repr(C)]
struct Object {
    path: u64,
    fd: u32,
    flags: u32,
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Info {
    fd: u32,
    length: u32,
    info: u64,
}

/// `struct bpf_link_info` for an XDP or TCX link.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    padding: u32,
    ifindex: u32,
    rest: [u32; 11],
}

/// Most maps of a program (`MAX_USED_MAPS`).
const MOST_MAPS: usize = 64;

/// `struct bpf_prog_info` up to the numbers of its maps.
#[repr(C)]
#[derive(Default)]
struct ProgramInfo {
    before: [u32; 13],
    count: u32,
    numbers: u64,
}

const _: () = assert!(size_of::<ProgramInfo>() == 64);

fn bpf<T>(command: libc::c_int, attribute: &mut T) -> io::Result<libc::c_long> {
    assert_none_held("a system call about programs and links");
    let pointer: *mut T = attribute;
    // SAFETY: `attribute` is laid out as the kernel's `union bpf_attr` for `command`, and as long as is said;
    // pointers in it outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, pointer, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(fd: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just handed out this descriptor; nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) }
}

fn text(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// Attaches a program to an interface. Fails with `EBUSY` where one is attached already.
pub(super) fn link_create(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let mut attribute = LinkCreate { program, ifindex, attach_type: BPF_XDP, flags, rest: [0; 6] };
    bpf(BPF_LINK_CREATE, &mut attribute).map(owned)
}

/// Has a program look at what leaves by an interface, after all others that do so by now.
pub(super) fn link_create_egress(program: BorrowedFd<'_>, ifindex: u32) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let mut attribute = LinkCreate { program, ifindex, attach_type: BPF_TCX_EGRESS, flags: 0, rest: [0; 6] };
    bpf(BPF_LINK_CREATE, &mut attribute).map(owned)
}

/// Numbers of the programs that look at what leaves by an interface through TCX, in their order. Of very many, none.
pub(super) fn egress_programs(ifindex: u32) -> io::Result<Vec<u32>> {
    let mut numbers = [0_u32; MOST_PROGRAMS];
    let mut query = Query {
        ifindex,
        attach_type: BPF_TCX_EGRESS,
        flags: [0; 2],
        numbers: numbers.as_mut_ptr() as u64,
        count: MOST_PROGRAMS as u32,
        padding: 0,
        rest: [0; 4],
    };
    bpf(BPF_PROG_QUERY, &mut query)?;
    Ok(numbers.into_iter().take(query.count as usize).collect())
}

/// Puts another program behind a link; each packet sees the one or the other.
pub(super) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let (link, program) = (link.as_raw_fd() as u32, program.as_raw_fd() as u32);
    bpf(BPF_LINK_UPDATE, &mut LinkUpdate { link, program, flags: 0, old_program: 0 }).map(drop)
}

/// Ends an attachment now, whoever else still holds the link: to remove its pin would end it a moment later.
pub(super) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    bpf(BPF_LINK_DETACH, &mut { link.as_raw_fd() as u32 }).map(drop)
}

/// Index of the interface that an XDP or TCX link is attached to; 0 if the interface is gone.
pub(super) fn link_ifindex(link: BorrowedFd<'_>) -> io::Result<u32> {
    link_holds(link).map(|(index, _)| index)
}

/// As [`link_ifindex`], and the number of the program that the link has there.
pub(super) fn link_holds(link: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let mut info = LinkInfo::default();
    let length = size_of::<LinkInfo>() as u32;
    let pointer: *mut LinkInfo = &mut info;
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut Info { fd: link.as_raw_fd() as u32, length, info: pointer as u64 })?;
    Ok((info.ifindex, info.program))
}

/// Numbers of the maps that a program reads. To ask by the program's own number would take CAP_SYS_ADMIN.
pub(super) fn maps_of(program: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut numbers = [0_u32; MOST_MAPS];
    let mut info = ProgramInfo {
        count: MOST_MAPS as u32,
        numbers: numbers.as_mut_ptr() as u64,
        ..ProgramInfo::default()
    };
    let length = size_of::<ProgramInfo>() as u32;
    let pointer: *mut ProgramInfo = &mut info;
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut Info { fd: program.as_raw_fd() as u32, length, info: pointer as u64 })?;
    Ok(numbers.into_iter().take(info.count as usize).collect())
}

/// The number of a map.
pub(super) fn map_number(map: BorrowedFd<'_>) -> io::Result<u32> {
    // `struct bpf_map_info`: type, number, and what is not asked for.
    let mut info = [0_u32; 2];
    let pointer: *mut u32 = info.as_mut_ptr();
    let length = size_of_val(&info) as u32;
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut Info { fd: map.as_raw_fd() as u32, length, info: pointer as u64 })?;
    Ok(info[1])
}

/// Gives an object a name on bpffs, under which it lives on without its owner.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = text(path)?;
    bpf(BPF_OBJ_PIN, &mut Object { path: path.as_ptr() as u64, fd: object.as_raw_fd() as u32, flags: 0 })
        .map(drop)
}

/// Opens what is pinned under a name.
pub(super) fn get_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = text(path)?;
    bpf(BPF_OBJ_GET, &mut Object { path: path.as_ptr() as u64, fd: 0, flags: 0 }).map(owned)
}

/// Shows a frame to an XDP program once, and returns its answer. Costs no memory of ours: the frame is only read.
pub(super) fn test_run(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<u32> {
    let mut run = TestRun {
        program: program.as_raw_fd() as u32,
        size_in: u32::try_from(frame.len()).map_err(io::Error::other)?,
        data_in: frame.as_ptr() as u64,
        repeat: 1,
        ..TestRun::default()
    };
    bpf(BPF_PROG_TEST_RUN, &mut run)?;
    Ok(run.answer)
}

/// Shows a frame to an XDP program once, and returns its answer and what it made of the frame, if that is no longer.
pub(super) fn test_run_changing(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<(u32, Vec<u8>)> {
    let mut changed = vec![0_u8; frame.len()];
    let mut run = TestRun {
        program: program.as_raw_fd() as u32,
        size_in: u32::try_from(frame.len()).map_err(io::Error::other)?,
        data_in: frame.as_ptr() as u64,
        size_out: u32::try_from(changed.len()).map_err(io::Error::other)?,
        data_out: changed.as_mut_ptr() as u64,
        repeat: 1,
        ..TestRun::default()
    };
    bpf(BPF_PROG_TEST_RUN, &mut run)?;
    changed.truncate(run.size_out as usize);
    Ok((run.answer, changed))
}

/// Shows a frame to a program at egress once, as if it had come in by the interface with the index `from` (0: by none) and
/// left by the loopback interface. Its answer does not matter.
pub(super) fn test_run_leaving(program: BorrowedFd<'_>, frame: &[u8], from: u32) -> io::Result<()> {
    let context = SkbContext { ingress_ifindex: from, ..SkbContext::default() };
    let mut run = TestRun {
        program: program.as_raw_fd() as u32,
        size_in: u32::try_from(frame.len()).map_err(io::Error::other)?,
        data_in: frame.as_ptr() as u64,
        repeat: 1,
        ..TestRun::default()
    };
    // Kernels that know less of contexts are asked for no more than there has to be.
    if from != 0 {
        run.context_in = (&raw const context) as u64;
        run.context_size_in = size_of::<SkbContext>() as u32;
    }
    bpf(BPF_PROG_TEST_RUN, &mut run).map(drop)
}
