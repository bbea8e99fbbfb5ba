//! The two engines that judge packets by the same core.

use std::sync::Arc;

use anyhow::Context as _;
use floodwall_common::{
    decide::decide,
    frame::{Captured, Frame, Window},
    wire::Reason,
};

use crate::{
    kernel::{Judged, Kernel, LINEAR_PART, LONGEST_FRAME, ReasonTotals, SHORTEST_FRAME},
    tables::{Capacity, SharedTables},
};

/// Judges one frame after the other, each at its own time.
pub trait Engine {
    /// What it judges by.
    fn tables(&self) -> Arc<SharedTables>;

    /// Judges a frame at this time, ns. What is longer than [`LONGEST_FRAME`] is judged as one of that length.
    ///
    /// # Errors
    ///
    /// If the engine itself fails; a frame cannot make it.
    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged>;

    /// What was judged so far, by reason.
    ///
    /// # Errors
    ///
    /// If the counters cannot be read.
    fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>>;
}

/// The host build of the core, over plain memory. Needs no privilege.
pub struct ModelEngine {
    tables: Arc<SharedTables>,
    totals: Vec<ReasonTotals>,
}

impl ModelEngine {
    /// With empty tables.
    ///
    /// # Errors
    ///
    /// If there is no memory for the tables.
    pub fn new(capacity: &Capacity) -> anyhow::Result<Self> {
        let tables = Arc::new(SharedTables::in_memory(capacity).context("making tables in memory")?);
        Ok(Self { tables, totals: none() })
    }
}

impl Engine for ModelEngine {
    fn tables(&self) -> Arc<SharedTables> {
        Arc::clone(&self.tables)
    }

    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged> {
        self.tables.settings[0].clock.store(time_ns);
        let decision = decide(&*self.tables, &Shown::new(frame));
        count(&mut self.totals, decision.reason, length_of(frame));
        Ok(Judged::by(decision.reason))
    }

    fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        Ok(self.totals.clone())
    }
}

/// The program in the kernel, as it would be attached, shown frames by `BPF_PROG_TEST_RUN`. Needs root.
pub struct KernelEngine {
    kernel: Kernel,
    tables: Arc<SharedTables>,
    /// The frame that is shown, followed by zeros.
    frame: Vec<u8>,
    /// Bytes of the last frame, which the next one must not end with.
    dirty: usize,
    /// What the kernel does not show to programs, being shorter than an Ethernet header.
    unseen: Vec<ReasonTotals>,
}

impl KernelEngine {
    /// Loads the program, with empty tables.
    ///
    /// # Errors
    ///
    /// If the kernel or the privileges do not allow it.
    pub fn new(capacity: &Capacity) -> anyhow::Result<Self> {
        let kernel = Kernel::load(None, capacity.clone())?;
        let tables = kernel.tables();
        Ok(Self { kernel, tables, frame: vec![0; LONGEST_FRAME], dirty: 0, unseen: none() })
    }
}

impl Engine for KernelEngine {
    fn tables(&self) -> Arc<SharedTables> {
        Arc::clone(&self.tables)
    }

    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged> {
        let length = length_of(frame) as usize;
        if length < SHORTEST_FRAME {
            count(&mut self.unseen, Reason::NotIp, length as u32);
            return Ok(Judged::by(Reason::NotIp));
        }
        let there = &frame.bytes()[..frame.bytes().len().min(length)];
        self.frame[..there.len()].copy_from_slice(there);
        if self.dirty > there.len() {
            self.frame[there.len()..self.dirty].fill(0);
        }
        self.dirty = there.len();
        self.tables.settings[0].clock.store(time_ns);
        self.kernel.judge(&self.frame[..length])
    }

    fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        let mut totals = self.kernel.counters()?;
        for (total, unseen) in totals.iter_mut().zip(&self.unseen) {
            total.packets += unseen.packets;
            total.bytes += unseen.bytes;
        }
        Ok(totals)
    }
}

/// A frame as `BPF_PROG_TEST_RUN` shows it: of a long one, only the first part can be read.
struct Shown<'a>(Captured<'a>);

impl<'a> Shown<'a> {
    fn new(frame: &Captured<'a>) -> Self {
        let length = length_of(frame);
        let there = frame.bytes();
        Self(Captured::cut(&there[..there.len().min(length as usize)], length))
    }
}

impl Frame for Shown<'_> {
    type Header = Window;

    #[inline]
    fn length(&self) -> u32 {
        self.0.length()
    }

    #[inline]
    fn header<const N: usize>(&self, offset: u32) -> Option<Window> {
        if offset as usize + N > LINEAR_PART { None } else { self.0.header::<N>(offset) }
    }
}

fn length_of(frame: &Captured<'_>) -> u32 {
    frame.length().min(LONGEST_FRAME as u32)
}

fn none() -> Vec<ReasonTotals> {
    Reason::ALL.into_iter().map(|reason| ReasonTotals { reason, packets: 0, bytes: 0 }).collect()
}

fn count(totals: &mut [ReasonTotals], reason: Reason, length: u32) {
    if let Some(total) = totals.get_mut(reason as usize) {
        total.packets += 1;
        total.bytes += u64::from(length);
    }
}
