//! The control socket: HTTP and JSON over a Unix socket, as [`crate::api`] lays it down.
//!
//! Handlers translate: a request into a call of [`Filter`] or [`Dataplane`], its outcome into a response. The
//! caller gives the listener and the shutdown.

mod answer;
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

pub use dataplane::Dataplane;

use crate::{api::DropReport, detect::Detection, event::Bus, state::Filter};

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
    ) -> Self {
        Self { filter, dataplane, detection, drops, bus, requests: Arc::new(Semaphore::new(MAX_REQUESTS)) }
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
        .route("/v1/status", get(status::status))
        .route("/v1/block/import", post(lists::import).layer(DefaultBodyLimit::max(MAX_LIST)))
        .route("/v1/block/flush", post(lists::flush))
        .route("/v1/policy", get(rules::in_force))
        .route("/v1/rule", get(rules::list).put(rules::set))
        .route("/v1/ban", get(rules::bans))
        .route("/v1/ban/lift", post(rules::lift))
        .route("/v1/ban/keep", post(rules::keep))
        .route("/v1/bypass", get(rules::bypassed).put(rules::bypass))
        .route("/v1/reload", post(rules::reload))
        .route("/v1/health", get(rules::health))
        .route("/v1/{list}", get(lists::page))
        .route("/v1/{list}/add", post(lists::add))
        .route("/v1/{list}/remove", post(lists::remove))
        .route("/v1/{list}/test", get(lists::test))
        .route("/v1/limit", get(sources::limits).put(sources::set_limits))
        .route("/v1/source", get(sources::source))
        .route("/v1/signature", get(signatures::list))
        .route("/v1/signature/add", post(signatures::add))
        .route("/v1/signature/pin", post(signatures::pin))
        .route("/v1/signature/drop", post(signatures::drop))
        .route("/v1/events", get(events::events))
        .route("/v1/attach", post(status::attach))
        .route("/v1/detach", post(status::detach))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(context.clone(), command::tell))
        .with_state(context)
}
