//! What goes on beside detection and the server: a task each, started again should it fail.

use std::{path::PathBuf, sync::Arc};

use floodwall_common::wire::{BanEvent, DropEvent};
use floodwall_listen::ListenAddress;
use floodwall_metrics::Meters;
use floodwall_origin::Origins;
use tokio::sync::{Mutex, Notify, broadcast};

use super::{
    bans, clients, detection, drop_events, expiry, health, lockdowns, machine, metrics, origins,
    protection::Protection,
    tasks::{Policy, Tasks},
    undo_unconfirmed, web,
};
use crate::{
    api::DropReport,
    detect::Detection,
    event::Bus,
    kernel::{EventReader, LogReader},
    server::{Audit, Context},
    state::Filter,
};

/// What the tasks share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) filter: Arc<Filter>,
    pub(super) protection: Arc<Protection>,
    pub(super) origins: Arc<Origins>,
    pub(super) meters: Arc<Meters>,
    pub(super) bus: Bus,
    pub(super) state_dir: PathBuf,
}

/// What the kernel program reports by.
pub(super) struct Readers {
    pub(super) drops: EventReader<DropEvent>,
    pub(super) log: LogReader,
    pub(super) bans: EventReader<BanEvent>,
}

/// Something that a task which is started again takes up where the one before was.
pub(super) fn resumable<T>(reader: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(reader))
}

/// Passes on what the kernel program reports: drops to `sender`, bans to the state, its log to the daemon's.
pub(super) fn read_reports(
    tasks: &mut Tasks,
    shared: &Shared,
    readers: Readers,
    sender: broadcast::Sender<DropReport>,
) {
    let Readers { drops, log, bans } = readers;
    let (drops, log, bans) = (resumable(drops), resumable(log), resumable(bans));
    let of = shared.clone();
    tasks.run("drop events", Policy::Restart, move || {
        drop_events::forward(
            Arc::clone(&drops),
            sender.clone(),
            Arc::clone(&of.meters),
            Arc::clone(&of.origins),
        )
    });
    tasks.run("kernel log", Policy::Restart, move || drop_events::forward_log(Arc::clone(&log)));
    let of = shared.clone();
    tasks.run("bans", Policy::Restart, move || {
        bans::note(Arc::clone(&bans), Arc::clone(&of.filter), Arc::clone(&of.protection))
    });
}

/// Keeps the filter in step with the time and with the host: what expires, interfaces, lifelines, links and disks
/// (`watched_disks` beside that of the state), networks and countries.
pub(super) fn follow_the_host(tasks: &mut Tasks, shared: &Shared, watched_disks: Vec<PathBuf>) {
    let both = |shared: &Shared| (Arc::clone(&shared.filter), Arc::clone(&shared.protection));
    let of = shared.clone();
    tasks.run("ends of bans", Policy::Restart, move || {
        let (filter, host) = both(&of);
        bans::tend(filter, host)
    });
    let of = shared.clone();
    tasks.run("lifelines", Policy::Restart, move || {
        let (filter, host) = both(&of);
        bans::spare(filter, host)
    });
    let of = shared.clone();
    tasks.run("health", Policy::Restart, move || {
        let (filter, host) = both(&of);
        health::run(filter, host)
    });
    let of = shared.clone();
    tasks.run("expiry", Policy::Restart, move || expiry::run(Arc::clone(&of.filter)));
    let of = shared.clone();
    tasks.run("memory", Policy::Restart, move || expiry::reclaim(Arc::clone(&of.filter)));
    let of = shared.clone();
    tasks.run("interfaces", Policy::Restart, move || Arc::clone(&of.protection).watch());
    let of = shared.clone();
    tasks.run("links", Policy::Restart, move || machine::watch(Arc::clone(&of.protection)));
    let (of, mut directories) = (shared.clone(), watched_disks);
    directories.insert(0, shared.state_dir.clone());
    tasks.run("disks", Policy::Restart, move || {
        machine::watch_disks(Arc::clone(&of.protection), directories.clone())
    });
    if shared.origins.are_configured() {
        let of = shared.clone();
        tasks.run("origins", Policy::Restart, move || {
            let (filter, host) = both(&of);
            origins::follow(Arc::clone(&of.origins), filter, host, of.bus.clone())
        });
    }
}

/// Writes down what is learnt: what is usual, and which clients are known; the former also when signatures have `changed`.
pub(super) fn keep_what_is_learnt(
    tasks: &mut Tasks,
    shared: &Shared,
    detection: &Detection,
    changed: Arc<Notify>,
) {
    let (of, detection) = (shared.clone(), detection.clone());
    tasks.run("baseline", Policy::Restart, move || {
        let (filter, state_dir) = (Arc::clone(&of.filter), of.state_dir.clone());
        detection::keep(detection.clone(), filter, state_dir, Arc::clone(&changed))
    });
    let of = shared.clone();
    tasks
        .run("clients", Policy::Restart, move || clients::keep(Arc::clone(&of.filter), of.state_dir.clone()));
}

/// Makes changes when they are due: undoes what was not confirmed, closes and reopens services.
pub(super) fn make_due_changes(tasks: &mut Tasks, shared: &Shared, detection: &Detection, audit: &Audit) {
    let (of, written) = (shared.clone(), audit.clone());
    tasks.run("trials", Policy::Restart, move || {
        undo_unconfirmed::run(Arc::clone(&of.filter), Arc::clone(&of.protection), written.clone())
    });
    let keeper = Arc::new(lockdowns::Keeper {
        filter: Arc::clone(&shared.filter),
        protection: Arc::clone(&shared.protection),
        detection: detection.clone(),
        audit: audit.clone(),
    });
    tasks.run("lockdowns", Policy::Restart, move || lockdowns::run(Arc::clone(&keeper)));
}

/// Serves the page and the metrics, as far as they are configured.
pub(super) fn serve_viewers(
    tasks: &mut Tasks,
    context: &Context,
    web: Option<ListenAddress>,
    metrics: Option<ListenAddress>,
) {
    if let Some(listen) = web {
        let context = context.clone();
        tasks.run("web", Policy::Restart, move || web::serve(listen.clone(), context.clone()));
    }
    if let Some(listen) = metrics {
        let looking = context.clone();
        tasks.run("imports", Policy::Restart, move || metrics::measure_imports(looking.clone()));
        let context = context.clone();
        tasks.run("metrics", Policy::Restart, move || metrics::serve(listen.clone(), context.clone()));
    }
}
