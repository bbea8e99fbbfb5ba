//! Delivers one target's messages, one after the other: at a bounded pace, within bounded time, again where that may help.

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

/// How long after a failure a message is tried again, for the first time and at most: twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Incidents whose going on is repeated.
const REPEATED: usize = 16;
const MINUTE: Duration = Duration::from_secs(60);

/// What a target's task shares with those who ask and those who tell.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) target: Target,
    pub(crate) sender: Sender,
    pub(crate) queue: Queue,
    pub(crate) status: Status,
    /// Held while a test is under way: there is one at a time.
    pub(crate) testing: tokio::sync::Mutex<()>,
}

impl Post {
    /// One try, within its time.
    pub(crate) async fn send(&self, message: &Message) -> Result<(), Failure> {
        let limit = self.target.pace.timeout;
        match tokio::time::timeout(limit, self.target.kind.send(message, &self.sender)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let text = format!("no answer within {}", humantime::format_duration(limit));
                // A command was called, and whatever it has begun was ended.
                Err(if self.target.kind.is_called() { Failure::refused(text) } else { Failure::again(text) })
            }
        }
    }

    /// What is wrong before anything is sent: a secret that cannot be read.
    pub(crate) async fn look(&self) {
        for source in self.target.kind.secrets() {
            if let Err(failure) = self.sender.secret(source).await {
                return self.status.suspect(Some(failure.text().to_owned()));
            }
        }
    }
}

/// Delivers, for ever.
pub(crate) async fn run(post: Arc<Post>) {
    post.look().await;
    let mut pace = Recent::new(post.target.pace);
    let mut going_on: BTreeMap<String, Message> = BTreeMap::new();
    let repeats = post.target.kind.repeats();
    let mut tick = tokio::time::interval(repeats.unwrap_or(MINUTE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    loop {
        tokio::select! {
            message = post.queue.pop() => {
                if repeats.is_some() {
                    if message.is_over() {
                        going_on.remove(message.key());
                    } else {
                        going_on.insert(message.key().to_owned(), message.clone());
                    }
                    while going_on.len() > REPEATED {
                        going_on.pop_first();
                    }
                }
                deliver(&post, &mut pace, &message).await;
            }
            _ = tick.tick(), if !going_on.is_empty() => {
                for message in going_on.values() {
                    // One that fails is repeated soon enough, and what is new goes first.
                    if post.queue.len() == 0 {
                        pace.turn().await;
                        match post.send(message).await {
                            Ok(()) => post.status.suspect(None),
                            Err(failure) => post.status.suspect(Some(failure.text().to_owned())),
                        }
                    }
                }
            }
        }
    }
}

async fn deliver(post: &Post, pace: &mut Recent, message: &Message) {
    let give_up = Instant::now() + post.target.pace.give_up_after;
    let mut pause = FIRST_PAUSE;
    loop {
        pace.turn().await;
        let (text, after) = match post.send(message).await {
            Ok(()) => return post.status.sent(),
            Err(Failure::Refused { text }) => return lost(post, message, text),
            Err(Failure::Again { text, after }) => (text, after),
        };
        // Who are many should not come back at the same moment.
        let wait = jittered(pause).max(after.unwrap_or_default());
        if Instant::now() + wait > give_up {
            let length = humantime::format_duration(post.target.pace.give_up_after);
            return lost(post, message, format!("{text}; given up, as it was tried for {length}"));
        }
        post.status.waits(text, wait);
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn lost(post: &Post, message: &Message, text: String) {
    let (target, event, incident) = (&post.target.name, message.event.name(), message.incident.id);
    tracing::warn!(target, event, incident, "a notification was not delivered: {text}");
    post.status.failed(text);
}

/// Between three quarters and five quarters of it.
fn jittered(pause: Duration) -> Duration {
    let drawn = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.75 + f64::from(drawn) / f64::from(u32::MAX) / 2.0)
}

/// When messages were sent within the last minute.
struct Recent {
    most: usize,
    sent: VecDeque<Instant>,
}

impl Recent {
    fn new(pace: Pace) -> Self {
        Self { most: pace.per_minute as usize, sent: VecDeque::new() }
    }

    /// Waits until one more may be sent.
    async fn turn(&mut self) {
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
    async fn no_minute_has_more_messages_than_it_may() {
        let mut recent = Recent::new(Pace { per_minute: 3, ..Pace::default() });
        let began = Instant::now();
        let mut times = Vec::new();
        for _ in 0..7 {
            recent.turn().await;
            times.push(began.elapsed().as_secs());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(times, [0, 1, 2, 60, 61, 62, 120]);
        assert!(recent.sent.len() <= 3);
    }

    #[test]
    fn pauses_are_not_all_alike_and_stay_near_what_they_should_be() {
        let pauses: Vec<_> = (0..100).map(|_| jittered(LONGEST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| (45.0..=75.0).contains(&pause.as_secs_f64())));
        assert!(pauses.iter().any(|pause| pause != &pauses[0]));
    }
}
