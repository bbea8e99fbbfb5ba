//! The daemon's tasks, and what becomes of one that ends or panics, which none should.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use crate::{
    api::TaskRestarts,
    event::{Bus, What},
    lock::Mutex,
};

/// How long after its end a task is started again, for the first time and at most: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A task that has run for so long has not failed lately.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// What is done about a task that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// It is started again.
    Restart,
    /// The daemon ends, with an error: whoever looks after it starts it anew. The filter stays in force.
    EndDaemon,
}

/// The ends of a task.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// Since the task was last sound.
    count: u64,
    /// Since the daemon was started.
    all: u64,
    last: Instant,
}

/// How the tasks fare, for all who ask.
#[derive(Debug, Default)]
pub(super) struct Watched {
    ends: Mutex<BTreeMap<&'static str, Ends>>,
}

impl Watched {
    /// Tasks that have ended lately, and should not have; empty if all is well.
    pub(super) fn problems(&self) -> Vec<String> {
        let ends = self.ends.lock();
        let lately = ends.iter().filter(|(_, ends)| ends.count > 0 && ends.last.elapsed() < SOUND_AFTER);
        let text = |(task, Ends { count, last, .. }): (&&str, &Ends)| {
            format!(
                "THE TASK {task} HAS FAILED {count} times, the last time {} s ago; it is started again, and what it does may \
                 be late",
                last.elapsed().as_secs()
            )
        };
        lately.map(text).collect()
    }

    /// Takes note of an end; says how many there were within reach of the last one.
    fn ended(&self, task: &'static str) -> u64 {
        let now = Instant::now();
        let mut ends = self.ends.lock();
        let entry = ends.entry(task).or_insert(Ends { count: 0, all: 0, last: now });
        if entry.last.elapsed() > SOUND_AFTER {
            entry.count = 0;
        }
        (entry.count, entry.all, entry.last) = (entry.count + 1, entry.all + 1, now);
        entry.count
    }

    /// Takes note that there is a task.
    fn begins(&self, task: &'static str) {
        self.ends.lock().entry(task).or_insert(Ends { count: 0, all: 0, last: Instant::now() });
    }

    /// How often each has ended since the daemon was started.
    pub(super) fn restarts(&self) -> Vec<TaskRestarts> {
        let ends = self.ends.lock();
        let restarts =
            |(task, ends): (&&str, &Ends)| TaskRestarts { task: (*task).to_owned(), restarts: ends.all };
        ends.iter().map(restarts).collect()
    }
}

/// All of them. They end when this is dropped.
pub(super) struct Tasks {
    watched: Arc<Watched>,
    bus: Bus,
    /// Told once one has ended without which there is no going on.
    fatal: Arc<Notify>,
    running: Vec<JoinHandle<()>>,
}

impl Tasks {
    pub(super) fn new(watched: Arc<Watched>, bus: Bus) -> Self {
        Self { watched, bus, fatal: Arc::new(Notify::new()), running: Vec::new() }
    }

    /// Runs a task, for ever: `work` makes it anew each time it is started.
    pub(super) fn run<F, W>(&mut self, task: &'static str, policy: Policy, mut work: F)
    where
        F: FnMut() -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        self.watched.begins(task);
        let (watched, bus, fatal) = (Arc::clone(&self.watched), self.bus.clone(), Arc::clone(&self.fatal));
        self.running.push(tokio::spawn(async move {
            loop {
                // One that is dropped ends its task.
                let mut one = JoinSet::new();
                one.spawn(work());
                let how = match one.join_next().await {
                    Some(Err(error)) if error.is_panic() => "it panicked",
                    _ => "it returned",
                };
                let count = watched.ended(task);
                let doublings = u32::try_from(count - 1).unwrap_or(u32::MAX);
                let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE);
                let text = match policy {
                    Policy::Restart => format!("{how}; it is started again in {:.1} s", pause.as_secs_f64()),
                    Policy::EndDaemon => {
                        format!("{how}; the daemon ends, as it cannot do without; the filter stays in force")
                    }
                };
                bus.publish(What::Task { task, text });
                if policy == Policy::EndDaemon {
                    return fatal.notify_one();
                }
                tokio::time::sleep(pause).await;
            }
        }));
    }

    /// Resolves once a task has ended without which there is no going on.
    pub(super) async fn fatal(&self) {
        self.fatal.notified().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.running.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::event::Heard;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_started_again_and_told_of() {
        let (watched, bus) = (Arc::new(Watched::default()), Bus::default());
        let mut heard = bus.subscribe();
        let mut tasks = Tasks::new(Arc::clone(&watched), bus);
        let starts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&starts);
        tasks.run("reader", Policy::Restart, move || {
            let start = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                match start {
                    0 => {}
                    1 => panic!("a task of this test fails"),
                    _ => std::future::pending().await,
                }
            }
        });
        for how in ["it returned", "it panicked"] {
            let Some(Heard::Event(event)) = heard.next().await else { panic!("it is told") };
            let What::Task { task: "reader", text } = event.what else { panic!("{event:?}") };
            assert!(text.starts_with(how), "{text}");
        }
        while starts.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let problems = watched.problems();
        assert!(problems.len() == 1 && problems[0].contains("reader HAS FAILED 2 times"), "{problems:?}");
        assert_eq!(watched.restarts(), [TaskRestarts { task: "reader".to_owned(), restarts: 2 }]);
    }

    #[tokio::test]
    async fn one_without_which_there_is_no_going_on_ends_the_daemon() {
        let mut tasks = Tasks::new(Arc::default(), Bus::default());
        tasks.run("server", Policy::EndDaemon, || async { panic!("a task of this test fails") });
        tokio::time::timeout(Duration::from_secs(5), tasks.fatal()).await.expect("the daemon ends");
    }

    #[tokio::test]
    async fn they_end_with_the_daemon() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let mut tasks = Tasks::new(Arc::default(), Bus::default());
        tasks.run("idle", Policy::Restart, move || {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        });
        tokio::task::yield_now().await;
        drop(tasks);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
