//! Tasks that talk to the daemon: they poll the overview, follow the events, and carry out requests. They keep trying while
//! the daemon is restarted.

use std::time::Duration;

use floodwall_api::{
    Event, FailureKind, IncidentLine, IncidentList, IncidentReport, Overview, WhyReport,
    client::{Client, ClientError, target},
    path,
};
use tokio::{
    sync::mpsc::Sender,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::act::Act;

/// How often the overview is polled.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long an answer may take. A host that is flooded is slow.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long after its end the stream of events is requested again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Why a change was not carried out.
#[derive(Debug)]
pub(crate) struct ActError {
    pub(crate) why: String,
    /// Whether the socket only allows reading.
    pub(crate) denied: bool,
}

/// Something for the event loop to handle.
#[derive(Debug)]
pub(crate) enum Update {
    Overview(Result<Box<Overview>, String>),
    Event(Box<Event>),
    /// What has happened in the latest incident before this was started.
    Past(Vec<IncidentLine>),
    Why(String, Result<Box<WhyReport>, String>),
    Done(Result<String, ActError>),
    Terminal(crossterm::event::Event),
    /// The terminal can no longer be read, or a signal asks the program to end.
    End,
}

impl Update {
    /// Whether to redraw at once. There are hundreds of sampled drops a second, which the next overview's redraw shows.
    pub(crate) fn redraws(&self) -> bool {
        !matches!(self, Self::Event(event) if matches!(**event, Event::Drop(_)))
    }
}

/// Polls the overview until the receiver is closed.
pub(crate) async fn poll_overview(client: Client, updates: Sender<Update>) {
    let client = client.with_patience(TIMEOUT);
    let mut tick = interval(POLL_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let outcome = client.get(path::OVERVIEW).await.map(Box::new).map_err(|error| error.to_string());
        if updates.send(Update::Overview(outcome)).await.is_err() {
            return;
        }
    }
}

/// Follows the events until the receiver is closed, beginning with those of the latest incident. Errors are ignored, as
/// polling the overview reports them.
pub(crate) async fn follow_events(client: Client, updates: Sender<Update>) {
    drop(look_back(&client, &updates).await);
    while !updates.is_closed() {
        drop(forward(&client, &updates).await);
        sleep(RECONNECT_PAUSE).await;
    }
}

async fn look_back(client: &Client, updates: &Sender<Update>) -> Result<(), ClientError> {
    let client = client.clone().with_patience(TIMEOUT);
    let latest: IncidentList = client.get(&target(path::INCIDENT, [("limit", &1 as _)])).await?;
    if let Some(incident) = latest.incidents.first() {
        let report = target(path::INCIDENT_REPORT, [("id", &incident.id as _), ("points", &1 as _)]);
        let report: IncidentReport = client.get(&report).await?;
        // The receiver may be closed by now.
        drop(updates.send(Update::Past(report.incident.timeline)).await);
    }
    Ok(())
}

async fn forward(client: &Client, updates: &Sender<Update>) -> Result<(), ClientError> {
    let mut lines = client.lines::<Event>(path::EVENTS).await?;
    while let Some(event) = lines.next().await? {
        if updates.send(Update::Event(Box::new(event))).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Asks what happens to an address's packets.
pub(crate) async fn ask_why(client: Client, updates: Sender<Update>, address: String) {
    let client = client.with_patience(TIMEOUT);
    let question = target(path::WHY, [("address", &address as _)]);
    let outcome = client.get(&question).await.map(Box::new).map_err(|error| error.to_string());
    // The receiver may be closed by now.
    drop(updates.send(Update::Why(address, outcome)).await);
}

/// Carries out a change.
pub(crate) async fn carry_out(client: Client, updates: Sender<Update>, act: Act) {
    let outcome = act.carry_out(&client).await.map_err(|error| ActError {
        denied: matches!(&error, ClientError::Failed(failure) if failure.kind == FailureKind::Denied),
        why: error.to_string(),
    });
    drop(updates.send(Update::Done(outcome)).await);
}
