//! How the daemon starts: the program takes over each interface, then commands are taken.

use std::sync::Arc;

use anyhow::Context as _;
use floodwall_incident::{Archive, ArchiveWriter, Limits, PacketHistory};
use floodwall_metrics::Meters;
use floodwall_notify::{Notifier, Target};
use floodwall_origin::Origins;
use floodwall_systemd::ServiceManager;
use tokio::sync::{Notify, broadcast};
use tracing::info;

use super::{
    background::{self, Shared, resumable},
    detection::{self, Watch},
    health,
    incidents::{self, Incidents, Tap},
    opening::Opened,
    protection::{self, Protection},
    running::Running,
    service_manager,
    serving::Serving,
    signals::{Others, Signals},
    tasks::{Policy, Tasks, Watched},
    undo_unconfirmed, web,
};
use crate::{
    config::Config,
    host,
    lock::Mutex,
    options::RunOptions,
    server::{self, Audit, Bounds, Context, Descriptors},
};

/// Drops that a slow reader may fall behind by.
const DROPS_HELD: usize = 1_024;

impl Running {
    /// Attaches to the interfaces, and begins to serve. Should it fail, what it has attached is taken off again.
    pub(super) async fn start(
        opened: Opened,
        options: &RunOptions,
        config: Config,
        others: Others,
    ) -> anyhow::Result<Self> {
        let Opened { bus, logging, sockets, netlink, kernel, samples, readers, filter, detector, undone } =
            opened;
        let tables = kernel.tables();
        let watched = Arc::new(Watched::default());
        let all_detached = Arc::new(Notify::new());
        let (drops, _) = broadcast::channel(DROPS_HELD);
        let news = protection::News { bus: bus.clone(), tasks: Arc::clone(&watched) };
        let protection =
            Protection::start(kernel, netlink, options, config.mode, news, Arc::clone(&all_detached)).await?;
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
        let mut tasks = Tasks::new(watched, bus.clone());
        // The record hears of the first attack, too.
        let record = Record::start(&mut tasks, &shared, config.incidents, config.notify)?;
        let signatures_changed = Arc::new(Notify::new());
        let watch = Watch {
            samples,
            protection: Arc::clone(&protection),
            tables: Arc::clone(&tables),
            filter: Arc::clone(&filter),
            bus: bus.clone(),
            meters: Arc::clone(&shared.meters),
            tap: record.tap,
            changed: Arc::clone(&signatures_changed),
        };
        let (watching, detection) =
            detection::spawn(detector, watch).context("starting to look for attacks")?;
        filter.attend(detection.clone());
        background::read_reports(&mut tasks, &shared, readers, drops.clone());
        background::follow_the_host(&mut tasks, &shared, config.watch_disk);
        background::keep_what_is_learnt(&mut tasks, &shared, &detection, signatures_changed);
        let audit =
            Audit::start(&options.state_dir, filter.keeps_changes()).context("starting the audit log")?;
        undo_unconfirmed::write_down(&audit, &undone);
        background::make_due_changes(&mut tasks, &shared, &detection, &audit);
        // What else the daemon keeps open is open by now.
        let context = Context::new(
            Arc::clone(&filter),
            Arc::clone(&protection) as _,
            detection.clone(),
            drops,
            bus.clone(),
            audit,
            server::Incidents { archive: record.archive, notifier: record.notifier },
        )
        .measured_by(shared.meters)
        .knowing(shared.origins)
        .remembering(record.past)
        .with_page(config.web.as_ref().map(|listen| web::status(listen, &options.state_dir)))
        .within(Bounds::within(Descriptors::now()));
        background::serve_viewers(&mut tasks, &context, config.web, config.metrics);
        // Who gets an answer may end the daemon, too.
        let signals = Signals::watch(others)?;
        let serving = Serving::start(sockets.control, sockets.read_only, &context);
        starting.succeeds();
        let service_manager = Arc::new(Mutex::new(ServiceManager::of_environment()));
        service_manager::report_ready(&context, &service_manager).await?;
        info!(socket = %options.socket.display(), "ready");
        service_manager::start(&mut tasks, &context, &tables, &service_manager);
        Ok(Self {
            bus,
            logging,
            filter,
            protection,
            all_detached,
            watching,
            detection,
            writer: record.writer,
            tasks,
            context,
            signals,
            serving,
            socket_file: sockets.file,
            service_manager,
        })
    }
}

/// The record of incidents while it is kept.
struct Record {
    writer: ArchiveWriter,
    archive: Archive,
    notifier: Arc<Notifier>,
    /// Takes copies of samples.
    tap: Arc<Tap>,
    past: Arc<PacketHistory>,
}

impl Record {
    fn start(
        tasks: &mut Tasks,
        shared: &Shared,
        limits: Limits,
        notify: Vec<Target>,
    ) -> anyhow::Result<Self> {
        let Shared { filter, protection, origins, bus, state_dir, .. } = shared;
        let (tap, past) = (Arc::new(Tap::default()), Arc::new(PacketHistory::default()));
        let state_dir = filter.keeps_changes().then_some(state_dir.as_path());
        let (writer, recorder) =
            ArchiveWriter::start(state_dir, limits).context("starting the record of incidents")?;
        let archive = writer.archive();
        let notifier = Notifier::start(notify, &host::hostname()).context("starting notifications")?;
        let notifier = Arc::new(notifier);
        let mut incidents = Incidents {
            recorder,
            archive: archive.clone(),
            notifier: Arc::clone(&notifier),
            tap: Arc::clone(&tap),
            filter: Arc::clone(filter),
            protection: Arc::clone(protection),
            origins: Arc::clone(origins),
            past: Arc::clone(&past),
        };
        incidents.resume();
        let incidents = resumable(incidents);
        let happens = bus.clone();
        tasks.run("incidents", Policy::Restart, move || {
            incidents::record(Arc::clone(&incidents), happens.clone())
        });
        Ok(Self { writer, archive, notifier, tap, past })
    }
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
