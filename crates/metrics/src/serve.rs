//! Answers those who read figures: one request a connection, so many at once, and each within seconds.

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use floodwall_api::Overview;
use floodwall_listen::{Connection, Listener};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::{Mutex, Semaphore},
    task::JoinSet,
};
use tracing::warn;

use crate::{Format, Meters, expose};

/// Where figures are.
const PATH: &str = "/metrics";
/// Those who are answered at once. Others are hung up on: who reads figures comes again.
const CONNECTIONS: usize = 8;
/// How long somebody may take to ask.
const HEAD: Duration = Duration::from_secs(5);
/// How long it may take in all, until it has read its answer.
const WHOLE: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD: usize = 16 << 10;
/// Those who ask within so long of each other are told the same: so many readers cost no more than one.
const FRESH: Duration = Duration::from_millis(500);
/// How long nobody is taken in after the system could not take one in.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers for as long as it is polled; `look` says how everything stands, or why it does not.
pub async fn serve<L, F>(listener: Listener, look: L, meters: Arc<Meters>)
where
    L: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Overview, String>> + Send,
{
    let desk = Arc::new(Desk { look, meters, seen: Mutex::new(None) });
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Those that are answered go when this is dropped.
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let connection = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                warn!(%error, "a reader of metrics could not be taken in");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let desk = Arc::clone(&desk);
        clients.spawn(async move {
            let _place = place;
            // Whoever is too slow is hung up on.
            drop(tokio::time::timeout(WHOLE, attend(connection, desk)).await);
        });
    }
}

/// What is answered from.
struct Desk<L> {
    look: L,
    meters: Arc<Meters>,
    /// How everything stood when it was looked at last.
    seen: Mutex<Option<(Instant, Arc<Overview>)>>,
}

impl<L, F> Desk<L>
where
    L: Fn() -> F,
    F: Future<Output = Result<Overview, String>>,
{
    async fn now(&self) -> Result<Arc<Overview>, String> {
        // Held while it is looked: who asks meanwhile is told the same.
        let mut seen = self.seen.lock().await;
        if let Some((at, overview)) = &*seen
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new((self.look)().await?);
        *seen = Some((Instant::now(), Arc::clone(&overview)));
        Ok(overview)
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != PATH {
            let words = format!("There is nothing here. The metrics are at {PATH}.\n");
            return plain(StatusCode::NOT_FOUND, words);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused =
                plain(StatusCode::METHOD_NOT_ALLOWED, "Metrics can only be read: GET or HEAD.\n".to_owned());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let accepts = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let format = Format::wanted(&accepts.collect::<Vec<_>>().join(","));
        let exposed = match self.now().await {
            Ok(overview) => {
                expose(overview, Arc::clone(&self.meters), format).map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        match exposed {
            Ok(page) => answered(StatusCode::OK, format.content_type(), page),
            Err(why) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, format!("The metrics cannot be told: {why}\n"))
            }
        }
    }
}

async fn attend<L, F>(connection: Connection, desk: Arc<Desk<L>>)
where
    L: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Overview, String>> + Send,
{
    let service = service_fn(|request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), service)
        .await;
    // Whoever does not speak HTTP, or hangs up, cannot be told.
    drop(served);
}

fn plain(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    answered(status, "text/plain; charset=utf-8", words)
}

fn answered(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
