//! The program on its interfaces, kept there, and what is known of the host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use floodwall_common::wire::{MAX_OUTSIDE, families, knowledge};
use parking_lot::RwLock;
use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};
use tracing::{error, info, warn};

use super::{
    egress::{Egress, Seen, ways_out},
    host_role::Role,
    interface_reconciler::Reconciler,
    older_flows::{Seed, seed},
    protected_interfaces::ProtectedInterfaces,
    tasks::Watched,
};
use crate::{
    api::{HealthReport, MachineStatus},
    event::Bus,
    host::{Interface, LinkEvents, Netlink, Sockets, WaysOut, resolvers},
    kernel::{Kernel, ReasonTotals, ServiceTotals},
    lock::Mutex,
    policy::{Carries, Lifelines},
    server::LockdownFigures,
    {host::Mode, options::RunOptions},
};

/// How often links are asked what they hold, and names what they stand for, where no event tells that something has changed:
/// none does when another tool detaches a program.
pub(super) const LOOK: Duration = Duration::from_millis(250);
/// Least time between two looks, however much happens to interfaces.
const REST: Duration = Duration::from_millis(50);
/// How often the host's own addresses and gateways, and what it carries, are read again.
const READ: Duration = Duration::from_secs(3);

/// What is told where there are no events.
const ONLY_ASKED: &str =
    "changes of interfaces are not told by the kernel; they are asked for four times a second";

/// The loaded program, its attachments, and what a block must not cut off.
pub(super) struct Protection {
    pub(super) kernel: Kernel,
    pub(super) netlink: Netlink,
    mode: Mode,
    /// Interfaces that no earlier run had protected.
    new: Vec<String>,
    /// One change of attachments at a time, and by its holder what is attached to the ways out.
    pub(super) changes: tokio::sync::Mutex<Egress>,
    pub(super) protected: Mutex<ProtectedInterfaces>,
    pub(super) lifelines: RwLock<Lifelines>,
    /// The host's addresses that packets come to by protected interfaces.
    pub(super) reached: RwLock<BTreeSet<IpAddr>>,
    role: Mutex<Role>,
    pub(super) seen: Mutex<Seen>,
    /// What was taken over from what the kernel tracks, once it has been.
    seed: Mutex<Seed>,
    pub(super) health: Mutex<Option<HealthReport>>,
    /// The host's queues of requests for connections are full.
    queues_are_full: AtomicBool,
    has_room: AtomicBool,
    pub(super) machine: Mutex<MachineStatus>,
    pub(super) lockdowns: Mutex<BTreeMap<String, LockdownFigures>>,
    bus: Bus,
    pub(super) tasks: Arc<Watched>,
    pub(super) runtime: Handle,
    pub(super) all_detached: Arc<Notify>,
}

/// Where it is told what happens, and how the tasks fare.
pub(super) struct News {
    pub(super) bus: Bus,
    pub(super) tasks: Arc<Watched>,
}

impl Protection {
    /// Attaches to every interface that there is. What is not there yet is waited for; but an error, with nothing attached,
    /// where all are there and none can be attached.
    pub(super) async fn start(
        kernel: Kernel,
        netlink: Netlink,
        options: &RunOptions,
        mode: Mode,
        news: News,
        all_detached: Arc<Notify>,
    ) -> anyhow::Result<Self> {
        kernel.sweep()?;
        let protection = Self {
            kernel,
            netlink,
            mode,
            new: Vec::new(),
            changes: tokio::sync::Mutex::default(),
            protected: Mutex::new(ProtectedInterfaces::new(&options.interfaces)),
            lifelines: RwLock::default(),
            reached: RwLock::default(),
            role: Mutex::default(),
            seen: Mutex::default(),
            seed: Mutex::default(),
            health: Mutex::default(),
            queues_are_full: AtomicBool::new(false),
            has_room: AtomicBool::new(false),
            machine: Mutex::default(),
            lockdowns: Mutex::default(),
            bus: news.bus,
            tasks: news.tasks,
            runtime: Handle::current(),
            all_detached,
        };
        protection.reconciler().keep_names().await?;
        let before = protection.kernel.attached_interfaces()?;
        let outcome = protection.take_up(&before).await;
        let attached = protection.protected.lock().attached();
        let new = attached.into_iter().filter(|name| !before.contains(name)).collect();
        let protection = Self { new, ..protection };
        if outcome.is_err() {
            protection.undo();
        }
        outcome.map(|()| protection)
    }

    /// Attaches to what there is, and lets go of the maps of earlier runs, which had attached to `before`.
    async fn take_up(&self, before: &[String]) -> anyhow::Result<()> {
        self.reconciler().start(&self.protected).await?;
        let attached = self.protected.lock().attached();
        // Links that this run has not taken over still run the program of an earlier run over its maps; those maps must
        // stay as long as they do.
        let forgotten: Vec<_> = before.iter().filter(|name| !attached.contains(name)).collect();
        if forgotten.is_empty() {
            self.kernel.remove_other_maps()?;
        } else {
            warn!(
                ?forgotten,
                "protected by an earlier run and not taken over: left as they are, with that run's program"
            );
        }
        Ok(())
    }

    /// What came for each service, by its number.
    pub(super) fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTotals)>> {
        self.kernel.service_counters()
    }

    /// What was counted, by reason.
    pub(super) fn totals(&self) -> anyhow::Result<Vec<ReasonTotals>> {
        self.kernel.counters()
    }

    /// Forgets what was counted of the signature with a bit.
    pub(super) fn clear_signature_counter(&self, place: u32) -> anyhow::Result<()> {
        self.kernel.clear_signature_counter(place)
    }

    /// Where it is told what happens.
    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Whether the host's queues of requests for connections are full, as of the last look.
    pub(super) fn queues_are_full(&self) -> bool {
        self.queues_are_full.load(Ordering::Relaxed)
    }

    /// Takes note of whether they are.
    pub(super) fn set_queues_are_full(&self, are_full: bool) {
        self.queues_are_full.store(are_full, Ordering::Relaxed);
    }

    /// Whether the host is known to be able to take more.
    pub(super) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Relaxed)
    }

    /// Whether it is, as was seen last.
    pub(super) fn set_has_room(&self, has_room: bool) {
        self.has_room.store(has_room, Ordering::Relaxed);
    }

    /// Takes note of how the host fares.
    pub(super) fn set_health(&self, report: HealthReport) {
        *self.health.lock() = Some(report);
    }

    /// Takes note of how lockdowns stand.
    pub(super) fn set_lockdowns(&self, figures: BTreeMap<String, LockdownFigures>) {
        *self.lockdowns.lock() = figures;
    }

    /// How links, CPUs and file systems fare, for whoever looks at them.
    pub(super) fn machine_mut(&self) -> impl std::ops::DerefMut<Target = MachineStatus> {
        self.machine.lock()
    }

    /// Takes note of the host's sockets.
    pub(super) fn set_sockets(&self, sockets: &Sockets) {
        let (peers, resolvers) = (sockets.peers.iter().copied().collect(), resolvers());
        let mut lifelines = self.lifelines.write();
        (lifelines.peers, lifelines.resolvers) = (peers, resolvers);
    }

    /// Takes note of where people are logged in from.
    pub(super) fn set_logins(&self, logins: Vec<IpAddr>) {
        self.lifelines.write().logins = logins;
    }

    /// Addresses that no rule is to ban: of the host, of its gateways and resolvers, of those that it has connected to.
    pub(super) fn spared(&self) -> Lifelines {
        self.lifelines.read().clone()
    }

    /// Why packets may belong to flows that nothing is known of.
    pub(super) fn carries(&self) -> BTreeSet<Carries> {
        self.role.lock().carries()
    }

    /// The [`families`] of which all that leaves is noted.
    pub(super) fn sees_what_leaves(&self) -> u64 {
        self.seen.lock().families
    }

    /// The [`families`] of which nothing counts that the host carries, since all that leaves is noted.
    pub(super) fn proven(&self) -> u64 {
        self.role.lock().proven()
    }

    /// Keeps the program on the interfaces, and what is known of the host up to date, for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut events =
            LinkEvents::open().inspect_err(|error| warn!(error = format!("{error:#}"), "{ONLY_ASKED}")).ok();
        let mut seeding = (!self.carries().is_empty()).then(|| self.take_over());
        let mut read = Instant::now();
        loop {
            tokio::time::sleep(REST).await;
            wait(&mut events).await;
            {
                let _changes = self.changes.lock().await;
                self.reconciler().look(&self.protected).await;
            }
            let seeded = seeding.take_if(|seeding| seeding.is_finished());
            if seeded.is_none() && read.elapsed() < READ {
                continue;
            }
            read = Instant::now();
            if let Err(error) = self.read_host().await {
                error!(
                    error = format!("{error:#}"),
                    "the host could not be looked at; what is known of it holds"
                );
            }
        }
    }

    /// Takes over the flows that the kernel tracks for others.
    fn take_over(self: &Arc<Self>) -> JoinHandle<()> {
        let protection = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            match seed(&protection.kernel.tables(), protection.kernel.capacity()) {
                Ok(seed) => {
                    info!(connections = seed.connections, "what the kernel tracks is known");
                    *protection.seed.lock() = seed;
                }
                Err(error) => warn!(
                    error = format!("{error:#}"),
                    "flows that are older than this start have to show themselves: what the kernel tracks could not be \
                     taken over"
                ),
            }
        })
    }

    pub(super) fn reconciler(&self) -> Reconciler<'_> {
        let Self { kernel, netlink, mode, bus, .. } = self;
        Reconciler { kernel, netlink, mode: *mode, bus }
    }

    /// Keeps the program that looks at what leaves on the interfaces that lead out.
    async fn see_what_leaves(
        &self,
        protected: &[u32],
        routes: &WaysOut,
        addressed: BTreeMap<u32, u64>,
    ) -> anyhow::Result<()> {
        let all = self.netlink.interfaces().await?;
        let out = ways_out(all, protected, routes, &addressed);
        let mut egress = self.changes.lock().await;
        // After the last command to let go, nothing is put on any more.
        if self.protected.lock().is_empty() {
            return Ok(());
        }
        let outside: BTreeSet<u32> =
            protected.iter().copied().chain(routes.interfaces.iter().copied()).collect();
        let mut outside = outside.into_iter().take(MAX_OUTSIDE);
        let tables = self.kernel.tables();
        for pair in &tables.settings[0].outside {
            let mut next = || u64::from(outside.next().unwrap_or(0));
            pair.store(next() | next() << 32);
        }
        let seen = egress.look(&self.kernel, &out);
        *self.seen.lock() = seen;
        Ok(())
    }

    /// Takes the program off again where this run has put it, as the start has failed.
    pub(super) fn undo(&self) {
        for name in &self.new {
            if let Err(error) = self.kernel.detach(name) {
                error!(
                    interface = name,
                    error = format!("{error:#}"),
                    "stays filtered though the start has failed"
                );
            }
        }
    }

    pub(super) async fn read_host(&self) -> anyhow::Result<()> {
        // Loopback addresses never come in from a wire; a list that covers them does no harm.
        let own: Vec<(u32, IpAddr)> = self
            .netlink
            .addresses()
            .await?
            .into_iter()
            .filter(|(_, address)| !address.is_loopback())
            .collect();
        let out = self.netlink.ways_out().await?;
        let protected = self.protected.lock().indices();
        // Each interface has one that is local to its link, those of containers as well.
        let is_wide = |address: &IpAddr| match address {
            IpAddr::V4(address) => !address.is_link_local(),
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        };
        let mut addressed = BTreeMap::<u32, u64>::new();
        for (index, address) in own.iter().filter(|(_, address)| is_wide(address)) {
            let family = if address.is_ipv4() { families::V4 } else { families::V6 };
            *addressed.entry(*index).or_default() |= family;
        }
        self.see_what_leaves(&protected, &out, addressed).await?;
        let found = super::host_role::read(&self.netlink, &protected, out.routes).await;
        let seen = self.seen.lock().clone();
        let settled = self.kernel.tables().settings[0].knowledge.load() & knowledge::CONNECTIONS != 0;
        let settled = settled || self.seed.lock().covers(&found);
        let news = self.role.lock().take(found, seen, settled);
        news.into_iter().for_each(|what| self.bus.publish(what));
        let interfaces = self.netlink.interfaces().await?;
        let by: BTreeSet<u32> = protected
            .iter()
            .copied()
            .chain(interfaces.iter().filter(|one| is_above(one, &protected)).map(|one| one.index))
            .chain(
                interfaces.iter().filter(|one| protected.contains(&one.index)).filter_map(|one| one.master),
            )
            .collect();
        *self.reached.write() =
            own.iter().filter(|(index, _)| by.contains(index)).map(|(_, address)| *address).collect();
        let own = own.into_iter().map(|(_, address)| address).collect();
        let mut lifelines = self.lifelines.write();
        (lifelines.own, lifelines.gateways) = (own, out.gateways);
        Ok(())
    }
}

/// Waits until something has become of an interface, or it is time to look all the same.
async fn wait(events: &mut Option<LinkEvents>) {
    let Some(told) = events else { return tokio::time::sleep(LOOK).await };
    if let Ok(Err(error)) = tokio::time::timeout(LOOK, told.changed()).await {
        warn!(error = error.to_string(), "{ONLY_ASKED}");
        *events = None;
    }
}

/// Whether an interface is built upon one of these.
fn is_above(interface: &Interface, these: &[u32]) -> bool {
    interface.lower.is_some_and(|lower| these.contains(&lower))
}
