//! Serves the page over HTTP/1.1, with a bound on connections and on the time and size of a request's head.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body};
use floodwall_listen::{Connection, Listener};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tower_service::Service as _;

/// Most connections at once. A browser opens up to six, one of which is the event stream.
const MAX_CONNECTIONS: usize = 48;
/// How long a browser may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD: usize = 32 << 10;

/// Serves the page for as long as it is polled.
pub async fn serve(listener: Listener, router: Router) {
    listener.serve(MAX_CONNECTIONS, |connection| serve_connection(connection, router.clone())).await;
}

async fn serve_connection(connection: Connection, router: Router) {
    let service = service_fn(|request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            Ok::<_, Infallible>(
                router.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {}),
            )
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(connection), service)
        .await;
    // A client that does not speak HTTP, or that has disconnected, cannot be told of its error.
    drop(served);
}
