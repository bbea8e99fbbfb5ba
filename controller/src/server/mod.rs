//! The control socket: HTTP and JSON over a Unix socket, as [`crate::api`] lays it down.
//!
//! Handlers translate: a request into a call of [`Filter`] or [`Dataplane`], its outcome into a response. The
//! caller gives the listener and the shutdown.

mod answer;
mod audit;
mod command;
mod dataplane;
mod events;
mod lists;
mod peer;
mod rules;
mod signatures;
mod sources;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod why;

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use tokio::{
    net::UnixListener,
    sync::{Semaphore, broadcast},
};

pub use audit::Audit;
pub use dataplane::{Dataplane, Examination};

use crate::{
    api::{DropReport, path},
    detect::Detection,
    event::Bus,
    state::Filter,
};

/// Requests that are worked on at once; more wait their turn.
const MAX_REQUESTS: usize = 64;
/// Largest body of an ordinary request, bytes.
const MAX_BODY: usize = 1 << 20;
/// Largest list that can be imported, bytes as sent.
const MAX_LIST: usize = 512 << 20;

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
    /// Bounds the work that is under way.
    requests: Arc<Semaphore>,
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
    ) -> Self {
        Self {
            filter,
            dataplane,
            detection,
            drops,
            bus,
            audit,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        }
    }
}

/// Answers requests until `shutdown` resolves, and then those that are under way.
pub async fn serve(
    listener: UnixListener,
    context: Context,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(context).into_make_service_with_connect_info::<peer::Peer>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}

fn router(context: Context) -> Router {
    Router::new()
        .route(path::STATUS, get(status::status))
        .route(path::IMPORT, post(lists::import).layer(DefaultBodyLimit::max(MAX_LIST)))
        .route(path::FLUSH, post(lists::flush))
        .route(path::POLICY, get(rules::in_force))
        .route(path::RULE, get(rules::list).put(rules::set))
        .route(path::BAN, get(rules::bans))
        .route(path::LIFT, post(rules::lift))
        .route(path::KEEP, post(rules::keep))
        .route(path::BYPASS, get(rules::bypassed).put(rules::bypass))
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
        .route(path::EVENTS, get(events::events))
        .route(path::ATTACH, post(status::attach))
        .route(path::DETACH, post(status::detach))
        .route(path::AUDIT, get(audit::page))
        .route(path::OPENAPI, get(status::openapi))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(context.clone(), command::tell))
        .with_state(context)
}
