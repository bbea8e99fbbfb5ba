//! Asks the daemon how everything stands, each second, and listens to what happens; goes on over restarts of it.

use std::time::Duration;

use floodwall_api::{
    Event, FailureKind, Overview, WhyReport,
    client::{Client, ClientError, target},
    path,
};
use tokio::{
    sync::mpsc::Sender,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::act::Act;

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take: a host that is flooded is busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after its end the stream of events is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Why something was not done.
#[derive(Debug)]
pub(crate) struct NotDone {
    pub(crate) why: String,
    /// Who asks this way may only look.
    pub(crate) denied: bool,
}

/// Something that has come.
#[derive(Debug)]
pub(crate) enum News {
    Overview(Result<Box<Overview>, String>),
    Event(Box<Event>),
    Why(String, Result<Box<WhyReport>, String>),
    Done(Result<String, NotDone>),
    Terminal(crossterm::event::Event),
    /// The terminal cannot be read any more, or somebody wants this to end.
    End,
}

impl News {
    /// Whether it is to be drawn at once. Sampled drops are not: there are hundreds a second, which the next look shows.
    pub(crate) fn is_seen_at_once(&self) -> bool {
        !matches!(self, Self::Event(event) if matches!(**event, Event::Drop(_)))
    }
}

/// Looks for as long as somebody takes what comes.
pub(crate) async fn look(client: Client, news: Sender<News>) {
    let client = client.with_patience(PATIENCE);
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let outcome = client.get(path::OVERVIEW).await.map(Box::new).map_err(|error| error.to_string());
        if news.send(News::Overview(outcome)).await.is_err() {
            return;
        }
    }
}

/// Listens for as long as somebody takes what comes. Why nobody is there to be listened to, the looks tell.
pub(crate) async fn listen(client: Client, news: Sender<News>) {
    while !news.is_closed() {
        // Whether it ends or never began, it is asked for again.
        drop(forward(&client, &news).await);
        sleep(PAUSE).await;
    }
}

async fn forward(client: &Client, news: &Sender<News>) -> Result<(), ClientError> {
    let mut lines = client.lines::<Event>(path::EVENTS).await?;
    while let Some(event) = lines.next().await? {
        if news.send(News::Event(Box::new(event))).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Asks what becomes of an address's packets.
pub(crate) async fn ask(client: Client, news: Sender<News>, address: String) {
    let client = client.with_patience(PATIENCE);
    let question = target(path::WHY, [("address", &address as _)]);
    let outcome = client.get(&question).await.map(Box::new).map_err(|error| error.to_string());
    // Nobody waits for it any more once this ends.
    drop(news.send(News::Why(address, outcome)).await);
}

/// Has something done.
pub(crate) async fn run(client: Client, news: Sender<News>, act: Act) {
    let outcome = act.carry_out(&client).await.map_err(|error| NotDone {
        denied: matches!(&error, ClientError::Failed(failure) if failure.kind == FailureKind::Denied),
        why: error.to_string(),
    });
    drop(news.send(News::Done(outcome)).await);
}
