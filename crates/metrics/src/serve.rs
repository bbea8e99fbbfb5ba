//! Serves the metrics over HTTP/1.1: one request per connection, with bounds on connections and on the time of each.

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
use tokio::sync::Mutex;

use crate::{Format, Meters, expose};

const PATH: &str = "/metrics";
/// Most connections at once. Further ones are closed: Prometheus tries again at its next scrape.
const MAX_CONNECTIONS: usize = 8;
/// How long a client may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last in all.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD: usize = 16 << 10;
/// How long an overview is reused, so that many scrapers cost no more than one.
const MAX_AGE: Duration = Duration::from_millis(500);

/// Serves the metrics for as long as it is polled. `read` takes an [`Overview`], or says in words why it could not.
pub async fn serve<R, F>(listener: Listener, read: R, meters: Arc<Meters>)
where
    R: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Overview, String>> + Send,
{
    let exporter = Arc::new(Exporter { read, meters, latest: Mutex::new(None) });
    let serve = |connection| {
        let exporter = Arc::clone(&exporter);
        async { drop(tokio::time::timeout(CONNECTION_TIMEOUT, serve_connection(connection, exporter)).await) }
    };
    listener.serve(MAX_CONNECTIONS, serve).await;
}

/// What requests are answered from.
struct Exporter<R> {
    read: R,
    meters: Arc<Meters>,
    /// The latest overview, and when it was taken.
    latest: Mutex<Option<(Instant, Arc<Overview>)>>,
}

impl<R, F> Exporter<R>
where
    R: Fn() -> F,
    F: Future<Output = Result<Overview, String>>,
{
    async fn overview(&self) -> Result<Arc<Overview>, String> {
        // Held while an overview is taken, so that concurrent requests wait for that one.
        let mut latest = self.latest.lock().await;
        if let Some((at, overview)) = &*latest
            && at.elapsed() < MAX_AGE
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new((self.read)().await?);
        *latest = Some((Instant::now(), Arc::clone(&overview)));
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
        let exposed = match self.overview().await {
            Ok(overview) => {
                expose(overview, Arc::clone(&self.meters), format).map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        match exposed {
            Ok(text) => response(StatusCode::OK, format.content_type(), text),
            Err(why) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, format!("The metrics cannot be read: {why}\n"))
            }
        }
    }
}

async fn serve_connection<R, F>(connection: Connection, exporter: Arc<Exporter<R>>)
where
    R: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Overview, String>> + Send,
{
    let service = service_fn(|request: Request<Incoming>| {
        let exporter = Arc::clone(&exporter);
        async move { Ok::<_, Infallible>(exporter.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), service)
        .await;
    // A client that does not speak HTTP, or that has disconnected, cannot be told of its error.
    drop(served);
}

fn plain(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", words)
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
