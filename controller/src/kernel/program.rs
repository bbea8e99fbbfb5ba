//! The program and its maps in the kernel.

use std::{
    collections::HashMap,
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData, PerCpuArray},
    programs::{SchedClassifier, Xdp},
};
use floodwall_common::{
    tables::LEFT,
    wire::{BanEvent, DropEvent, Reason},
};
use nix::fcntl::Flock;
use tracing::warn;

use super::{
    counters::{Counters, MonitoredTotals, ReasonTotals, ServiceTotals},
    egress::{self, Observer},
    events::EventReader,
    link::{self, Attachment},
    log::LogReader,
    pins::Pins,
    preflight::preflight,
    samples::SampleReader,
    test_run::{self, Judged},
};
use crate::{
    host::Interface,
    options::Mode,
    tables::{Capacity, SharedTables, Table},
};

/// What `build.rs` made of `filter-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floodwall-filter"));
const PROGRAM: &str = "floodwall";
const EGRESS: &str = "floodwall_egress";
const OTHER_MAPS: [&str; 11] = [
    "LEFT",
    "REASON_COUNTS",
    "MONITOR_COUNTS",
    "RULE_COUNTS",
    "SIGNATURE_COUNTS",
    "SERVICE_COUNTS",
    "SAMPLE_METER",
    "EVENT_METER",
    "EVENTS",
    "BANS",
    "SAMPLES",
];

/// The name that the program knows a shared table by.
const fn map_name(table: Table) -> &'static str {
    match table {
        Table::Settings => "SETTINGS",
        Table::PrefixRoots => "PREFIX_ROOTS",
        Table::PrefixBitmaps => "PREFIX_BITMAPS",
        Table::PrefixLines => "PREFIX_LINES",
        Table::Sources => "SOURCES",
        Table::Aggregates => "AGGREGATES",
        Table::Ports => "PORTS",
        Table::Destinations => "DESTINATIONS",
        Table::Services => "SERVICES",
        Table::Rules => "RULES",
        Table::Signatures => "SIGNATURES",
        Table::Flows => "FLOWS",
        Table::Offered => "OFFERED",
        Table::Sights => "SIGHTS",
        Table::Names => "NAMES",
        Table::Requests => "REQUESTS",
        Table::Counted => "COUNTED",
        Table::Fragments => "FRAGMENTS",
    }
}

/// The program, verified and loaded, with its maps.
pub struct Kernel {
    ebpf: Ebpf,
    tables: Arc<SharedTables>,
    counters: Counters,
    left: PerCpuArray<MapData, u64>,
    pins: Option<Pins>,
    capacity: Capacity,
    /// What the kernel calls the program.
    number: u32,
    /// Keeps others off what is pinned.
    _lock: Option<Flock<File>>,
}

impl Kernel {
    /// Loads the program. With `bpffs`, the maps are pinned below it, and taken up if they are there already.
    pub fn load(bpffs: Option<&Path>, capacity: Capacity) -> anyhow::Result<Self> {
        preflight(bpffs)?;
        let pins = bpffs.map(Pins::new);
        let mut lock = None;
        let mut loader = EbpfLoader::new();
        loader
            .map_max_entries("PREFIX_LINES", capacity.prefix_lines())
            .map_max_entries("SOURCES", capacity.source_sets())
            .map_max_entries("FLOWS", capacity.flow_lines());
        if let Some(pins) = &pins {
            pins.create(&capacity)?;
            lock = Some(pins.lock()?);
            for name in Table::ALL.map(map_name).into_iter().chain(OTHER_MAPS) {
                loader.map_pin_path(name, pins.maps(&capacity).join(name));
            }
        }
        let mut ebpf = loader.load(OBJECT).context("creating the BPF maps")?;
        let program: &mut Xdp = ebpf
            .program_mut(PROGRAM)
            .ok_or_else(|| anyhow!("the embedded object has no program `{PROGRAM}`"))?
            .try_into()
            .context("the embedded program is not an XDP program")?;
        program.load().context(
            "the kernel's verifier refuses the program; please report this with your kernel version",
        )?;
        let number = program.info().context("asking about the program")?.id();
        let observer: &mut SchedClassifier = ebpf
            .program_mut(EGRESS)
            .ok_or_else(|| anyhow!("the embedded object has no program `{EGRESS}`"))?
            .try_into()
            .context("the embedded program is none for what leaves")?;
        observer.load().context(
            "the kernel's verifier refuses the program that looks at what leaves; please report this with your \
             kernel version",
        )?;
        let left = PerCpuArray::try_from(take_map(&mut ebpf, "LEFT")?)
            .context("opening the counters of what leaves")?;
        let tables = Arc::new(map_tables(&mut ebpf, &capacity)?);
        let counters = Counters::new(
            take_map(&mut ebpf, "REASON_COUNTS")?,
            take_map(&mut ebpf, "SIGNATURE_COUNTS")?,
            take_map(&mut ebpf, "MONITOR_COUNTS")?,
            take_map(&mut ebpf, "RULE_COUNTS")?,
            take_map(&mut ebpf, "SERVICE_COUNTS")?,
        )?;
        let kernel = Self { ebpf, tables, counters, left, pins, capacity, number, _lock: lock };
        Ok(kernel)
    }

    /// The maps' memory.
    pub fn tables(&self) -> Arc<SharedTables> {
        Arc::clone(&self.tables)
    }

    /// What the maps were made for.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Counters by reason.
    pub fn counters(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        self.counters.read()
    }

    /// What a reason would have dropped, were it not monitored.
    pub fn monitored(&self, reason: Reason) -> anyhow::Result<MonitoredTotals> {
        self.counters.read_monitored(reason)
    }

    /// Packets and bytes over the rates of rules, by number.
    pub fn rule_counters(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        self.counters.read_rules()
    }

    /// Forgets what was counted of a rule.
    pub fn clear_rule_counter(&self, number: u8) -> anyhow::Result<()> {
        self.counters.clear_rule(number)
    }

    /// Forgets what was counted of the signature with a bit.
    pub fn clear_signature_counter(&self, place: u32) -> anyhow::Result<()> {
        self.counters.clear_signature(place)
    }

    /// What came for each service that there is, by its number.
    pub fn service_counters(&self) -> anyhow::Result<Vec<(u8, ServiceTotals)>> {
        let numbers = self.tables.used_services();
        numbers.map(|number| Ok((number, self.counters.read_service(number)?))).collect()
    }

    /// Packets and bytes that matched signatures, by number.
    pub fn signature_counters(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        self.counters.read_signatures()
    }

    /// The events; can be asked for once.
    pub fn take_events(&mut self) -> anyhow::Result<EventReader<DropEvent>> {
        EventReader::new(take_map(&mut self.ebpf, "EVENTS")?)
    }

    /// The bans; can be asked for once.
    pub fn take_bans(&mut self) -> anyhow::Result<EventReader<BanEvent>> {
        EventReader::new(take_map(&mut self.ebpf, "BANS")?)
    }

    /// The samples; can be asked for once.
    pub fn take_samples(&mut self) -> anyhow::Result<SampleReader> {
        SampleReader::new(take_map(&mut self.ebpf, "SAMPLES")?)
    }

    /// The program's own log; can be asked for once.
    pub fn take_log(&mut self) -> anyhow::Result<LogReader> {
        LogReader::new(&mut self.ebpf)
    }

    /// Puts the program on an interface.
    pub fn attach(&self, interface: &Interface, mode: Mode) -> anyhow::Result<Attachment> {
        let Some(pins) = &self.pins else { bail!("a program whose maps are not pinned is not attached") };
        link::attach(pins, self.program_fd()?, interface, mode)
    }

    /// Has an attachment stand under another name, that of an interface that was renamed.
    pub fn rename(&self, from: &str, to: &str) -> anyhow::Result<()> {
        match &self.pins {
            Some(pins) => link::rename(pins, from, to),
            None => bail!("{from} is not protected by this floodwall"),
        }
    }

    /// Names under which attachments stand, by this run or an earlier one, with the indices of the interfaces and the numbers
    /// of the programs that they hold.
    pub fn standing(&self) -> anyhow::Result<Vec<(String, u32, u32)>> {
        self.pins.as_ref().map_or(Ok(Vec::new()), link::standing)
    }

    /// Removes the pins of attachments that hold nothing any more.
    pub fn sweep(&self) -> anyhow::Result<()> {
        self.pins.as_ref().map_or(Ok(()), link::sweep)
    }

    /// Removes what is left of an attachment whose interface is gone.
    pub fn forget(&self, attachment: &Attachment) -> anyhow::Result<()> {
        self.pins.as_ref().map_or(Ok(()), |pins| link::forget(pins, attachment))
    }

    /// Whether the program is on an interface.
    pub fn is_on(&self, interface: &Interface) -> bool {
        interface.xdp_programs.contains(&self.number)
    }

    /// Removes what was pinned for other layouts and capacities. To be called once all links hold this program.
    pub fn remove_other_maps(&self) -> anyhow::Result<()> {
        match &self.pins {
            Some(pins) => pins.remove_other_maps(&self.capacity).context("removing maps of an earlier run"),
            None => Ok(()),
        }
    }

    /// Interfaces that have an attachment, by this run or an earlier one.
    pub fn attached_interfaces(&self) -> anyhow::Result<Vec<String>> {
        match &self.pins {
            Some(pins) => pins.interfaces().context("listing the protected interfaces"),
            None => Ok(Vec::new()),
        }
    }

    /// Takes the program off an interface. Says which are left; after the last one nothing is pinned any more.
    pub fn detach(&self, interface: &str) -> anyhow::Result<Vec<String>> {
        let Some(pins) = &self.pins else { bail!("{interface} is not protected by this floodwall") };
        link::detach(pins, interface)
    }

    /// Has the other program look at what leaves by an interface, behind all others that do so.
    pub fn observe(&self, interface: &Interface) -> anyhow::Result<Observer> {
        let Some(pins) = &self.pins else { bail!("a program whose maps are not pinned is not attached") };
        let program = self.egress()?;
        let info = program.info().context("asking about the program")?;
        egress::observe(pins, program.fd().context("the program is not loaded")?.as_fd(), info, interface)
    }

    /// Indices of the interfaces at which it is looked what leaves, by this run or an earlier one.
    pub fn observed(&self) -> Vec<u32> {
        self.pins.as_ref().map(egress::observed).unwrap_or_default()
    }

    /// It is no longer looked at what leaves by an interface.
    pub fn let_leave(&self, ifindex: u32) -> anyhow::Result<()> {
        self.pins.as_ref().map_or(Ok(()), |pins| egress::let_go_of(pins, ifindex))
    }

    /// What others have that is asked before ours about what leaves by an interface, and may not let it be asked.
    pub fn before_observer(&self, ifindex: u32) -> anyhow::Result<Vec<String>> {
        let ours = self.egress()?.info().context("asking about the program")?.id();
        self.pins.as_ref().map_or(Ok(Vec::new()), |pins| egress::before(pins, ours, ifindex))
    }

    /// How many packets have been seen to leave by an interface, or by one that shares its counter.
    pub fn left(&self, ifindex: u32) -> anyhow::Result<u64> {
        let values = self.left.get(&(ifindex % LEFT), 0).context("reading the counters of what leaves")?;
        Ok(values.iter().fold(0, |sum, value| sum.wrapping_add(*value)))
    }

    fn egress(&self) -> anyhow::Result<&SchedClassifier> {
        self.ebpf
            .program(EGRESS)
            .ok_or_else(|| anyhow!("the program is gone"))?
            .try_into()
            .context("the program is none for what leaves")
    }

    /// Shows one frame to the program, which judges it as it would on an interface (`BPF_PROG_TEST_RUN`).
    ///
    /// The clock in the settings must be set: that is what makes the program tell its reason. The kernel refuses
    /// frames shorter than [`SHORTEST_FRAME`](super::SHORTEST_FRAME), and longer than
    /// [`LONGEST_FRAME`](super::LONGEST_FRAME).
    pub fn judge(&self, frame: &[u8]) -> anyhow::Result<Judged> {
        test_run::judge(self.program_fd()?, frame)
    }

    /// Shows one frame to the program that looks at what leaves (`BPF_PROG_TEST_RUN`), as if it had come in by the interface
    /// with the index `from` (0: it was made here) and left by [`LEAVES_BY`](super::LEAVES_BY).
    ///
    /// The kernel refuses frames shorter than [`SHORTEST_FRAME`](super::SHORTEST_FRAME), and longer than
    /// [`LONGEST_LEAVING`](super::LONGEST_LEAVING).
    pub fn show_leaving(&self, frame: &[u8], from: u32) -> anyhow::Result<()> {
        let program = self.egress()?.fd().context("the program is not loaded")?.as_fd();
        test_run::show_leaving(program, frame, from)
    }

    /// The program, for whoever wants to run it by other means.
    pub fn program_fd(&self) -> anyhow::Result<BorrowedFd<'_>> {
        Ok(self.program()?.fd().context("the program is not loaded")?.as_fd())
    }

    /// Instructions that the verifier walked through; its limit is 1,000,000.
    pub fn verified_instructions(&self) -> anyhow::Result<Option<u32>> {
        Ok(self.program()?.info().context("asking about the program")?.verified_instruction_count())
    }

    fn program(&self) -> anyhow::Result<&Xdp> {
        self.ebpf
            .program(PROGRAM)
            .ok_or_else(|| anyhow!("the program is gone"))?
            .try_into()
            .context("the program is not an XDP program")
    }
}

/// A start that failed before anything was attached leaves nothing pinned: the maps are large.
impl Drop for Kernel {
    fn drop(&mut self) {
        if let Some(pins) = &self.pins
            && pins.interfaces().is_ok_and(|interfaces| interfaces.is_empty())
            && let Err(error) = pins.remove_all()
        {
            warn!(%error, "maps that nothing uses could not be removed");
        }
    }
}

fn take_map(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<Map> {
    ebpf.take_map(name).ok_or_else(|| anyhow!("the embedded object has no map `{name}`"))
}

fn map_tables(ebpf: &mut Ebpf, capacity: &Capacity) -> anyhow::Result<SharedTables> {
    let maps = Table::ALL
        .into_iter()
        .map(|table| match take_map(ebpf, map_name(table))? {
            Map::Array(map) => Ok((table, map)),
            other => bail!("map `{}` is {other:?}, not an array", map_name(table)),
        })
        .collect::<anyhow::Result<HashMap<Table, MapData>>>()?;
    SharedTables::mapped(capacity, |table| maps[&table].fd().as_fd())
        .context("mapping the BPF maps into memory")
}
