//! The program and its maps in the kernel.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, bail};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray},
    programs::Xdp,
};
use floodwall_common::{
    tables::LEFT,
    wire::{ABI_VERSION, BanEvent, DropEvent, Reason},
};
use parking_lot::RwLock;
use tracing::warn;

use super::{
    challenge_selftest,
    counters::{Counters, MonitoredTotals, ReasonTotals, ServiceTotals},
    egress::{self, Observer},
    events::EventReader,
    link::{self, Attachment},
    log::LogReader,
    object::{
        CHALLENGE, EGRESS, IP_EGRESS, IP_PROGRAM, NEEDED, PROGRAM, egress_of, load_object, load_programs,
        load_xdp, map_tables, take_map, xdp,
    },
    pins::{Claim, Pins},
    preflight::preflight,
    samples::SampleReader,
    syscall,
    test_run::{self, Judged},
    truncation_selftest,
};
use floodwall_host::Mode;
use floodwall_host::{Framing, Interface};
use floodwall_tables::{Capacity, SharedTables};

/// What filters interfaces whose frames begin with the IP header, over the same maps.
struct IpPrograms {
    ebpf: Ebpf,
    number: u32,
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
    /// The programs for interfaces whose frames begin with the IP header, once there is one of them.
    ip: OnceLock<IpPrograms>,
    /// Indices of such interfaces.
    ip_interfaces: Arc<RwLock<BTreeSet<u32>>>,
    /// Keeps others off what is pinned.
    _claim: Option<Claim>,
}

impl Kernel {
    /// Loads the program. With `bpffs`, the maps are pinned below it, and taken up if they are there already.
    pub fn load(bpffs: Option<&Path>, capacity: Capacity) -> anyhow::Result<Self> {
        preflight(bpffs)?;
        let pins = bpffs.map(Pins::new);
        let claim = pins.as_ref().map(|pins| pins.claim(&capacity)).transpose()?;
        let mut ebpf = load_object(pins.as_ref(), &capacity)?;
        let number = load_programs(&mut ebpf, PROGRAM, EGRESS)?;
        // Without it, nobody is challenged.
        if let Err(error) = load_xdp(&mut ebpf, CHALLENGE) {
            warn!("what shows that challenges can be sent could not be loaded: {error:#}");
        }
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
        Ok(Self {
            ebpf,
            tables,
            counters,
            left,
            pins,
            capacity,
            number,
            ip: OnceLock::new(),
            ip_interfaces: Arc::default(),
            _claim: claim,
        })
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
        SampleReader::new(take_map(&mut self.ebpf, "SAMPLES")?, Arc::clone(&self.ip_interfaces))
    }

    /// The program's own log; can be asked for once.
    pub fn take_log(&mut self) -> anyhow::Result<LogReader> {
        LogReader::new(&mut self.ebpf)
    }

    /// Puts the program on an interface.
    pub fn attach(&self, interface: &Interface, mode: Mode) -> anyhow::Result<Attachment> {
        let Some(pins) = &self.pins else { bail!("a program whose maps are not pinned is not attached") };
        if interface.framing() != Ok(Framing::Ip) {
            return link::attach(pins, self.program_fd()?, interface, mode);
        }
        let program = xdp(&self.ip()?.ebpf, IP_PROGRAM)?.fd().context("the program is not loaded")?;
        // Before the first packet of it can be sampled.
        self.ip_interfaces.write().insert(interface.index);
        link::attach(pins, program.as_fd(), interface, mode)
    }

    /// The programs for interfaces whose frames begin with the IP header, which are loaded when the first is asked for.
    fn ip(&self) -> anyhow::Result<&IpPrograms> {
        if let Some(there) = self.ip.get() {
            return Ok(there);
        }
        let mut ebpf = load_object(self.pins.as_ref(), &self.capacity)?;
        let number = load_programs(&mut ebpf, IP_PROGRAM, IP_EGRESS)?;
        Ok(self.ip.get_or_init(|| IpPrograms { ebpf, number }))
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
        let ip = self.ip.get().map(|ip| ip.number);
        interface.xdp_programs.iter().any(|number| *number == self.number || Some(*number) == ip)
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
        let program = match interface.framing() {
            Ok(Framing::Ethernet) => egress_of(&self.ebpf, EGRESS)?,
            Ok(Framing::Ip) => egress_of(&self.ip()?.ebpf, IP_EGRESS)?,
            Err(why) => bail!("{why}"),
        };
        egress::observe(pins, program.fd().context("the program is not loaded")?.as_fd(), interface)
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
        let mut ours = vec![egress_of(&self.ebpf, EGRESS)?];
        if let Some(ip) = self.ip.get() {
            ours.push(egress_of(&ip.ebpf, IP_EGRESS)?);
        }
        let numbers =
            ours.into_iter().map(|program| Ok(program.info().context("asking about the program")?.id()));
        let numbers = numbers.collect::<anyhow::Result<Vec<u32>>>()?;
        self.pins.as_ref().map_or(Ok(Vec::new()), |pins| egress::before(pins, &numbers, ifindex))
    }

    /// How many packets have been seen to leave by an interface, or by one that shares its counter.
    pub fn left(&self, ifindex: u32) -> anyhow::Result<u64> {
        let values = self.left.get(&(ifindex % LEFT), 0).context("reading the counters of what leaves")?;
        Ok(values.iter().fold(0, |sum, value| sum.wrapping_add(*value)))
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
        test_run::show_leaving(self.egress_fd()?, frame, from)
    }

    /// Has the kernel challenge requests that it is shown (`BPF_PROG_TEST_RUN`), and looks at what it would send: that it goes
    /// back the way the request came, that its checksums hold, and that who answers it is believed.
    ///
    /// # Errors
    ///
    /// What of that is not so.
    pub fn prove_challenges(&self) -> anyhow::Result<()> {
        let program = xdp(&self.ebpf, CHALLENGE)?.fd().context("the program that shows it is not loaded")?;
        challenge_selftest::prove(program.as_fd(), &self.tables)
    }

    /// Proves that questions for a name server would be answered with a truncated answer that says what it has to: a question
    /// over each family is shown to a program on no interface (`BPF_PROG_TEST_RUN`).
    ///
    /// # Errors
    ///
    /// What of that is not so.
    pub fn prove_truncation(&self) -> anyhow::Result<()> {
        let program = xdp(&self.ebpf, CHALLENGE)?.fd().context("the program that shows it is not loaded")?;
        truncation_selftest::prove(program.as_fd())
    }

    /// Whether the program drops a frame as it is, now; the frame is counted (`BPF_PROG_TEST_RUN`).
    pub fn drops(&self, framing: Framing, frame: &[u8]) -> anyhow::Result<bool> {
        let program = match framing {
            Framing::Ethernet => self.program_fd()?,
            Framing::Ip => {
                xdp(&self.ip()?.ebpf, IP_PROGRAM)?.fd().context("the program is not loaded")?.as_fd()
            }
        };
        test_run::drops(program, frame)
    }

    /// Whether the programs read the maps that are pinned, which are those that the daemon writes; in words.
    pub fn reads_pinned_maps(&self) -> Result<String, String> {
        let Some(pins) = &self.pins else { return Err("no maps are pinned".to_owned()) };
        let mut programs = vec![self.program()];
        programs.extend(self.ip.get().map(|ip| xdp(&ip.ebpf, IP_PROGRAM)));
        let directory = pins.maps(&self.capacity);
        for program in programs {
            let numbers = program.and_then(|program| {
                let program = program.fd().context("the program is not loaded")?;
                syscall::maps_of(program.as_fd()).context("asking which maps the program reads")
            });
            let numbers = numbers.map_err(|error| format!("{error:#}"))?;
            for name in NEEDED {
                let path = directory.join(name);
                let map = syscall::get_pinned(&path).and_then(|map| syscall::map_number(map.as_fd()));
                match map {
                    Ok(number) if numbers.contains(&number) => {}
                    Ok(number) => {
                        return Err(format!("the program does not read {}, map {number}", path.display()));
                    }
                    Err(error) => return Err(format!("{} cannot be opened: {error}", path.display())),
                }
            }
        }
        Ok(format!(
            "the program reads those of layout {ABI_VERSION} that are pinned in {}",
            directory.display()
        ))
    }

    /// The program, for whoever wants to run it by other means.
    pub fn program_fd(&self) -> anyhow::Result<BorrowedFd<'_>> {
        Ok(self.program()?.fd().context("the program is not loaded")?.as_fd())
    }

    /// The program that looks at what leaves, likewise.
    pub fn egress_fd(&self) -> anyhow::Result<BorrowedFd<'_>> {
        Ok(egress_of(&self.ebpf, EGRESS)?.fd().context("the program is not loaded")?.as_fd())
    }

    /// Instructions that the verifier walked through; its limit is 1,000,000.
    pub fn verified_instructions(&self) -> anyhow::Result<Option<u32>> {
        Ok(self.program()?.info().context("asking about the program")?.verified_instruction_count())
    }

    fn program(&self) -> anyhow::Result<&Xdp> {
        xdp(&self.ebpf, PROGRAM)
    }
}
