//! Who has changed what: told on the bus once it is done.

use axum::{
    extract::{ConnectInfo, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};

use super::{Context, peer::Peer};
use crate::event::What;

/// Lets a request through, and tells of it if it has changed something.
pub(super) async fn tell(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let command = changes(request.method(), request.uri().path());
    let response = next.run(request).await;
    if let Some(command) = command.filter(|_| response.status().is_success()) {
        context.bus.publish(What::Command { who: peer.to_string(), command });
    }
    response
}

/// What a request changes, in the words of the command line; `None` if it only asks.
fn changes(method: &Method, path: &str) -> Option<String> {
    if method == Method::GET {
        return None;
    }
    let path = path.strip_prefix("/v1/").unwrap_or(path).replace('/', " ");
    Some(if method == Method::PUT { format!("{path} set") } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told() {
        assert_eq!(changes(&Method::GET, "/v1/block"), None);
        assert_eq!(changes(&Method::POST, "/v1/block/add").as_deref(), Some("block add"));
        assert_eq!(changes(&Method::PUT, "/v1/bypass").as_deref(), Some("bypass set"));
    }
}
