//! Messages that wait for a target. Who puts one there waits for nothing.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::Message;

/// Messages that wait at the most. An attack makes a dozen; who has not taken so many has not listened for hours.
pub(crate) const MOST: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Message>>,
    filled: Notify,
}

impl Queue {
    /// Puts a message at the end; tells whether another had to make room. What says the same of the same incident and waits
    /// already is replaced. Where there is no room, what is overtaken soonest goes first.
    pub(crate) fn push(&self, message: Message) -> bool {
        let mut waiting = self.waiting.lock();
        let same = |one: &&mut Message| {
            one.event == message.event && one.address == message.address && one.key() == message.key()
        };
        let mut has_lost = false;
        match waiting.iter_mut().filter(|one| one.event.is_overtaken()).find(same) {
            Some(one) => *one = message,
            None => {
                if waiting.len() >= MOST {
                    let first = waiting.iter().position(|one| one.event.is_overtaken()).unwrap_or(0);
                    waiting.remove(first);
                    has_lost = true;
                }
                waiting.push_back(message);
            }
        }
        drop(waiting);
        self.filled.notify_one();
        has_lost
    }

    /// The next one, once there is one.
    pub(crate) async fn pop(&self) -> Message {
        loop {
            let filled = self.filled.notified();
            if let Some(message) = self.waiting.lock().pop_front() {
                return message;
            }
            filled.await;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{event::Event, sample};

    fn message(event: Event, id: u64) -> Message {
        let mut incident = sample::incident(1_000);
        (incident.id, incident.key) = (id, format!("floodwall-{id:016x}"));
        Message::new(event, Arc::new(incident))
    }

    #[tokio::test]
    async fn what_is_overtaken_is_replaced_and_the_rest_keeps_its_order() {
        let queue = Queue::default();
        for event in
            [Event::Began, Event::Changed, Event::Changed, Event::GoesOn, Event::Changed, Event::Ended]
        {
            assert!(!queue.push(message(event, 1)));
        }
        assert!(!queue.push(message(Event::Changed, 2)));
        let mut order = Vec::new();
        while queue.len() > 0 {
            let message = queue.pop().await;
            order.push((message.event, message.incident.id));
        }
        let expected = [
            (Event::Began, 1),
            (Event::Changed, 1),
            (Event::GoesOn, 1),
            (Event::Ended, 1),
            (Event::Changed, 2),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn it_is_bounded_and_ends_outlast_changes() {
        let queue = Queue::default();
        assert!(!queue.push(message(Event::Ended, 0)));
        let lost = (1..1_000).filter(|id| queue.push(message(Event::Changed, *id))).count();
        assert_eq!((queue.len(), lost), (MOST, 1_000 - MOST));
        assert_eq!(queue.waiting.lock()[0].event, Event::Ended);
        // Nothing but ends: then the oldest goes.
        (0..MOST as u64 + 1).for_each(|id| _ = queue.push(message(Event::Ended, 2_000 + id)));
        assert_eq!(queue.len(), MOST);
        assert_eq!(queue.waiting.lock()[0].incident.id, 2_001);
    }
}
