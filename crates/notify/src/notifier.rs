//! All targets, served on a thread of their own so that the daemon never waits for one.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use floodwall_api::{Incident, NotifyReport, NotifyTested};
use floodwall_incident::IncidentEvent;
use floodwall_units::unix;
use parking_lot::Mutex;
use tokio::{runtime, sync::oneshot};

use super::{
    delivery::{self, Outbox},
    kinds::Sender,
    message::Message,
    queue::Queue,
    route::Route,
    sample,
    secret::CREDENTIALS_DIRECTORY,
    status::Status,
    target::Target,
};

/// Threads for blocking work: reading files and resolving names.
const BLOCKING_THREADS: usize = 4;
/// How long after a panic a target's task is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// Notifies the targets. Dropping it ends their tasks; messages that are queued then are lost.
#[derive(Debug)]
pub struct Notifier {
    channels: Vec<Channel>,
    runtime: Option<runtime::Handle>,
    /// Dropping it ends the thread.
    _end: oneshot::Sender<()>,
}

/// One target: its queue and task, and which incidents it knows of.
#[derive(Debug)]
struct Channel {
    outbox: Arc<Outbox>,
    route: Mutex<Route>,
}

/// Why a target could not be tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untested {
    /// There is no target of this name.
    NoSuchTarget,
    /// Another test of it is under way.
    Busy,
}

impl Notifier {
    /// Starts the thread, if there is any target. `host` is the name of this host.
    pub fn start(targets: Vec<Target>, host: &str) -> io::Result<Self> {
        let credentials = std::env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from);
        Self::start_with(targets, host, credentials)
    }

    fn start_with(targets: Vec<Target>, host: &str, credentials: Option<PathBuf>) -> io::Result<Self> {
        let sender = Sender { host: host.into(), credentials };
        let channel = |target: Target| {
            let kind = &target.kind;
            let route = Route::new(target.filter.clone(), kind.keeps_state(), kind.is_per_host());
            let outbox = Outbox {
                target,
                sender: sender.clone(),
                queue: Queue::default(),
                status: Status::default(),
                testing: tokio::sync::Mutex::default(),
            };
            Channel { outbox: Arc::new(outbox), route: Mutex::new(route) }
        };
        let channels: Vec<_> = targets.into_iter().map(channel).collect();
        let (end, ended) = oneshot::channel();
        let mut handle = None;
        if !channels.is_empty() {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS)
                .thread_name("notify-wait")
                .build()?;
            handle = Some(runtime.handle().clone());
            for channel in &channels {
                runtime.spawn(supervise(Arc::clone(&channel.outbox)));
            }
            std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
                // It resolves when the sender is dropped.
                let _ = runtime.block_on(ended);
                // Does not wait for threads that are blocked on a disk or a name server.
                runtime.shutdown_background();
            })?;
        }
        Ok(Self { channels, runtime: handle, _end: end })
    }

    /// Takes over an open incident from an earlier run of the daemon.
    pub fn resume(&self, incident: &Incident) {
        let incident = Arc::new(incident.clone());
        for channel in &self.channels {
            let messages = channel.route.lock().resume(&incident);
            channel.put(messages);
        }
    }

    /// Notifies the targets of events. It does not block.
    pub fn tell(&self, events: &[(IncidentEvent, Incident)]) {
        if self.channels.is_empty() {
            return;
        }
        for (event, incident) in events {
            let incident = Arc::new(incident.clone());
            for channel in &self.channels {
                let messages = channel.route.lock().tell(*event, &incident);
                channel.put(messages);
            }
        }
    }

    /// Notifies per-host targets of hosts that the incident has reached meanwhile. To be called once a second for each open
    /// incident. It does not block.
    pub fn update(&self, incident: &Incident) {
        let mut shared = None;
        for channel in &self.channels {
            let mut route = channel.route.lock();
            if route.is_per_host() {
                let incident = shared.get_or_insert_with(|| Arc::new(incident.clone()));
                channel.put(route.update(incident));
            }
        }
    }

    /// The state of every target.
    pub fn report(&self) -> Vec<NotifyReport> {
        self.channels
            .iter()
            .map(|channel| channel.outbox.status.report(&channel.outbox.target, channel.outbox.queue.len()))
            .collect()
    }

    /// Warnings about targets that do not accept messages.
    pub fn problems(&self) -> Vec<String> {
        let problem = |report: NotifyReport| {
            let NotifyReport { name, problem, waiting, .. } = report;
            let waiting = match waiting {
                0 => String::new(),
                waiting => format!(" ({waiting} messages wait)"),
            };
            Some(format!("NOTIFICATIONS BY {name} ARE NOT TAKEN: {}{waiting}", problem?))
        };
        self.report().into_iter().filter_map(problem).collect()
    }

    /// Sends a test message to a target, and a second one that ends the test incident if the receiver would keep it open.
    ///
    /// # Errors
    ///
    /// If there is no such target, or a test of it is under way. A failed delivery is part of the report instead.
    pub async fn test(&self, name: &str) -> Result<NotifyTested, Untested> {
        let channel = self
            .channels
            .iter()
            .find(|channel| channel.outbox.target.name == name)
            .ok_or(Untested::NoSuchTarget)?;
        let runtime = self.runtime.as_ref().ok_or(Untested::NoSuchTarget)?;
        let outbox = Arc::clone(&channel.outbox);
        if outbox.testing.try_lock().is_err() {
            return Err(Untested::Busy);
        }
        let name = name.to_owned();
        let test = runtime.spawn(async move {
            let _testing = outbox.testing.lock().await;
            let began = Instant::now();
            let outcome = test(&outbox).await;
            let took_ms = began.elapsed().as_millis() as u64;
            let text = match &outcome {
                Ok(()) => "it was taken".to_owned(),
                Err(text) => text.clone(),
            };
            NotifyTested { name, taken: outcome.is_ok(), text, took_ms }
        });
        test.await.map_err(|_| Untested::Busy)
    }
}

impl Channel {
    fn put(&self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            if self.outbox.queue.push(message) {
                self.outbox.status.left_out();
            }
        }
    }
}

async fn test(outbox: &Outbox) -> Result<(), String> {
    let incident = sample::incident(unix::millis(SystemTime::now()));
    let over = sample::over(incident.clone());
    let kind = &outbox.target.kind;
    let address = kind.is_per_host().then(|| sample::ADDRESS.into());
    let of = |event, incident| Message { address, test: true, ..Message::new(event, Arc::new(incident)) };
    outbox.send(&of(IncidentEvent::Began, incident)).await.map_err(|failure| failure.text().to_owned())?;
    if kind.keeps_state() {
        let ended = outbox.send(&of(IncidentEvent::Ended, over)).await;
        ended.map_err(|failure| {
            format!("that it begins was taken, that it is over was not: {}", failure.text())
        })?;
    }
    Ok(())
}

/// Runs a target's task, and starts it again should it panic.
async fn supervise(outbox: Arc<Outbox>) {
    loop {
        let _ = tokio::spawn(delivery::run(Arc::clone(&outbox))).await;
        outbox.status.set_problem(Some("its task has failed, and is started again".to_owned()));
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
