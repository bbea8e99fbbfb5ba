//! All targets, on a thread of their own: what hangs there holds up nobody else.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use floodwall_api::{Incident, NotifyReport, NotifyTested};
use floodwall_incident::News;
use parking_lot::Mutex;
use tokio::{runtime, sync::oneshot};

use super::{
    event::Event,
    kinds::Sender,
    message::Message,
    queue::Queue,
    route::Route,
    sample,
    secret::CREDENTIALS_DIRECTORY,
    status::Status,
    target::Target,
    worker::{self, Post},
};

/// Threads that may wait for disks and for names to be looked up.
const WAITING_THREADS: usize = 4;
/// How long after it has panicked a target's task is started again.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells targets. It ends with this; what was not told by then never is.
#[derive(Debug)]
pub struct Notifier {
    lines: Vec<Line>,
    runtime: Option<runtime::Handle>,
    /// Dropping it ends the thread.
    _end: oneshot::Sender<()>,
}

/// One target, with what it was told of.
#[derive(Debug)]
struct Line {
    post: Arc<Post>,
    route: Mutex<Route>,
}

/// Why a target is not tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untested {
    /// There is none of this name.
    NoSuchTarget,
    /// Another test of it is under way.
    Busy,
}

impl Notifier {
    /// Starts a thread, unless there is nobody to tell. `host` is what this host is called.
    pub fn start(targets: Vec<Target>, host: &str) -> io::Result<Self> {
        let credentials = std::env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from);
        Self::start_with(targets, host, credentials)
    }

    fn start_with(targets: Vec<Target>, host: &str, credentials: Option<PathBuf>) -> io::Result<Self> {
        let sender = Sender { host: host.into(), credentials };
        let line = |target: Target| {
            let kind = &target.kind;
            let route = Route::new(target.filter.clone(), kind.is_kept(), kind.is_by_host());
            let post = Post {
                target,
                sender: sender.clone(),
                queue: Queue::default(),
                status: Status::default(),
                testing: tokio::sync::Mutex::default(),
            };
            Line { post: Arc::new(post), route: Mutex::new(route) }
        };
        let lines: Vec<_> = targets.into_iter().map(line).collect();
        let (end, ended) = oneshot::channel();
        let mut handle = None;
        if !lines.is_empty() {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(WAITING_THREADS)
                .thread_name("notify-wait")
                .build()?;
            handle = Some(runtime.handle().clone());
            for line in &lines {
                runtime.spawn(supervise(Arc::clone(&line.post)));
            }
            std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
                // It resolves once the sender is gone.
                let _ = runtime.block_on(ended);
                // What waits for a disk or a name is not waited for.
                runtime.shutdown_background();
            })?;
        }
        Ok(Self { lines, runtime: handle, _end: end })
    }

    /// Goes on with an incident of an earlier run.
    pub fn resume(&self, incident: &Incident) {
        let incident = Arc::new(incident.clone());
        for line in &self.lines {
            let messages = line.route.lock().resume(&incident);
            line.put(messages);
        }
    }

    /// Tells what has become of incidents. It waits for nothing.
    pub fn tell(&self, news: &[(News, Incident)]) {
        if self.lines.is_empty() {
            return;
        }
        for (news, incident) in news {
            let incident = Arc::new(incident.clone());
            for line in &self.lines {
                let messages = line.route.lock().tell(Event::from(*news), &incident);
                line.put(messages);
            }
        }
    }

    /// Looks whether more is known of an incident that goes on; to be done once a second. It waits for nothing.
    pub fn look(&self, incident: &Incident) {
        let mut shared = None;
        for line in &self.lines {
            let mut route = line.route.lock();
            if route.is_by_host() {
                let incident = shared.get_or_insert_with(|| Arc::new(incident.clone()));
                line.put(route.look(incident));
            }
        }
    }

    /// How the targets fare.
    pub fn report(&self) -> Vec<NotifyReport> {
        self.lines
            .iter()
            .map(|line| line.post.status.report(&line.post.target, line.post.queue.len()))
            .collect()
    }

    /// What an operator should know of them.
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

    /// Sends a message by a target that says that it is a test; where the receiver keeps it, that it is over, too.
    pub async fn test(&self, name: &str) -> Result<NotifyTested, Untested> {
        let line =
            self.lines.iter().find(|line| line.post.target.name == name).ok_or(Untested::NoSuchTarget)?;
        let runtime = self.runtime.as_ref().ok_or(Untested::NoSuchTarget)?;
        let post = Arc::clone(&line.post);
        if post.testing.try_lock().is_err() {
            return Err(Untested::Busy);
        }
        let name = name.to_owned();
        let test = runtime.spawn(async move {
            let _testing = post.testing.lock().await;
            let began = Instant::now();
            let outcome = test(&post).await;
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

impl Line {
    fn put(&self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            if self.post.queue.push(message) {
                self.post.status.left_out();
            }
        }
    }
}

async fn test(post: &Post) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let incident = sample::incident(now.as_millis() as u64);
    let over = sample::over(incident.clone());
    let kind = &post.target.kind;
    let address = kind.is_by_host().then(|| sample::ADDRESS.into());
    let of = |event, incident| Message { address, test: true, ..Message::new(event, Arc::new(incident)) };
    post.send(&of(Event::Began, incident)).await.map_err(|failure| failure.text().to_owned())?;
    if kind.is_kept() {
        let ended = post.send(&of(Event::Ended, over)).await;
        ended.map_err(|failure| {
            format!("that it begins was taken, that it is over was not: {}", failure.text())
        })?;
    }
    Ok(())
}

/// One that panics, which none should, is started again.
async fn supervise(post: Arc<Post>) {
    loop {
        let _ = tokio::spawn(worker::run(Arc::clone(&post))).await;
        post.status.suspect(Some("its task has failed, and is started again".to_owned()));
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
