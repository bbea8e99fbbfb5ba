//! Delivers the messages of one target one after another: at a bounded rate, within bounded time, with retries where these may
//! help.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    failure::Failure,
    kinds::Sender,
    message::Message,
    queue::Queue,
    status::Status,
    target::{Pace, Target},
};

/// The pause before the first retry, which doubles with each failure up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Most open incidents whose messages are repeated.
const MAX_REPEATED: usize = 16;
const MINUTE: Duration = Duration::from_secs(60);

/// A target with its queue and statistics, shared by its task and the [`Notifier`](crate::Notifier).
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) target: Target,
    pub(crate) sender: Sender,
    pub(crate) queue: Queue,
    pub(crate) status: Status,
    /// Held during a test, so that there is only one at a time.
    pub(crate) testing: tokio::sync::Mutex<()>,
}

impl Outbox {
    /// One attempt at delivery, within the target's timeout.
    pub(crate) async fn send(&self, message: &Message) -> Result<(), Failure> {
        let limit = self.target.pace.timeout;
        match tokio::time::timeout(limit, self.target.kind.send(message, &self.sender)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let text = format!("no answer within {}", humantime::format_duration(limit));
                // A program that was killed may have done part of its work, so it is not run again.
                Err(if self.target.kind.runs_program() {
                    Failure::refused(text)
                } else {
                    Failure::again(text)
                })
            }
        }
    }

    /// Reads the secrets once, so that one that cannot be read shows before the first message.
    pub(crate) async fn check_secrets(&self) {
        for source in self.target.kind.secrets() {
            if let Err(failure) = self.sender.secret(source).await {
                return self.status.set_problem(Some(failure.text().to_owned()));
            }
        }
    }
}

/// Delivers messages for ever.
pub(crate) async fn run(outbox: Arc<Outbox>) {
    outbox.check_secrets().await;
    let mut limit = RateLimit::new(outbox.target.pace);
    let mut open: BTreeMap<String, Message> = BTreeMap::new();
    let repeat_interval = outbox.target.kind.repeat_interval();
    let mut tick = tokio::time::interval(repeat_interval.unwrap_or(MINUTE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    loop {
        tokio::select! {
            message = outbox.queue.pop() => {
                if repeat_interval.is_some() {
                    if message.is_over() {
                        open.remove(message.key());
                    } else {
                        open.insert(message.key().to_owned(), message.clone());
                    }
                    while open.len() > MAX_REPEATED {
                        open.pop_first();
                    }
                }
                deliver(&outbox, &mut limit, &message).await;
            }
            _ = tick.tick(), if !open.is_empty() => {
                for message in open.values() {
                    // New messages go first. A repetition that fails is not retried, as the next one is due soon.
                    if outbox.queue.len() == 0 {
                        limit.wait().await;
                        match outbox.send(message).await {
                            Ok(()) => outbox.status.set_problem(None),
                            Err(failure) => outbox.status.set_problem(Some(failure.text().to_owned())),
                        }
                    }
                }
            }
        }
    }
}

async fn deliver(outbox: &Outbox, limit: &mut RateLimit, message: &Message) {
    let give_up = Instant::now() + outbox.target.pace.give_up_after;
    let mut pause = FIRST_PAUSE;
    loop {
        limit.wait().await;
        let (text, after) = match outbox.send(message).await {
            Ok(()) => return outbox.status.sent(),
            Err(Failure::Refused { text }) => return lost(outbox, message, text),
            Err(Failure::Again { text, after }) => (text, after),
        };
        // Jitter keeps many hosts from retrying at the same moment.
        let wait = jittered(pause).max(after.unwrap_or_default());
        if Instant::now() + wait > give_up {
            let length = humantime::format_duration(outbox.target.pace.give_up_after);
            return lost(outbox, message, format!("{text}; given up, as it was tried for {length}"));
        }
        outbox.status.waits(text, wait);
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn lost(outbox: &Outbox, message: &Message, text: String) {
    let (target, event, incident) = (&outbox.target.name, message.event.name(), message.incident.id);
    tracing::warn!(target, event, incident, "a notification was not delivered: {text}");
    outbox.status.failed(text);
}

/// A random duration from three to five quarters of `pause`.
fn jittered(pause: Duration) -> Duration {
    let drawn = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.75 + f64::from(drawn) / f64::from(u32::MAX) / 2.0)
}

/// Limits attempts to a number within any minute, by the times of the latest.
struct RateLimit {
    most: usize,
    sent: VecDeque<Instant>,
}

impl RateLimit {
    fn new(pace: Pace) -> Self {
        Self { most: pace.per_minute as usize, sent: VecDeque::new() }
    }

    /// Waits until another attempt is allowed, and counts it.
    async fn wait(&mut self) {
        if self.sent.len() >= self.most
            && let Some(first) = self.sent.pop_front()
        {
            tokio::time::sleep_until(first + MINUTE).await;
        }
        self.sent.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_attempts_than_allowed() {
        let mut limit = RateLimit::new(Pace { per_minute: 3, ..Pace::default() });
        let began = Instant::now();
        let mut times = Vec::new();
        for _ in 0..7 {
            limit.wait().await;
            times.push(began.elapsed().as_secs());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(times, [0, 1, 2, 60, 61, 62, 120]);
        assert!(limit.sent.len() <= 3);
    }

    #[test]
    fn pauses_vary_within_a_quarter() {
        let pauses: Vec<_> = (0..100).map(|_| jittered(LONGEST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| (45.0..=75.0).contains(&pause.as_secs_f64())));
        assert!(pauses.iter().any(|pause| pause != &pauses[0]));
    }
}
