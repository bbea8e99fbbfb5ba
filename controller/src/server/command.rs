//! Who has changed what: told on the bus, and written down, once it is done.

use std::time::{Duration, Instant, SystemTime};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use floodwall_metrics::Request as Asking;
use floodwall_units::unix;
use tokio::time::timeout;

use super::{
    Context,
    answer::{Refused, TOO_MUCH},
    audit::Audit,
    peer::Peer,
};
use crate::{
    api::{AuditEntry, Failure, ListName, ROUTES, path},
    event::What,
};

/// Bytes of a request, and of what it is refused with, that are written down.
const WRITTEN: usize = 1_024;
/// Largest refusal, bytes.
const REFUSAL: usize = 64 << 10;

/// Lets a request through, tells of it if it has changed something, and writes down that it was to.
pub(super) async fn tell(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let Some(command) = changes(request.method(), request.uri().path()) else {
        let begun = Instant::now();
        let response = next.run(request).await;
        context.meters.answered(Asking::Read, begun.elapsed());
        return response;
    };
    let begun = Instant::now();
    // An import tells of itself: it is answered before it is made.
    if request.uri().path() == path::IMPORT {
        let response = next.run(request).await;
        if response.status().is_success() {
            context.bus.publish(What::Command { who: peer.to_string(), command });
        }
        return response;
    }
    let (request, words) = match with_words(request, context.bounds.body).await {
        Ok(both) => both,
        Err(refused) => return refused.into_response(),
    };
    let asked = Asked::new(context.audit.clone(), peer, command.clone(), Some(words));
    let response = next.run(request).await;
    context.meters.answered(Asking::Change, begun.elapsed());
    let (response, result) = with_result(response).await;
    if response.status().is_success() {
        context.bus.publish(What::Command { who: peer.to_string(), command });
    }
    asked.answered(result).await;
    response
}

/// A change that was asked for; written down also if its client hangs up before it is answered.
pub(super) struct Asked {
    audit: Audit,
    entry: Option<AuditEntry>,
}

impl Asked {
    pub(super) fn new(audit: Audit, peer: Peer, command: String, request: Option<String>) -> Self {
        let entry = AuditEntry {
            number: 0,
            time: 0,
            uid: peer.uid(),
            user: None,
            pid: peer.pid(),
            process: peer.process(),
            command,
            request: request.filter(|request| !request.is_empty()),
            result: String::new(),
        };
        Self { audit, entry: Some(entry) }
    }

    fn take(&mut self, result: String) -> Option<AuditEntry> {
        self.entry.take().map(|entry| AuditEntry { time: unix::seconds(SystemTime::now()), result, ..entry })
    }

    /// Writes down what became of it.
    pub(super) async fn answered(mut self, result: String) {
        if let Some(entry) = self.take(result) {
            self.audit.record(entry).await;
        }
    }

    /// As [`Self::answered`], without waiting.
    pub(super) fn ended(mut self, result: String) {
        if let Some(entry) = self.take(result) {
            drop(self.audit.hand_over(entry));
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let result = "the client has hung up before it was answered; if it was begun, it was made".to_owned();
        if let Some(entry) = self.take(result) {
            drop(self.audit.hand_over(entry));
        }
    }
}

/// A request, and the beginning of what it says.
///
/// # Errors
///
/// If it is too large, breaks off, or does not come in time.
async fn with_words(request: Request, patience: Duration) -> Result<(Request, String), Refused> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (parts, body) = request.into_parts();
    let bytes = timeout(patience, to_bytes(body, super::MAX_BODY)).await.map_err(|_| {
        Refused::invalid(format!("the request's body has not come within {} s", patience.as_secs()))
    })?;
    let bytes = bytes.map_err(|_| Refused::invalid(TOO_MUCH))?;
    let words = beginning(&query, &bytes);
    Ok((Request::from_parts(parts, Body::from(bytes)), words))
}

/// What somebody says, or the beginning of that.
fn beginning(query: &str, body: &[u8]) -> String {
    let query = if query.is_empty() { String::new() } else { format!("?{query} ") };
    let said: Vec<u8> = query.bytes().chain(body.iter().copied()).take(WRITTEN + 1).collect();
    let text = String::from_utf8_lossy(&said[..said.len().min(WRITTEN)]).trim_end().to_owned();
    if said.len() > WRITTEN { text + "…" } else { text }
}

/// A response, and what it says became of the request.
async fn with_result(response: Response) -> (Response, String) {
    if response.status().is_success() {
        return (response, "done".to_owned());
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, REFUSAL).await.unwrap_or_default();
    let result = match serde_json::from_slice::<Failure>(&bytes) {
        Ok(failure) => format!("refused: {}", beginning("", failure.message.as_bytes())),
        Err(_) => format!("refused: {}", parts.status),
    };
    (Response::from_parts(parts, Body::from(bytes)), result)
}

/// What a request changes, in the words of the command line; `None` if it only asks, or asks for what there is not.
fn changes(method: &Method, asked: &str) -> Option<String> {
    let is_there = ROUTES.iter().any(|route| {
        [ListName::Block, ListName::Allow].iter().any(|list| path::of_list(route.path, *list) == asked)
    });
    if method == Method::GET || !is_there {
        return None;
    }
    let words = asked.strip_prefix("/v1/").unwrap_or(asked).replace('/', " ");
    Some(if method == Method::PUT { format!("{words} set") } else { words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told() {
        assert_eq!(changes(&Method::GET, "/v1/block"), None);
        assert_eq!(changes(&Method::POST, "/v1/block/add").as_deref(), Some("block add"));
        assert_eq!(changes(&Method::PUT, "/v1/bypass").as_deref(), Some("bypass set"));
        assert_eq!(changes(&Method::POST, "/v1/nonsense"), None);
    }

    #[test]
    fn no_more_than_the_beginning_of_a_request_is_written_down() {
        assert_eq!(beginning("", b"{}"), "{}");
        assert_eq!(beginning("force=true", b""), "?force=true");
        assert_eq!(beginning("a=1", b"{}"), "?a=1 {}");
        let (long, body) = ("x".repeat(3 * WRITTEN), vec![b'y'; 3 * WRITTEN]);
        for said in [beginning(&long, b""), beginning("", &body), beginning(&long, &body)] {
            assert_eq!((said.chars().count(), said.ends_with('…')), (WRITTEN + 1, true));
        }
    }
}
