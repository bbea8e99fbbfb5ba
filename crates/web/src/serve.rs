//! Answers browsers: so many connections at once, and none that only waits for long.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use floodwall_listen::{Connection, Listener};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::Semaphore, task::JoinSet};
use tower_service::Service as _;
use tracing::warn;

/// Connections at once; a browser has up to six, one of which is the stream of what changes.
const CONNECTIONS: usize = 48;
/// How long a browser may take to ask.
const HEAD: Duration = Duration::from_secs(10);
/// Largest head of a request, bytes.
const MAX_HEAD: usize = 32 << 10;
/// How long nobody is taken in after the system could not take one in.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers for as long as it is polled.
pub async fn serve(listener: Listener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Those that are answered go when this is dropped.
    let mut browsers = JoinSet::new();
    loop {
        while browsers.try_join_next().is_some() {}
        let connection = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                warn!(%error, "a browser could not be taken in");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Whoever there is no room for is hung up on, and comes again.
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else { continue };
        let router = router.clone();
        browsers.spawn(async move {
            let _place = place;
            attend(connection, router).await;
        });
    }
}

async fn attend(connection: Connection, router: Router) {
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
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(connection), service)
        .await;
    // Whoever does not speak HTTP, or hangs up, cannot be told.
    drop(served);
}
