//! The tables that the kernel program and the controller share, as the controller sees them.

use std::{io, os::fd::BorrowedFd};

use floodwall_common::{
    tables::{
        AGGREGATE_SETS, CLIENT_LINES, COUNTED_LINES, FRAGMENT_LINES, NAME_LINES, OFFERED_LINES,
        REQUEST_LINES, RETRANSMISSION_LINES, Tables,
    },
    wire::{
        ABI_VERSION, BusySource, Counter, Destination, Line, MAX_CLASSES, MAX_DESTINATIONS, MAX_RULES,
        MAX_SERVICES, PORT_WORDS, Reason, Rule, Service, ServiceCounter, Settings, SourceSet, Word,
        service_flag, signature,
    },
};

use super::{
    capacity::{Capacity, PREFIX_BITMAP_WORDS, PREFIX_ROOTS},
    local::LocalTables,
    memory::{Region, Shared, coarse_clock, online_cpus},
};

/// A table that is shared with the kernel program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// The one element of settings.
    Settings,
    /// Two halves of two families of slots; see [`root_base`](floodwall_common::wire::root_base).
    PrefixRoots,
    /// Two halves of a bitmap for IPv4 and a filter for IPv6; see [`bitmap_base`](floodwall_common::wire::bitmap_base).
    PrefixBitmaps,
    /// Nodes and tails of the prefix table.
    PrefixLines,
    /// Sets of the source table; a power of two.
    Sources,
    /// Sets of the table of source prefixes.
    Aggregates,
    /// Pages of ports, by class of destinations.
    Ports,
    /// Ranges of destinations.
    Destinations,
    /// Services.
    Services,
    /// Rules.
    Rules,
    /// Two halves of signatures.
    Signatures,
    /// The table of flows; a power of two.
    Flows,
    /// The table of what is offered.
    Offered,
    /// The memory of segments that nobody knew.
    Retransmissions,
    /// Names that were asked for.
    Names,
    /// The memory of requests that a signature has dropped.
    Requests,
    /// The memory of sources that were counted lately.
    Counted,
    /// The memory of clients that have proven to be there.
    Clients,
    /// The memory of fragments.
    Fragments,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Settings,
        Self::PrefixRoots,
        Self::PrefixBitmaps,
        Self::PrefixLines,
        Self::Sources,
        Self::Aggregates,
        Self::Ports,
        Self::Destinations,
        Self::Services,
        Self::Rules,
        Self::Signatures,
        Self::Flows,
        Self::Offered,
        Self::Retransmissions,
        Self::Names,
        Self::Requests,
        Self::Counted,
        Self::Clients,
        Self::Fragments,
    ];

    /// How many elements it has.
    pub const fn len(self, capacity: &Capacity) -> u32 {
        match self {
            Self::Settings => 1,
            Self::PrefixRoots => PREFIX_ROOTS,
            Self::PrefixBitmaps => PREFIX_BITMAP_WORDS,
            Self::PrefixLines => capacity.prefix_lines(),
            Self::Sources => capacity.source_sets(),
            Self::Aggregates => AGGREGATE_SETS,
            Self::Ports => MAX_CLASSES * PORT_WORDS,
            Self::Destinations => MAX_DESTINATIONS,
            Self::Services => MAX_SERVICES,
            Self::Rules => MAX_RULES,
            Self::Signatures => 2 * signature::HALF_WORDS,
            Self::Flows => capacity.flow_lines(),
            Self::Offered => OFFERED_LINES,
            Self::Retransmissions => RETRANSMISSION_LINES,
            Self::Names => NAME_LINES,
            Self::Requests => REQUEST_LINES,
            Self::Counted => COUNTED_LINES,
            Self::Clients => CLIENT_LINES,
            Self::Fragments => FRAGMENT_LINES,
        }
    }
}

/// The shared tables, in the process's own memory or in mapped BPF maps.
///
/// All of it may be read and written by the kernel at any time, hence by anyone who has a `&SharedTables`; who
/// may write what is told where it is written. What the kernel keeps for each CPU is not shared: when the host
/// itself runs the decisions, it counts in tables of its own.
#[derive(Debug)]
pub struct SharedTables {
    /// [`Table::Settings`].
    pub settings: Region<Settings>,
    /// [`Table::PrefixRoots`].
    pub prefix_roots: Region<Word>,
    /// [`Table::PrefixBitmaps`].
    pub prefix_bitmaps: Region<Word>,
    /// [`Table::PrefixLines`].
    pub prefix_lines: Region<Line>,
    /// [`Table::Sources`].
    pub sources: Region<SourceSet>,
    /// [`Table::Aggregates`].
    pub aggregates: Region<SourceSet>,
    /// [`Table::Ports`].
    pub ports: Region<Word>,
    /// [`Table::Destinations`].
    pub destinations: Region<Destination>,
    /// [`Table::Services`].
    pub services: Region<Service>,
    /// [`Table::Rules`].
    pub rules: Region<Rule>,
    /// [`Table::Signatures`].
    pub signatures: Region<Word>,
    /// [`Table::Flows`].
    pub flows: Region<Line>,
    /// [`Table::Offered`].
    pub offered: Region<Line>,
    /// [`Table::Retransmissions`].
    pub retransmissions: Region<Line>,
    /// [`Table::Names`].
    pub names: Region<Line>,
    /// [`Table::Requests`].
    pub requests: Region<Line>,
    /// [`Table::Counted`].
    pub counted: Region<Line>,
    /// [`Table::Clients`].
    pub clients: Region<Line>,
    /// [`Table::Fragments`].
    pub fragments: Region<Line>,
    /// What the host counts when it runs the decisions itself.
    pub local: LocalTables,
}

/// Where a table's memory comes from.
trait Ground {
    fn region<T: Shared>(&self, table: Table, len: usize) -> io::Result<Region<T>>;
}

/// The process's own memory.
struct Own;

impl Ground for Own {
    fn region<T: Shared>(&self, _table: Table, len: usize) -> io::Result<Region<T>> {
        Region::in_memory(len)
    }
}

/// BPF array maps.
struct Maps<F>(F);

impl<'fd, F: Fn(Table) -> BorrowedFd<'fd>> Ground for Maps<F> {
    fn region<T: Shared>(&self, table: Table, len: usize) -> io::Result<Region<T>> {
        Region::mapped(self.0(table), len)
    }
}

impl SharedTables {
    /// Empty tables in the process's own memory. Settings are zero but for those that describe the tables.
    pub fn in_memory(capacity: &Capacity) -> io::Result<Self> {
        let tables = Self::over(capacity, &Own)?;
        tables.describe(capacity);
        Ok(tables)
    }

    /// Numbers of the services that there are.
    pub fn used_services(&self) -> impl Iterator<Item = u8> {
        let used = |service: &Service| service.flags.load() & service_flag::USED != 0;
        self.services.iter().zip(0..).filter(move |(service, _)| used(service)).map(|(_, number)| number)
    }

    /// The tables in these BPF array maps, which were made for `capacity` and are mappable.
    ///
    /// Settings are left as they are, but for those that describe the tables. Fails if a map is too small or
    /// cannot be mapped, and if somebody with another layout has used the maps.
    pub fn mapped<'fd>(capacity: &Capacity, map: impl Fn(Table) -> BorrowedFd<'fd>) -> io::Result<Self> {
        let tables = Self::over(capacity, &Maps(map))?;
        let abi = tables.settings[0].abi.load();
        if abi != 0 && abi != u64::from(ABI_VERSION) {
            let message = format!("the maps have layout {abi}, and this program knows layout {ABI_VERSION}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        tables.describe(capacity);
        Ok(tables)
    }

    fn over(capacity: &Capacity, ground: &impl Ground) -> io::Result<Self> {
        fn take<T: Shared>(ground: &impl Ground, capacity: &Capacity, table: Table) -> io::Result<Region<T>> {
            ground.region(table, table.len(capacity) as usize)
        }
        Ok(Self {
            settings: take(ground, capacity, Table::Settings)?,
            prefix_roots: take(ground, capacity, Table::PrefixRoots)?,
            prefix_bitmaps: take(ground, capacity, Table::PrefixBitmaps)?,
            prefix_lines: take(ground, capacity, Table::PrefixLines)?,
            sources: take(ground, capacity, Table::Sources)?,
            aggregates: take(ground, capacity, Table::Aggregates)?,
            ports: take(ground, capacity, Table::Ports)?,
            destinations: take(ground, capacity, Table::Destinations)?,
            services: take(ground, capacity, Table::Services)?,
            rules: take(ground, capacity, Table::Rules)?,
            signatures: take(ground, capacity, Table::Signatures)?,
            flows: take(ground, capacity, Table::Flows)?,
            offered: take(ground, capacity, Table::Offered)?,
            retransmissions: take(ground, capacity, Table::Retransmissions)?,
            names: take(ground, capacity, Table::Names)?,
            requests: take(ground, capacity, Table::Requests)?,
            counted: take(ground, capacity, Table::Counted)?,
            clients: take(ground, capacity, Table::Clients)?,
            fragments: take(ground, capacity, Table::Fragments)?,
            local: LocalTables::new()?,
        })
    }

    /// The time that packets are judged at, ns, where somebody tells it: a replay does, in place of the kernel's clock.
    pub fn told_clock(&self) -> Option<u64> {
        Some(self.settings[0].clock.load()).filter(|told| *told != 0)
    }

    /// CPUs that judge packets, each with a budget of its own for what it tells: one where the clock is told, so that a
    /// replay does not depend on the machine, and else all that are online. A process's own affinity says nothing of
    /// them.
    pub fn judging_cpus(&self) -> u64 {
        if self.told_clock().is_some() { 1 } else { online_cpus() }
    }

    /// Writes what the kernel program must know of the tables themselves.
    fn describe(&self, capacity: &Capacity) {
        let settings = &self.settings[0];
        settings.abi.store(u64::from(ABI_VERSION));
        settings.source_mask.store(u64::from(capacity.source_sets() - 1));
        settings.flow_mask.store(u64::from(capacity.flow_lines() - 1));
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

    #[inline]
    fn aggregate_set(&self, index: u32) -> Option<&SourceSet> {
        self.aggregates.get(index as usize)
    }

    #[inline]
    fn ports(&self, index: u32) -> Option<&Word> {
        self.ports.get(index as usize)
    }

    #[inline]
    fn destination(&self, index: u32) -> Option<&Destination> {
        self.destinations.get(index as usize)
    }

    #[inline]
    fn service(&self, number: u32) -> Option<&Service> {
        self.services.get(number as usize)
    }

    #[inline]
    fn rule(&self, number: u32) -> Option<&Rule> {
        self.rules.get(number as usize)
    }

    #[inline]
    fn signature_half(&self, number: u32) -> Option<&signature::Half> {
        self.signatures.as_chunks().0.get(number as usize)
    }

    #[inline]
    fn flow_line(&self, index: u32) -> Option<&Line> {
        self.flows.get(index as usize)
    }

    #[inline]
    fn offered_line(&self, index: u32) -> Option<&Line> {
        self.offered.get(index as usize)
    }

    #[inline]
    fn retransmission_line(&self, index: u32) -> Option<&Line> {
        self.retransmissions.get(index as usize)
    }

    #[inline]
    fn name_line(&self, index: u32) -> Option<&Line> {
        self.names.get(index as usize)
    }

    #[inline]
    fn request_line(&self, index: u32) -> Option<&Line> {
        self.requests.get(index as usize)
    }

    #[inline]
    fn counted_line(&self, index: u32) -> Option<&Line> {
        self.counted.get(index as usize)
    }

    #[inline]
    fn client_line(&self, index: u32) -> Option<&Line> {
        self.clients.get(index as usize)
    }

    fn fragment_line(&self, index: u32) -> Option<&Line> {
        self.fragments.get(index as usize)
    }

    #[inline]
    fn reason_counter(&self, reason: Reason) -> Option<&Counter> {
        self.local.reasons.get(reason as usize)
    }

    #[inline]
    fn monitor_counter(&self, reason: Reason, known: bool) -> Option<&Counter> {
        self.local.monitors.get(reason.monitor_index(known) as usize)
    }

    #[inline]
    fn rule_counter(&self, number: u32) -> Option<&Counter> {
        self.local.rules.get(number as usize)
    }

    #[inline]
    fn signature_counter(&self, number: u32) -> Option<&Counter> {
        self.local.signatures.get(number as usize)
    }

    #[inline]
    fn service_counter(&self, number: u32) -> Option<&ServiceCounter> {
        self.local.services.get(number as usize)
    }

    #[inline]
    fn sample_meter(&self) -> Option<&Word> {
        self.local.sample_meter.first()
    }

    fn busy_source(&self, index: u32) -> Option<&BusySource> {
        self.local.busy_sources.get(index as usize)
    }
}
