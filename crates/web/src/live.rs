//! What changes, as server-sent events: each second how everything stands and the drops that were sampled, and at once whatever
//! else happens.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::header,
    response::{IntoResponse as _, Response},
};
use floodwall_api::path;
use futures_util::stream::unfold;
use http_body_util::BodyExt as _;
use tokio::{
    sync::mpsc::{self, Sender},
    time::{Instant, MissedTickBehavior, interval},
};
use tower_service::Service as _;

/// How often it is told how everything stands.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long after its end the stream of what happens is asked for again.
const PAUSE: Duration = Duration::from_secs(1);
/// Events that may wait for a slow browser.
const WAITING: usize = 16;
/// Sampled drops that are told of in one second.
const DROPS: usize = 500;
/// Largest answer that is passed on, bytes.
const MAX_ANSWER: usize = 16 << 20;
/// Longest line of the stream of what happens, bytes.
const MAX_LINE: usize = 1 << 20;

/// The stream, until the browser hangs up.
pub(crate) async fn live(api: Router) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(tell(api, sender));
    let events = unfold(receiver, |mut receiver| async {
        let event: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

async fn tell(api: Router, browser: Sender<Bytes>) {
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut happens = Happens::new(api.clone());
    let mut drops: Vec<String> = Vec::new();
    loop {
        let is_told = tokio::select! {
            () = browser.closed() => return,
            _ = tick.tick() => {
                let told = format!("[{}]", std::mem::take(&mut drops).join(","));
                let (name, text) = ask(api.clone(), path::OVERVIEW).await;
                browser.send(event("drops", &told)).await.is_ok() && browser.send(event(name, &text)).await.is_ok()
            }
            line = happens.next() => {
                if line.starts_with(r#"{"kind":"drop""#) {
                    if drops.len() < DROPS {
                        drops.push(line);
                    }
                    true
                } else {
                    browser.send(event("happened", &line)).await.is_ok()
                }
            }
        };
        if !is_told {
            return;
        }
    }
}

/// Asks a question: what is told of, and the answer.
async fn ask(mut api: Router, path: &'static str) -> (&'static str, String) {
    let response = api.call(question(path)).await.unwrap_or_else(|never| match never {});
    let name = if response.status().is_success() { "overview" } else { "trouble" };
    let bytes = to_bytes(response.into_body(), MAX_ANSWER).await.unwrap_or_default();
    (name, String::from_utf8_lossy(&bytes).into_owned())
}

fn question(path: &'static str) -> Request {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
}

/// An event as it goes over the wire; what is told is one line of JSON.
fn event(name: &str, told: &str) -> Bytes {
    format!("event: {name}\ndata: {told}\n\n").into()
}

/// What happens, line by line, for ever.
struct Happens {
    api: Router,
    body: Option<Body>,
    buffer: Vec<u8>,
    /// It is not asked for again before.
    again: Instant,
}

impl Happens {
    fn new(api: Router) -> Self {
        Self { api, body: None, buffer: Vec::new(), again: Instant::now() }
    }

    /// The next line. Nothing is lost if this is given up and called again.
    async fn next(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8_lossy(line.trim_ascii()).into_owned();
            }
            let Some(body) = &mut self.body else {
                tokio::time::sleep_until(self.again).await;
                self.again = Instant::now() + PAUSE;
                let response =
                    self.api.call(question(path::EVENTS)).await.unwrap_or_else(|never| match never {});
                self.body = response.status().is_success().then(|| response.into_body());
                continue;
            };
            match body.frame().await {
                Some(Ok(frame)) if self.buffer.len() < MAX_LINE => {
                    self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |bytes| bytes));
                }
                _ => {
                    self.body = None;
                    self.buffer.clear();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn drops_go_with_the_next_look_and_all_else_at_once() {
        let lines =
            "{\"kind\":\"drop\",\"reason\":\"blocked\"}\n{\"kind\":\"attack\",\"text\":\"attack 1\"}\n";
        let api = Router::new()
            .route(path::EVENTS, get(move || async move { lines }))
            .route(path::OVERVIEW, get(|| async { "{\"time_ms\":7}" }));
        let response = live(api).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        let mut body = response.into_body();
        let mut told = String::new();
        while !(told.contains("blocked") && told.contains("attack 1") && told.contains("time_ms")) {
            let frame = body.frame().await.expect("it goes on").expect("nothing fails");
            told.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
        }
        assert!(told.contains("event: overview\ndata: {\"time_ms\":7}\n\n"), "{told}");
        assert!(
            told.contains("event: happened\ndata: {\"kind\":\"attack\",\"text\":\"attack 1\"}\n\n"),
            "{told}"
        );
        assert!(
            told.contains("event: drops\ndata: [{\"kind\":\"drop\",\"reason\":\"blocked\"}]\n\n"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn that_nothing_can_be_told_is_told() {
        let mut body = live(Router::new()).await.into_body();
        let mut told = String::new();
        while !told.contains("event: trouble") {
            let frame = body.frame().await.expect("it goes on").expect("nothing fails");
            told.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
        }
    }
}
