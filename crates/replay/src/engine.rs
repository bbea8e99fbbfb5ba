//! The two engines that judge packets by the same core.

use std::sync::Arc;

use anyhow::Context as _;
use floodwall_common::{
    decide::{PacketContext, decide_on},
    dns_answers,
    frame::{Captured, Frame, Window},
    outgoing::{self, Route},
    parse::Packet,
    wire::{Counter, Reason},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};

use super::outgoing_frame::OutgoingFrame;
use floodwall_kernel::{
    Judged, Kernel, LEAVES_BY, LINEAR_PART, LONGEST_FRAME, ReasonTotals, SHORTEST_FRAME, ServiceTotals,
};
use floodwall_tables::{Capacity, SharedTables};

/// Judges one frame after the other, and learns from those that leave, each at its own time.
pub trait Engine {
    /// What it judges by.
    fn tables(&self) -> Arc<SharedTables>;

    /// Judges a frame at this time, ns. What is longer than [`LONGEST_FRAME`] is judged as one of that length; what
    /// is shorter than an Ethernet header ([`SHORTEST_FRAME`]) never reaches a filter, and is no IP packet.
    ///
    /// # Errors
    ///
    /// If the engine itself fails; a frame cannot make it.
    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged>;

    /// Learns from a frame that leaves at this time, ns. `from` is the index of the interface that it has come in by; 0: it
    /// was made on the host. What is shorter than an Ethernet header teaches nothing.
    ///
    /// # Errors
    ///
    /// If the engine itself fails; a frame cannot make it.
    fn observe(&mut self, time_ns: u64, frame: &Captured<'_>, from: u32) -> anyhow::Result<()>;

    /// What was judged so far, by reason.
    ///
    /// # Errors
    ///
    /// If the counters cannot be read.
    fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>>;

    /// What came for each service that there is, by its number.
    ///
    /// # Errors
    ///
    /// If the counters cannot be read.
    fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTotals)>>;
}

/// The host build of the core, over plain memory. Needs no privilege.
pub struct ModelEngine {
    tables: Arc<SharedTables>,
    context: PacketContext,
    outgoing: OutgoingFrame,
    unseen: Counter,
}

impl ModelEngine {
    /// With empty tables.
    ///
    /// # Errors
    ///
    /// If there is no memory for the tables.
    pub fn new(capacity: &Capacity) -> anyhow::Result<Self> {
        let tables = Arc::new(SharedTables::in_memory(capacity).context("making tables in memory")?);
        Ok(Self {
            tables,
            context: PacketContext::default(),
            outgoing: OutgoingFrame::default(),
            unseen: Counter::default(),
        })
    }
}

impl Engine for ModelEngine {
    fn tables(&self) -> Arc<SharedTables> {
        Arc::clone(&self.tables)
    }

    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged> {
        if let Some(judged) = unseen(&self.unseen, frame) {
            return Ok(judged);
        }
        self.tables.settings[0].clock.store(time_ns);
        decide_on(&*self.tables, &Shown::new(frame), &mut self.context);
        Judged::from_code(self.context.code()).context("the core gave a code that it does not know")
    }

    fn observe(&mut self, time_ns: u64, frame: &Captured<'_>, from: u32) -> anyhow::Result<()> {
        let Some(shown) = self.outgoing.shown(frame) else { return Ok(()) };
        self.tables.settings[0].clock.store(time_ns);
        let route = Route { from, to: LEAVES_BY };
        let (tables, shown) = (&*self.tables, Captured::whole(shown));
        outgoing::observe(tables, &shown, &mut Packet::default(), route, |datagram, service| {
            dns_answers::learn(tables, &shown, datagram, service);
        });
        Ok(())
    }

    fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        let counted = Reason::ALL.into_iter().zip(self.tables.local.reasons.iter());
        let mut totals: Vec<_> = counted
            .map(|(reason, counter)| ReasonTotals {
                reason,
                packets: counter.packets.load(),
                bytes: counter.bytes.load(),
            })
            .collect();
        add(&mut totals, &self.unseen);
        Ok(totals)
    }

    fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTotals)>> {
        let counters = &self.tables.local.services;
        let totals = |number: u8| (number, ServiceTotals::of(&counters[usize::from(number)]));
        Ok(self.tables.used_services().map(totals).collect())
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
    outgoing: OutgoingFrame,
    unseen: Counter,
    _one_cpu: OneCpu,
}

impl KernelEngine {
    /// Loads the program, with empty tables. The calling thread stays on one CPU as long as the engine lives: the
    /// program keeps some things for each CPU, and which one a frame is shown on must not matter.
    ///
    /// # Errors
    ///
    /// If the kernel or the privileges do not allow it.
    pub fn new(capacity: &Capacity) -> anyhow::Result<Self> {
        let _one_cpu = OneCpu::stay()?;
        let kernel = Kernel::load(None, capacity.clone())?;
        let tables = kernel.tables();
        let frame = vec![0; LONGEST_FRAME];
        let (outgoing, unseen) = (OutgoingFrame::default(), Counter::default());
        Ok(Self { kernel, tables, frame, dirty: 0, outgoing, unseen, _one_cpu })
    }
}

impl Engine for KernelEngine {
    fn tables(&self) -> Arc<SharedTables> {
        Arc::clone(&self.tables)
    }

    fn judge(&mut self, time_ns: u64, frame: &Captured<'_>) -> anyhow::Result<Judged> {
        if let Some(judged) = unseen(&self.unseen, frame) {
            return Ok(judged);
        }
        let length = length_of(frame) as usize;
        let there = &frame.bytes()[..frame.bytes().len().min(length)];
        self.frame[..there.len()].copy_from_slice(there);
        if self.dirty > there.len() {
            self.frame[there.len()..self.dirty].fill(0);
        }
        self.dirty = there.len();
        self.tables.settings[0].clock.store(time_ns);
        self.kernel.judge(&self.frame[..length])
    }

    fn observe(&mut self, time_ns: u64, frame: &Captured<'_>, from: u32) -> anyhow::Result<()> {
        let Some(shown) = self.outgoing.shown(frame) else { return Ok(()) };
        self.tables.settings[0].clock.store(time_ns);
        self.kernel.show_leaving(shown, from)
    }

    fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        let mut totals = self.kernel.counters()?;
        add(&mut totals, &self.unseen);
        Ok(totals)
    }

    fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTotals)>> {
        self.kernel.service_counters()
    }
}

/// Keeps the calling thread on the CPU that it runs on.
struct OneCpu {
    before: CpuSet,
}

const THIS_THREAD: Pid = Pid::from_raw(0);

impl OneCpu {
    fn stay() -> anyhow::Result<Self> {
        let before = sched_getaffinity(THIS_THREAD).context("asking which CPUs there are")?;
        let mut here = CpuSet::new();
        here.set(sched_getcpu().context("asking which CPU this is")?).context("naming this CPU")?;
        sched_setaffinity(THIS_THREAD, &here).context("staying on this CPU")?;
        Ok(Self { before })
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // Should that fail, the thread stays where it is: slower, and no more.
        let _ = sched_setaffinity(THIS_THREAD, &self.before);
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

/// What is made of a frame that reaches no filter.
fn unseen(counter: &Counter, frame: &Captured<'_>) -> Option<Judged> {
    if frame.length() as usize >= SHORTEST_FRAME {
        return None;
    }
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(frame.length()));
    Some(Judged::by(Reason::NotIp))
}

fn add(totals: &mut [ReasonTotals], unseen: &Counter) {
    if let Some(total) = totals.get_mut(Reason::NotIp as usize) {
        total.packets += unseen.packets.load();
        total.bytes += unseen.bytes.load();
    }
}
