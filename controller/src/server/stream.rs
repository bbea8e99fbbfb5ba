//! Responses of many lines of JSON.

use axum::{
    body::{Body, Bytes},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::state::Caller;

/// Lines that may wait for a slow reader before the writer has to.
const WAITING_LINES: usize = 64;

/// The writing end of a response; sending fails once the reader has hung up.
pub(super) struct Lines(mpsc::Sender<Bytes>);

impl Lines {
    /// A response, and the end that writes it.
    pub(super) fn response() -> (Self, Response) {
        let (sender, receiver) = mpsc::channel(WAITING_LINES);
        let lines = unfold(receiver, |mut receiver| async {
            let line: Bytes = receiver.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(line), receiver))
        });
        let response = ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response();
        (Self(sender), response)
    }

    /// Writes a line; says whether there is still a reader.
    pub(super) async fn write(&self, value: &impl Serialize) -> bool {
        self.0.send(line(value)).await.is_ok()
    }

    /// Writes a line from a thread that may wait.
    pub(super) fn write_blocking(&self, value: &impl Serialize) -> bool {
        self.0.blocking_send(line(value)).is_ok()
    }

    /// Writes a line if there is room for it: for what may be left out.
    pub(super) fn offer(&self, value: &impl Serialize) {
        drop(self.0.try_send(line(value)));
    }

    /// Whoever reads.
    pub(super) fn caller(&self) -> Caller {
        let lines = self.0.downgrade();
        Caller::gone_if(move || lines.upgrade().is_none_or(|lines| lines.is_closed()))
    }

    /// Resolves once the reader has hung up.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

fn line(value: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
