//! `floodwall run`: wires state, kernel and server together, and nothing more.

mod background;
mod bans;
mod capacity;
mod clients;
mod detection;
mod disks;
mod doctor;
mod drop_events;
mod egress;
mod expiry;
mod health;
mod host_role;
mod incidents;
mod interface_reconciler;
mod interface_step;
mod link_load;
mod lockdowns;
mod machine;
mod metrics;
mod older_flows;
mod origins;
mod protected_interfaces;
mod protection;
mod server_view;
mod service_manager;
mod serving;
mod signals;
mod socket;
mod steady_clock;
mod strain;
mod tasks;
mod trials;
mod watchdog;
mod web;

use std::sync::Arc;

use anyhow::Context as _;
use floodwall_common::wire::knowledge;
use floodwall_incident::{ArchiveWriter, PacketHistory};
use floodwall_metrics::Meters;
use floodwall_notify::Notifier;
use floodwall_origin::Origins;
use floodwall_systemd::ServiceManager;
use tokio::sync::{Notify, broadcast};
use tracing::{info, warn};

use self::{
    background::{Readers, Shared, resumable},
    detection::Watch,
    incidents::{Incidents, Tap},
    protection::Protection,
    serving::Serving,
    signals::{Asked, Others, Signals},
    tasks::{Policy, Tasks, Watched},
};
use crate::{
    config::Config,
    detect::Detector,
    event::{Bus, Log, What},
    host::{self, Netlink},
    kernel::{Kernel, preflight},
    lock::Mutex,
    options::RunOptions,
    server::{self, Audit, Bounds, Context, Descriptors},
    state::Filter,
    store::Store,
};

/// Drops that a slow reader may fall behind by.
const DROPS_HELD: usize = 1_024;

/// Has requests for connections challenged, and questions for a name server answered with truncated answers, while these
/// are attacked: if that is `wanted`, and the kernel shows that it can be done.
fn prove_answers(kernel: &Kernel, wanted: bool) {
    let prove = |flag: u64, outcome: Option<anyhow::Result<()>>, warning: &str| {
        if let Some(Err(error)) = &outcome {
            warn!("{warning}, as this kernel does not do it right: {error:#}");
        }
        let known = if matches!(outcome, Some(Ok(()))) { flag } else { 0 };
        kernel.tables().settings[0].knowledge.store_bits(flag, known);
    };
    prove(
        knowledge::CHALLENGES,
        wanted.then(|| kernel.prove_challenges()),
        "requests for connections are not challenged while an attack forges them, but have to come again",
    );
    prove(
        knowledge::TRUNCATION,
        wanted.then(|| kernel.prove_truncation()),
        "questions of new sources for a name server are not answered with truncated answers while it is attacked",
    );
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
    prove_answers(&kernel, config.challenges);
    let samples = kernel.take_samples()?;
    let readers =
        Readers { drops: kernel.take_events()?, log: kernel.take_log()?, bans: kernel.take_bans()? };
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

    let shared = Shared {
        filter: Arc::clone(&filter),
        protection: Arc::clone(&protection),
        origins: Arc::new(Origins::new(config.origin)),
        meters: Arc::new(Meters::default()),
        bus: bus.clone(),
        state_dir: options.state_dir.clone(),
    };
    let (tap, past) = (Arc::new(Tap::default()), Arc::new(PacketHistory::default()));
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
        origins: Arc::clone(&shared.origins),
        past: Arc::clone(&past),
    };
    incidents.resume();
    let incidents = resumable(incidents);
    let mut tasks = Tasks::new(watched, bus.clone());
    // It hears of the first attack, too.
    let happens = bus.clone();
    tasks.run("incidents", Policy::Restart, move || {
        incidents::record(Arc::clone(&incidents), happens.clone())
    });

    let signatures_changed = Arc::new(Notify::new());
    let watch = Watch {
        samples,
        protection: Arc::clone(&protection),
        tables: Arc::clone(&tables),
        filter: Arc::clone(&filter),
        bus: bus.clone(),
        meters: Arc::clone(&shared.meters),
        tap,
        changed: Arc::clone(&signatures_changed),
    };
    let (watching, detection) = detection::spawn(detector, watch).context("starting to look for attacks")?;
    filter.attend(detection.clone());
    background::read_reports(&mut tasks, &shared, readers, drops.clone());
    background::follow_the_host(&mut tasks, &shared, config.watch_disk);
    background::keep_what_is_learnt(&mut tasks, &shared, &detection, signatures_changed);
    let audit = Audit::start(&options.state_dir, filter.keeps_changes()).context("starting the audit log")?;
    trials::write_down(&audit, &undone);
    background::make_due_changes(&mut tasks, &shared, &detection, &audit);
    // What else the daemon keeps open is open by now.
    let context = Context::new(
        Arc::clone(&filter),
        protection,
        detection.clone(),
        drops,
        bus.clone(),
        audit,
        server::Incidents { archive, notifier },
    )
    .measured_by(shared.meters)
    .knowing(shared.origins)
    .remembering(past)
    .with_page(config.web.as_ref().map(|listen| web::status(listen, &options.state_dir)))
    .within(Bounds::within(Descriptors::now()));
    background::serve_viewers(&mut tasks, &context, config.web, config.metrics);
    // Who gets an answer may end the daemon, too.
    let mut signals = Signals::watch(others)?;
    let mut serving = Serving::start(sockets.control, sockets.read_only, &context);
    starting.succeeds();
    let service_manager = Arc::new(Mutex::new(ServiceManager::of_environment()));
    service_manager::report_ready(&context, &service_manager).await?;
    info!(socket = %options.socket.display(), "ready");
    service_manager::start(&mut tasks, &context, &tables, &service_manager);
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
            _ = serving.failed() => break End::Failed("the control socket is not served any more"),
        }
    };
    service_manager.lock().stopping("ending; the filter stays in force");
    drop(context);
    serving.end().await;
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

/// Why the daemon ends.
enum End {
    /// The last interface was detached.
    Detached,
    /// A signal asked for it.
    Asked,
    /// Something is gone without which there is no going on.
    Failed(&'static str),
}
