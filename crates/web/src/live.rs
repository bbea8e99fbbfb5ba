//! Server-sent events for the page: once a second an overview and the sampled drops, and every other event as it happens.

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

/// How often an overview is sent.
const OVERVIEW_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before the API's event stream is requested again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Events that are held for a slow browser.
const QUEUE: usize = 16;
/// Most sampled drops that are sent with one overview.
const MAX_DROPS: usize = 500;
/// Largest overview that is passed on, bytes.
const MAX_ANSWER: usize = 16 << 20;
/// Longest line of the API's event stream, bytes.
const MAX_LINE: usize = 1 << 20;

/// The event stream. It lasts until the browser closes the connection.
pub(crate) async fn live(api: Router) -> Response {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(send_events(api, sender));
    let events = unfold(receiver, |mut receiver| async {
        let event: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(event), receiver))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

async fn send_events(api: Router, browser: Sender<Bytes>) {
    let mut tick = interval(OVERVIEW_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut events = EventLines::new(api.clone());
    let mut drops: Vec<String> = Vec::new();
    loop {
        let is_sent = tokio::select! {
            () = browser.closed() => return,
            _ = tick.tick() => {
                let sampled = format!("[{}]", std::mem::take(&mut drops).join(","));
                let (name, text) = overview(api.clone()).await;
                browser.send(event("drops", &sampled)).await.is_ok() && browser.send(event(name, &text)).await.is_ok()
            }
            line = events.next() => {
                if line.starts_with(r#"{"kind":"drop""#) {
                    if drops.len() < MAX_DROPS {
                        drops.push(line);
                    }
                    true
                } else {
                    browser.send(event("happened", &line)).await.is_ok()
                }
            }
        };
        if !is_sent {
            return;
        }
    }
}

/// An overview as the name and the data of an event: `overview`, or `trouble` if the API answers with an error.
async fn overview(mut api: Router) -> (&'static str, String) {
    let response = api.call(get(path::OVERVIEW)).await.unwrap_or_else(|never| match never {});
    let name = if response.status().is_success() { "overview" } else { "trouble" };
    let bytes = to_bytes(response.into_body(), MAX_ANSWER).await.unwrap_or_default();
    (name, String::from_utf8_lossy(&bytes).into_owned())
}

fn get(path: &'static str) -> Request {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
}

/// An event as it is sent. `data` is one line of JSON.
fn event(name: &str, data: &str) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// The lines of the API's event stream, which is requested again whenever it ends.
struct EventLines {
    api: Router,
    body: Option<Body>,
    buffer: Vec<u8>,
    /// The stream is not requested before this time.
    not_before: Instant,
}

impl EventLines {
    fn new(api: Router) -> Self {
        Self { api, body: None, buffer: Vec::new(), not_before: Instant::now() }
    }

    /// The next line. Cancel safe: a call that is dropped loses nothing.
    async fn next(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8_lossy(line.trim_ascii()).into_owned();
            }
            let Some(body) = &mut self.body else {
                tokio::time::sleep_until(self.not_before).await;
                self.not_before = Instant::now() + RECONNECT_PAUSE;
                let response = self.api.call(get(path::EVENTS)).await.unwrap_or_else(|never| match never {});
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
    use axum::routing;

    use super::*;

    #[tokio::test]
    async fn drops_are_sent_with_the_next_overview_and_other_events_at_once() {
        let lines =
            "{\"kind\":\"drop\",\"reason\":\"blocked\"}\n{\"kind\":\"attack\",\"text\":\"attack 1\"}\n";
        let api = Router::new()
            .route(path::EVENTS, routing::get(move || async move { lines }))
            .route(path::OVERVIEW, routing::get(|| async { "{\"time_ms\":7}" }));
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
    async fn an_error_of_the_api_is_sent_as_trouble() {
        let mut body = live(Router::new()).await.into_body();
        let mut told = String::new();
        while !told.contains("event: trouble") {
            let frame = body.frame().await.expect("it goes on").expect("nothing fails");
            told.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
        }
    }
}
