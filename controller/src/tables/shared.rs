//! The tables that the kernel program and the controller share, as the controller sees them.

use std::{io, os::fd::BorrowedFd};

use floodwall_common::{
    tables::Tables,
    wire::{ABI_VERSION, Line, Settings, SourceSet, Word},
};

use super::{
    capacity::{Capacity, PREFIX_BITMAP_WORDS, PREFIX_ROOTS},
    memory::{Region, coarse_clock},
};

/// The shared tables, in the process's own memory or in mapped BPF maps.
///
/// All of it may be read and written by the kernel at any time, hence by anyone who has a `&SharedTables`; who
/// may write what is told where it is written.
#[derive(Debug)]
pub struct SharedTables {
    /// One element.
    pub settings: Region<Settings>,
    /// Two halves of the roots of both families; see [`root_base`](floodwall_common::wire::root_base).
    pub prefix_roots: Region<Word>,
    /// Two halves of two families of bits; see [`bitmap_base`](floodwall_common::wire::bitmap_base).
    pub prefix_bitmaps: Region<Word>,
    /// All that roots of the prefix table refer to.
    pub prefix_lines: Region<Line>,
    /// Sets of the source table; a power of two.
    pub sources: Region<SourceSet>,
}

impl SharedTables {
    /// Empty tables in the process's own memory. Settings are zero but for those that describe the tables.
    pub fn in_memory(capacity: &Capacity) -> io::Result<Self> {
        let tables = Self {
            settings: Region::in_memory(1)?,
            prefix_roots: Region::in_memory(PREFIX_ROOTS as usize)?,
            prefix_bitmaps: Region::in_memory(PREFIX_BITMAP_WORDS as usize)?,
            prefix_lines: Region::in_memory(capacity.prefix_lines() as usize)?,
            sources: Region::in_memory(capacity.source_sets() as usize)?,
        };
        tables.describe(capacity);
        Ok(tables)
    }

    /// The tables in these BPF array maps, which were made for `capacity` and are mappable.
    ///
    /// Settings are left as they are, but for those that describe the tables. Fails if a map is too small or
    /// cannot be mapped, and if somebody with another layout has used the maps.
    pub fn mapped(
        capacity: &Capacity,
        settings: BorrowedFd<'_>,
        prefix_roots: BorrowedFd<'_>,
        prefix_bitmaps: BorrowedFd<'_>,
        prefix_lines: BorrowedFd<'_>,
        sources: BorrowedFd<'_>,
    ) -> io::Result<Self> {
        let tables = Self {
            settings: Region::mapped(settings, 1)?,
            prefix_roots: Region::mapped(prefix_roots, PREFIX_ROOTS as usize)?,
            prefix_bitmaps: Region::mapped(prefix_bitmaps, PREFIX_BITMAP_WORDS as usize)?,
            prefix_lines: Region::mapped(prefix_lines, capacity.prefix_lines() as usize)?,
            sources: Region::mapped(sources, capacity.source_sets() as usize)?,
        };
        let abi = tables.settings[0].abi.load();
        if abi != 0 && abi != u64::from(ABI_VERSION) {
            let message = format!("the maps have layout {abi}, and this program knows layout {ABI_VERSION}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        tables.describe(capacity);
        Ok(tables)
    }

    /// Writes what the kernel program must know of the tables themselves.
    fn describe(&self, capacity: &Capacity) {
        let settings = &self.settings[0];
        settings.abi.store(u64::from(ABI_VERSION));
        settings.source_mask.store(u64::from(capacity.source_sets() - 1));
    }
}

impl Tables for SharedTables {
    #[inline]
    fn settings(&self) -> Option<&Settings> {
        self.settings.first()
    }

    #[inline]
    fn clock(&self) -> u64 {
        coarse_clock()
    }

    #[inline]
    fn prefix_root(&self, index: u32) -> Option<&Word> {
        self.prefix_roots.get(index as usize)
    }

    #[inline]
    fn prefix_bitmap(&self, index: u32) -> Option<&Word> {
        self.prefix_bitmaps.get(index as usize)
    }

    #[inline]
    fn prefix_line(&self, index: u32) -> Option<&Line> {
        self.prefix_lines.get(index as usize)
    }

    #[inline]
    fn source_set(&self, index: u32) -> Option<&SourceSet> {
        self.sources.get(index as usize)
    }
}
