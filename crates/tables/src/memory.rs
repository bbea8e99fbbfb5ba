//! Memory that the kernel shares with the controller, seen as a slice; the clock that is read beside it; the CPUs that
//! write to it; and the wait until the kernel has let go of what it was reading there.
//!
//! The one file of the tables with unsafe code.

use std::{
    io,
    marker::PhantomData,
    ops::Deref,
    os::fd::{AsRawFd, BorrowedFd},
};

use floodwall_common::wire::{
    BusySource, Counter, Destination, Line, Rule, Service, ServiceCounter, Settings, SourceSet, Word,
};
use memmap2::{MmapOptions, MmapRaw};

use crate::lock::assert_none_held;

/// A type that memory shared with the kernel can be seen as.
///
/// # Safety
///
/// The type consists of [`Word`]s and nothing else: zeroed memory is a value of it, so is whatever others
/// write, every access is atomic, and its alignment is at most that of a page.
pub unsafe trait Shared {}

// SAFETY: a word.
unsafe impl Shared for Word {}
// SAFETY: an array of words.
unsafe impl Shared for Line {}
// SAFETY: a `repr(C)` struct of words without padding; its size is asserted beside it.
unsafe impl Shared for SourceSet {}
// SAFETY: a `repr(C)` struct of words without padding; its size is asserted beside it.
unsafe impl Shared for Settings {}
// SAFETY: as above.
unsafe impl Shared for Destination {}
// SAFETY: as above.
unsafe impl Shared for Service {}
// SAFETY: as above.
unsafe impl Shared for Rule {}
// SAFETY: as above.
unsafe impl Shared for Counter {}
// SAFETY: as above.
unsafe impl Shared for ServiceCounter {}
// SAFETY: as above.
unsafe impl Shared for BusySource {}

/// Memory seen as `[T]`: the process's own, or the values of a BPF array map.
///
/// Both are mappings, so memory is zero to begin with, and the process's own costs nothing until it is touched.
#[derive(Debug)]
pub struct Region<T> {
    map: MmapRaw,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Shared> Region<T> {
    /// What every element's size is a multiple of, as the kernel rounds the elements of a map up to this.
    const GRAIN: usize = {
        assert!(size_of::<T>() > 0 && size_of::<T>().is_multiple_of(8) && align_of::<T>() <= 4096);
        8
    };

    /// `len` zeroed elements in the process's own memory.
    pub fn in_memory(len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(Self::size(len)?).map_anon()?;
        Ok(Self { map: map.into(), len, of: PhantomData })
    }

    /// The first `len` elements of the array map (made with `BPF_F_MMAPABLE`) that `map` is a descriptor of.
    ///
    /// The mapping keeps the map alive. Fails if the map is smaller, or cannot be mapped for writing.
    pub fn mapped(map: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(Self::size(len)?).map_raw(map.as_raw_fd())?;
        Ok(Self { map, len, of: PhantomData })
    }

    /// All of it as the words that it consists of.
    pub fn words(&self) -> &[Word] {
        // SAFETY: the elements consist of words and nothing else, as `Shared` promises, and lie as long as `self`.
        unsafe {
            std::slice::from_raw_parts(self.map.as_ptr().cast::<Word>(), self.bytes() / size_of::<Word>())
        }
    }

    /// Size of the elements, in bytes.
    pub fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Size of a mapping of `len` elements, in bytes; an empty one cannot be mapped.
    fn size(len: usize) -> io::Result<usize> {
        let size = len.checked_mul(size_of::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(size.max(Self::GRAIN))
    }
}

impl<T: Shared> Deref for Region<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping is `len` elements long at least, page aligned, and lives as long as `self`. That
        // any memory is a valid `T`, and that others may write to it meanwhile, is what `Shared` promises.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<T>(), self.len) }
    }
}

/// The kernel's coarse monotonic clock, ns: what the kernel program takes its time from.
pub(super) fn coarse_clock() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing. The clock exists on every kernel, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPUs that are online, at least one: those that packets may come in on.
pub(super) fn online_cpus() -> u64 {
    // SAFETY: the call takes a number and touches no memory of ours.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u64::try_from(online).unwrap_or(1).max(1)
}

/// Waits until every kernel program that was running when this was called has ended.
///
/// `membarrier(MEMBARRIER_CMD_GLOBAL)` is `synchronize_rcu()` by another name (kernel/sched/membarrier.c), and an
/// XDP program runs within one RCU read-side section. Takes 10 ms or more: hold no lock.
///
/// # Errors
///
/// The kernel's own: it has no such call (`ENOSYS`), or refuses it as the machine was booted with `nohz_full`
/// (`EINVAL`).
pub fn grace_period() -> io::Result<()> {
    assert_none_held("a grace period");
    // SAFETY: the call takes integers only and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::{fd::AsFd, unix::fs::FileExt};

    #[test]
    fn own_memory_is_zero_and_keeps_what_is_stored() {
        let region = Region::<Line>::in_memory(1000).unwrap();
        assert!(region.iter().flatten().all(|word| word.load() == 0));
        region[999][7].store(5);
        assert_eq!((region.len(), region.bytes(), region[999][7].load()), (1000, 64_000, 5));
        assert_eq!(Region::<Word>::in_memory(0).unwrap().len(), 0);
    }

    #[test]
    fn a_mapping_is_shared_with_everyone_who_maps_it() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8192).unwrap();
        let one = Region::<Word>::mapped(file.as_fd(), 1024).unwrap();
        let other = Region::<Word>::mapped(file.as_fd(), 1024).unwrap();
        one[1023].store(0x0102_0304);
        assert_eq!(other[1023].load(), 0x0102_0304);
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, 1023 * 8).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 0x0102_0304);
    }

    #[test]
    fn the_clock_is_the_monotonic_one() {
        let (first, second) = (coarse_clock(), coarse_clock());
        assert!(first > 0 && first <= second);
    }
}
