//! The control socket: HTTP and JSON over a Unix socket, as [`crate::api`] lays it down.
//!
//! Handlers translate: a request into a call of [`Filter`] or [`Dataplane`], its outcome into a response. The
//! caller gives the listener and the shutdown.

mod accept;
mod answer;
mod audit;
mod bounds;
mod command;
mod connections;
mod dataplane;
mod descriptors;
mod events;
mod headline;
mod incidents;
mod lists;
mod lockdown;
mod notify;
mod overview;
mod peer;
mod read_only;
mod rules;
mod signatures;
mod sources;
mod status;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod trials;
mod upload;
mod why;
mod why_undo;
mod write_timeout;

use std::{future::Future, sync::Arc};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, DefaultBodyLimit},
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use floodwall_incident::{Archive, PacketHistory};
use floodwall_listen::Listener;
use floodwall_metrics::Meters;
use floodwall_notify::Notifier;
use floodwall_origin::Origins;
use floodwall_web::Gate;
use tokio::{
    net::UnixListener,
    sync::{Semaphore, broadcast},
};

pub use audit::Audit;
pub use bounds::Bounds;
pub use dataplane::{Dataplane, Examination, LockdownFigures};
pub use descriptors::Descriptors;
pub use headline::headline;
pub use overview::read_overview;
pub use summary::summary;

use self::{
    bounds::{MAX_BODY, MAX_READING, MAX_REQUESTS},
    peer::Peer,
    upload::Uploads,
};
use crate::{
    api::{DropReport, WebStatus, path},
    detect::Detection,
    event::Bus,
    state::Filter,
};

/// What requests are answered from.
#[derive(Clone)]
pub struct Context {
    /// What is wanted.
    pub filter: Arc<Filter>,
    /// What is attached.
    pub dataplane: Arc<dyn Dataplane>,
    /// What watches for attacks.
    pub detection: Detection,
    /// Drops as they are sampled.
    pub drops: broadcast::Sender<DropReport>,
    /// What happens.
    pub bus: Bus,
    /// Where it is written down who has asked for what.
    pub audit: Audit,
    /// Where incidents are recorded.
    pub incidents: Archive,
    /// What is measured of the daemon itself.
    pub meters: Arc<Meters>,
    /// Who is told of them.
    pub notifier: Arc<Notifier>,
    /// Which networks and countries addresses are of.
    pub origins: Arc<Origins>,
    /// What became of sources within the last hour.
    pub past: Arc<PacketHistory>,
    /// The page for a browser, if there is one.
    pub web: Option<WebStatus>,
    /// What clients may take.
    bounds: Bounds,
    /// Bounds the work that is under way.
    requests: Arc<Semaphore>,
    /// Bounds the streams of events.
    streams: Arc<Semaphore>,
    /// Bounds the lists that are on their way in.
    uploads: Uploads,
    /// Bounds those that read incidents off the disk.
    reading: Arc<Semaphore>,
}

/// Where incidents are recorded, and who is told of them.
#[derive(Debug)]
pub struct Incidents {
    /// The record.
    pub archive: Archive,
    /// Who is told.
    pub notifier: Arc<Notifier>,
}

impl Context {
    /// A context with no request under way.
    pub fn new(
        filter: Arc<Filter>,
        dataplane: Arc<dyn Dataplane>,
        detection: Detection,
        drops: broadcast::Sender<DropReport>,
        bus: Bus,
        audit: Audit,
        Incidents { archive: incidents, notifier }: Incidents,
    ) -> Self {
        let bounds = Bounds::default();
        Self {
            filter,
            dataplane,
            detection,
            drops,
            bus,
            audit,
            incidents,
            meters: Arc::default(),
            notifier,
            web: None,
            origins: Arc::default(),
            past: Arc::default(),
            bounds,
            reading: Arc::new(Semaphore::new(MAX_READING)),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            streams: Arc::new(Semaphore::new(bounds.streams)),
            uploads: Uploads::new(bounds),
        }
    }

    /// The same, with what the daemon measures of itself beside.
    #[must_use]
    pub fn measured_by(self, meters: Arc<Meters>) -> Self {
        Self { meters, ..self }
    }

    /// The same, with databases of origins.
    #[must_use]
    pub fn knowing(self, origins: Arc<Origins>) -> Self {
        Self { origins, ..self }
    }

    /// The same, with what became of sources.
    #[must_use]
    pub fn remembering(self, past: Arc<PacketHistory>) -> Self {
        Self { past, ..self }
    }

    /// The same, beside a page.
    #[must_use]
    pub fn with_page(self, web: Option<WebStatus>) -> Self {
        Self { web, ..self }
    }

    /// The same, with other bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        let (streams, uploads) = (Arc::new(Semaphore::new(bounds.streams)), Uploads::new(bounds));
        Self { bounds, streams, uploads, ..self }
    }
}

/// Answers requests until `shutdown` resolves, and then those that are under way.
pub async fn serve(
    listener: UnixListener,
    context: Context,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let bounds = context.bounds;
    accept::run(listener, router(context), bounds, shutdown).await
}

/// As [`serve`], for clients that may only look: nothing that they ask for changes anything.
pub async fn serve_read_only(
    listener: UnixListener,
    context: Context,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let bounds = context.bounds.of_onlookers();
    let router = router(context).layer(from_fn(read_only::refuse_changes));
    accept::run(listener, router, bounds, shutdown).await
}

/// As [`serve`], for browsers: the page, and what it asks. Answers for as long as it is polled.
pub async fn serve_page(listener: Listener, context: Context, gate: Gate) {
    let asked_by = Extension(ConnectInfo(Peer::page()));
    floodwall_web::serve(listener, floodwall_web::router(gate, router(context).layer(asked_by))).await;
}

fn router(context: Context) -> Router {
    Router::new()
        .route(path::STATUS, get(status::status))
        .route(path::OVERVIEW, get(overview::overview))
        .route(path::IMPORT, post(lists::import))
        .route(path::FLUSH, post(lists::flush))
        .route(path::POLICY, get(rules::in_force))
        .route(path::RULE, get(rules::list).put(rules::set))
        .route(path::BAN, get(rules::bans))
        .route(path::LIFT, post(rules::lift))
        .route(path::KEEP, post(rules::keep))
        .route(path::BYPASS, get(rules::bypassed).put(rules::bypass))
        .route(path::LOCKDOWN, get(lockdown::list).put(lockdown::set))
        .route(path::LOCKDOWN_REOPEN, post(lockdown::reopen))
        .route(path::LOCKDOWN_AUTO, post(lockdown::automatic))
        .route(path::RELOAD, post(rules::reload))
        .route(path::HEALTH, get(rules::health))
        .route(path::DOCTOR, get(status::doctor))
        .route(path::LIST, get(lists::page))
        .route(path::ADD, post(lists::add))
        .route(path::REMOVE, post(lists::remove))
        .route(path::TEST, get(lists::test))
        .route(path::SOURCE, get(sources::source))
        .route(path::WHY, get(why::answered))
        .route(path::SIGNATURE, get(signatures::list))
        .route(path::SIGNATURE_ADD, post(signatures::add))
        .route(path::SIGNATURE_PIN, post(signatures::pin))
        .route(path::SIGNATURE_DROP, post(signatures::drop))
        .route(path::INCIDENT, get(incidents::list))
        .route(path::INCIDENT_REPORT, get(incidents::report))
        .route(path::INCIDENT_PCAP, get(incidents::pcap))
        .route(path::NOTIFY, get(notify::list))
        .route(path::NOTIFY_TEST, post(notify::test))
        .route(path::EVENTS, get(events::events))
        .route(path::ATTACH, post(status::attach))
        .route(path::DETACH, post(status::detach))
        .route(path::TRIAL, get(trials::list))
        .route(path::CONFIRM, post(trials::confirm))
        .route(path::AUDIT, get(audit::page))
        .route(path::OPENAPI, get(status::openapi))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(context.clone(), command::tell))
        .with_state(context)
}
