//! `floodwall run`: wires state, kernel and server together, and nothing more.

mod bans;
mod capacity;
mod clients;
mod dataplane;
mod detection;
mod disks;
mod doctor;
mod drop_events;
mod egress;
mod expiry;
mod health;
mod host_role;
mod incidents;
mod link_load;
mod links;
mod lockdowns;
mod machine;
mod metrics;
mod older_flows;
mod origins;
mod protected;
mod protection;
mod reconciler;
mod service_manager;
mod signals;
mod socket;
mod steady_clock;
mod strain;
mod tasks;
mod trials;
mod web;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use floodwall_common::wire::{BanEvent, DropEvent, knowledge};
use floodwall_incident::{ArchiveWriter, PacketHistory};
use floodwall_metrics::Meters;
use floodwall_notify::Notifier;
use floodwall_origin::Origins;
use floodwall_systemd::Supervisor;
use tokio::sync::{Notify, broadcast};
use tracing::{info, warn};

use self::{
    detection::Watch,
    incidents::{Incidents, Tap},
    protection::Protection,
    signals::{Asked, Others, Signals},
    tasks::{Policy, Tasks, Watched},
};
use crate::{
    api::DropReport,
    config::Config,
    detect::Detector,
    event::{Bus, Log, What},
    host::{self, Netlink},
    kernel::{EventReader, Kernel, LogReader, preflight},
    lock::Mutex,
    options::RunOptions,
    server::{self, Audit, Bounds, Context, Descriptors},
    state::Filter,
    store::Store,
};

/// Drops that a slow reader may fall behind by.
const DROPS_HELD: usize = 1_024;

/// Has requests for connections challenged, if that is wanted, and the kernel shows that it can be done.
fn challenge(kernel: &Kernel, wanted: bool) {
    let proven = wanted
        && {
            let proven = kernel.prove_challenges();
            if let Err(error) = &proven {
                warn!(
                    "requests for connections are not challenged while an attack forges them, but have to come again, as this \
                 kernel does not do it right: {error:#}"
                );
            }
            proven.is_ok()
        };
    let known = if proven { knowledge::CHALLENGES } else { 0 };
    kernel.tables().settings[0].knowledge.store_bits(knowledge::CHALLENGES, known);
}

/// Has questions for a name server answered with truncated answers while it is attacked, likewise.
fn truncate(kernel: &Kernel, wanted: bool) {
    let outcome = wanted.then(|| kernel.prove_truncation());
    if let Some(Err(error)) = &outcome {
        warn!(
            "questions of new sources for a name server are not answered with truncated answers while it is attacked, as this \
             kernel does not do it right: {error:#}"
        );
    }
    let known = if matches!(outcome, Some(Ok(()))) { knowledge::TRUNCATION } else { 0 };
    kernel.tables().settings[0].knowledge.store_bits(knowledge::TRUNCATION, known);
}

/// Protects the interfaces until SIGTERM, SIGINT, or the last one is detached.
///
/// The order is what keeps packets filtered throughout: the tables are filled first, then the program takes
/// over each interface through its link, then commands are taken. Ending leaves the filter in force. Whatever
/// another daemon may be using (state, socket, pins) is claimed before anything of it is touched.
pub async fn run(options: RunOptions, config: Config) -> anyhow::Result<()> {
    let options = RunOptions { interfaces: config.interfaces.clone(), ..options };
    let others = Others::watch()?;
    preflight(Some(&options.bpffs))?;
    if let Some(warning) = Descriptors::raise().warning() {
        warn!("{warning}");
    }
    let bus = Bus::default();
    let logging = Log::open(&bus).context("starting the log of events")?;
    let opened = Store::open(&options.state_dir, options.accept_state)?;
    let sockets = socket::open(&options.socket).await?;
    let netlink = Netlink::open()?;
    let mut kernel = Kernel::load(Some(&options.bpffs), config.capacity.clone())?;
    let filter = Filter::open(kernel.tables(), opened, &config, bus.clone())?;
    challenge(&kernel, config.challenges);
    truncate(&kernel, config.challenges);
    let events = kernel.take_events()?;
    let log = kernel.take_log()?;
    let samples = kernel.take_samples()?;
    let bans = kernel.take_bans()?;
    filter.configured_from(options.config.as_deref(), options.observe);
    let undone = trials::undo_overdue(&filter);
    config.policy.warnings().iter().for_each(|warning| warn!("{warning}"));
    let tables = kernel.tables();
    let mut detector = Detector::default();
    detection::restore(&mut detector, &filter, &options.state_dir);
    clients::restore(&filter, &options.state_dir);
    let watched = Arc::new(Watched::default());
    let all_detached = Arc::new(Notify::new());
    let (drops, _) = broadcast::channel(DROPS_HELD);
    let news = protection::News { bus: bus.clone(), tasks: Arc::clone(&watched) };
    let protection =
        Protection::start(kernel, netlink, &options, config.mode, news, Arc::clone(&all_detached)).await?;
    let protection = Arc::new(protection);
    let starting = Start { protection: Arc::clone(&protection), has_succeeded: false };
    protection.read_host().await?;
    health::look(&filter, &protection, Default::default());

    let origins = Arc::new(Origins::new(config.origin));
    let (tap, past) = (Arc::new(Tap::default()), Arc::new(PacketHistory::default()));
    let meters = Arc::new(Meters::default());
    let state_dir = filter.keeps_changes().then_some(options.state_dir.as_path());
    let (writer, recorder) =
        ArchiveWriter::start(state_dir, config.incidents).context("starting the record of incidents")?;
    let archive = writer.archive();
    let notifier = Notifier::start(config.notify, &host::hostname()).context("starting notifications")?;
    let notifier = Arc::new(notifier);
    let mut incidents = Incidents {
        recorder,
        archive: archive.clone(),
        notifier: Arc::clone(&notifier),
        tap: Arc::clone(&tap),
        filter: Arc::clone(&filter),
        protection: Arc::clone(&protection),
        origins: Arc::clone(&origins),
        past: Arc::clone(&past),
    };
    incidents.resume();
    let incidents = again(incidents);
    let mut tasks = Tasks::new(watched, bus.clone());
    // It hears of the first attack, too.
    {
        let bus = bus.clone();
        tasks.run("incidents", Policy::Restart, move || {
            incidents::record(Arc::clone(&incidents), bus.clone())
        });
    }

    let signatures_changed = Arc::new(Notify::new());
    let watch = Watch {
        samples,
        protection: Arc::clone(&protection),
        tables: Arc::clone(&tables),
        filter: Arc::clone(&filter),
        bus: bus.clone(),
        meters: Arc::clone(&meters),
        tap,
        changed: Arc::clone(&signatures_changed),
    };
    let (watching, detection) = detection::spawn(detector, watch).context("starting to look for attacks")?;
    filter.attend(detection.clone());
    let readers =
        Readers { drops: events, log, bans, meters: Arc::clone(&meters), origins: Arc::clone(&origins) };
    start(&mut tasks, &filter, &protection, readers, &drops);
    {
        let host = Arc::clone(&protection);
        tasks.run("links", Policy::Restart, move || machine::watch(Arc::clone(&host)));
        let (host, mut directories) = (Arc::clone(&protection), config.watch_disk.clone());
        directories.insert(0, options.state_dir.clone());
        tasks.run("disks", Policy::Restart, move || {
            machine::watch_disks(Arc::clone(&host), directories.clone())
        });
    }
    if origins.are_configured() {
        let (filter, host, bus) = (Arc::clone(&filter), Arc::clone(&protection), bus.clone());
        let origins = Arc::clone(&origins);
        tasks.run("origins", Policy::Restart, move || {
            origins::follow(Arc::clone(&origins), Arc::clone(&filter), Arc::clone(&host), bus.clone())
        });
    }
    {
        let (detection, filter, state_dir) =
            (detection.clone(), Arc::clone(&filter), options.state_dir.clone());
        tasks.run("baseline", Policy::Restart, move || {
            detection::keep(
                detection.clone(),
                Arc::clone(&filter),
                state_dir.clone(),
                Arc::clone(&signatures_changed),
            )
        });
    }
    {
        let (filter, state_dir) = (Arc::clone(&filter), options.state_dir.clone());
        tasks.run("clients", Policy::Restart, move || clients::keep(Arc::clone(&filter), state_dir.clone()));
    }
    // What is dropped ends those who serve clients.
    let (ended, _) = tokio::sync::watch::channel(());
    let audit = Audit::start(&options.state_dir, filter.keeps_changes()).context("starting the audit log")?;
    trials::write_down(&audit, &undone);
    {
        let (filter, host, audit) = (Arc::clone(&filter), Arc::clone(&protection), audit.clone());
        tasks.run("trials", Policy::Restart, move || {
            trials::run(Arc::clone(&filter), Arc::clone(&host), audit.clone())
        });
    }
    {
        let keeper = Arc::new(lockdowns::Keeper {
            filter: Arc::clone(&filter),
            protection: Arc::clone(&protection),
            detection: detection.clone(),
            audit: audit.clone(),
        });
        tasks.run("lockdowns", Policy::Restart, move || lockdowns::run(Arc::clone(&keeper)));
    }
    // What else the daemon keeps open is open by now.
    let context = Context::new(
        Arc::clone(&filter),
        protection.clone(),
        detection.clone(),
        drops,
        bus.clone(),
        audit,
        server::Incidents { archive, notifier },
    )
    .measured_by(meters)
    .knowing(Arc::clone(&origins))
    .remembering(past)
    .with_page(config.web.as_ref().map(|listen| web::status(listen, &options.state_dir)))
    .within(Bounds::within(Descriptors::now()));
    if let Some(listen) = config.web {
        let context = context.clone();
        tasks.run("web", Policy::Restart, move || web::serve(listen.clone(), context.clone()));
    }
    if let Some(listen) = config.metrics {
        let looking = context.clone();
        tasks.run("imports", Policy::Restart, move || metrics::measure_imports(looking.clone()));
        let context = context.clone();
        tasks.run("metrics", Policy::Restart, move || metrics::serve(listen.clone(), context.clone()));
    }
    // Who gets an answer may end the daemon, too.
    let mut signals = Signals::watch(others)?;
    let mut serving = {
        let (context, mut ended, listener) = (context.clone(), ended.subscribe(), sockets.control);
        let until = async move { drop(ended.changed().await) };
        tokio::spawn(async move { server::serve(listener, context, until).await })
    };
    if let Some(listener) = sockets.read_only {
        let (context, mut ended) = (context.clone(), ended.subscribe());
        let until = async move { drop(ended.changed().await) };
        // Those who only look are done without, should it fail.
        tokio::spawn(async move { server::serve_read_only(listener, context, until).await });
    }
    starting.succeeds();
    let supervisor = Arc::new(Mutex::new(Supervisor::of_environment()));
    {
        let context = context.clone();
        let line = tokio::task::spawn_blocking(move || server::headline(&context)).await;
        supervisor.lock().ready(&line.context("telling how the filter stands")?);
    }
    info!(socket = %options.socket.display(), "ready");
    {
        let (context, told) = (context.clone(), Arc::clone(&supervisor));
        tasks.run("service manager", Policy::Restart, move || {
            service_manager::report_status(context.clone(), Arc::clone(&told))
        });
        let told = Arc::clone(&supervisor);
        tasks.run("watchdog", Policy::Restart, move || {
            service_manager::feed_watchdog(Arc::clone(&tables), Arc::clone(&told))
        });
    }
    let end = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::End => break End::Asked,
                other => signals::answer(other, &context, &detection, &options),
            },
            () = all_detached.notified() => break End::Detached,
            () = tasks.fatal() => break End::Failed("a task has ended without which there is no going on"),
            () = watching.failed() => break End::Failed("the thread that looks for attacks has failed"),
            () = filter.failed() => break End::Failed("the thread that makes changes has failed"),
            _ = &mut serving => break End::Failed("the control socket is not served any more"),
        }
    };
    supervisor.lock().stopping("ending; the filter stays in force");
    drop(context);
    drop(ended);
    // Streams such as `events` never end by themselves; what is under way gets a moment.
    if !serving.is_finished() && tokio::time::timeout(Duration::from_secs(2), serving).await.is_err() {
        info!("some clients were still connected");
    }
    drop(tasks);
    if !matches!(end, End::Failed(_)) {
        detection::keep_now(&detection, &filter, &options.state_dir);
        clients::keep_now(&filter, &options.state_dir);
    }
    watching.end();
    writer.end();
    drop(sockets.file);
    let (text, outcome) = match end {
        End::Detached => ("every interface of this run was detached".to_owned(), Ok(())),
        End::Asked => ("stopping; the filter stays in force until `floodwall detach`".to_owned(), Ok(())),
        End::Failed(why) => {
            (format!("stopping: {why}; the filter stays in force"), Err(anyhow::anyhow!("{why}")))
        }
    };
    logging.close(&bus, What::Health { text, loud: outcome.is_err() });
    outcome
}

/// A start that is under way: should it fail, what it has attached is taken off again.
struct Start {
    protection: Arc<Protection>,
    has_succeeded: bool,
}

impl Start {
    fn succeeds(mut self) {
        self.has_succeeded = true;
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if !self.has_succeeded {
            self.protection.undo();
        }
    }
}

/// What tells of the kernel's side.
struct Readers {
    drops: EventReader<DropEvent>,
    log: LogReader,
    bans: EventReader<BanEvent>,
    meters: Arc<Meters>,
    origins: Arc<Origins>,
}

/// Starts what goes on for ever beside detection and the server.
fn start(
    tasks: &mut Tasks,
    filter: &Arc<Filter>,
    protection: &Arc<Protection>,
    readers: Readers,
    sender: &broadcast::Sender<DropReport>,
) {
    let Readers { drops, log, bans, meters, origins } = readers;
    // A task that is started again goes on reading where the one before was.
    let (drops, log, bans) = (again(drops), again(log), again(bans));
    let sender = sender.clone();
    tasks.run("drop events", Policy::Restart, move || {
        let (meters, origins) = (Arc::clone(&meters), Arc::clone(&origins));
        drop_events::forward(Arc::clone(&drops), sender.clone(), meters, origins)
    });
    tasks.run("kernel log", Policy::Restart, move || drop_events::forward_log(Arc::clone(&log)));
    let both = || (Arc::clone(filter), Arc::clone(protection));
    let (state, host) = both();
    tasks.run("bans", Policy::Restart, move || {
        bans::note(Arc::clone(&bans), Arc::clone(&state), Arc::clone(&host))
    });
    let (state, host) = both();
    tasks.run("ends of bans", Policy::Restart, move || bans::tend(Arc::clone(&state), Arc::clone(&host)));
    let (state, host) = both();
    tasks.run("lifelines", Policy::Restart, move || bans::spare(Arc::clone(&state), Arc::clone(&host)));
    let (state, host) = both();
    tasks.run("health", Policy::Restart, move || health::run(Arc::clone(&state), Arc::clone(&host)));
    let (state, host) = both();
    tasks.run("expiry", Policy::Restart, move || expiry::run(Arc::clone(&state)));
    tasks.run("interfaces", Policy::Restart, move || Arc::clone(&host).watch());
    let (state, _) = both();
    tasks.run("memory", Policy::Restart, move || expiry::reclaim(Arc::clone(&state)));
}

fn again<T>(reader: T) -> Arc<tokio::sync::Mutex<T>> {
    Arc::new(tokio::sync::Mutex::new(reader))
}

/// Why the daemon ends.
enum End {
    /// The last interface was detached.
    Detached,
    /// A signal asked for it.
    Asked,
    /// Something is gone without which there is no going on.
    Failed(&'static str),
}
