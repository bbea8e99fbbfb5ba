//! Takes clients in, within bounds, and tells those for whom there is no room.

use std::{convert::Infallible, error::Error as _, future::Future, io, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, response::IntoResponse as _};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tower_service::Service as _;
use tracing::{info, warn};

use super::{
    answer::Refused,
    bounds::{Bounds, MAX_FIELDS, MAX_HEAD},
    connections::{Connections, Place},
    peer::Peer,
    write_timeout::WriteTimeout,
};

/// Clients that are told at once that there is no room; others are only hung up on.
const REFUSALS: usize = 8;
/// How long such a client may take to ask, and to hear that.
const REFUSAL: Duration = Duration::from_millis(500);
/// How long nobody is taken in after the system had no descriptor for it.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes clients in until `shutdown` resolves; returns once those that are answered then have been.
pub(super) async fn run(
    listener: UnixListener,
    router: Router,
    bounds: Bounds,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let connections = Connections::new(bounds.connections);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let (ends, ending) = watch::channel(());
    let mut clients = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while clients.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "a client of the control socket could not be taken in");
                connections.let_go_of_one();
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            () = &mut shutdown => break,
            place = connections.place(bounds.room) => place,
        };
        match (place, Arc::clone(&refusals).try_acquire_owned()) {
            (Some(place), _) => {
                clients.spawn(serve(stream, place, router.clone(), bounds, ending.clone()));
            }
            (None, Ok(turn)) => {
                clients.spawn(refuse(stream, bounds, turn));
            }
            (None, Err(_)) => {}
        }
    }
    drop(listener);
    drop(ends);
    while clients.join_next().await.is_some() {}
    Ok(())
}

/// Answers one client for as long as it asks.
async fn serve(
    stream: UnixStream,
    place: Place,
    router: Router,
    bounds: Bounds,
    mut ending: watch::Receiver<()>,
) {
    let peer = Peer::of(&stream);
    let service = service_fn(|mut request: Request<Incoming>| {
        let answering = place.answers();
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut router = router.clone();
        async move {
            let response = router.call(request.map(Body::new)).await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(response.map(|body| answering.with(body)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream, bounds.unread)), service);
    tokio::pin!(connection);
    let mut is_ending = false;
    let outcome = loop {
        tokio::select! {
            outcome = connection.as_mut() => break outcome,
            () = place.let_go() => return,
            _ = ending.changed(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    let unread = outcome.err().and_then(|error| {
        let cause = error.source()?.downcast_ref::<io::Error>()?;
        (cause.kind() == io::ErrorKind::TimedOut).then(|| cause.to_string())
    });
    if let Some(why) = unread {
        info!(client = %peer, "a client was let go of: {why}");
    }
}

/// Tells a client that there is no room for it.
async fn refuse(mut stream: UnixStream, bounds: Bounds, _turn: OwnedSemaphorePermit) {
    let client = Peer::of(&stream);
    warn!(%client, connections = bounds.connections, "a client was turned away: too many are connected");
    let message =
        format!("floodwall is busy: all of its {} connections are in use; try again", bounds.connections);
    let (parts, body) = Refused::busy(message).into_response().into_parts();
    let body = axum::body::to_bytes(body, MAX_HEAD).await.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        parts.status,
        body.len()
    );
    let tell = async {
        // Who is hung up on while it asks does not read what it was told.
        let mut asked = [0; 1_024];
        if stream.read(&mut asked).await? == 0 {
            return io::Result::Ok(());
        }
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await?;
        while stream.read(&mut asked).await? > 0 {}
        Ok(())
    };
    // Somebody who does not listen cannot be told.
    drop(tokio::time::timeout(REFUSAL, tell).await);
}
