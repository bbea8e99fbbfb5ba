//! The bounded queue of messages for one target. Adding a message never blocks.

use std::collections::VecDeque;

use floodwall_incident::IncidentEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::Message;

/// Most messages in a queue. An attack makes about a dozen, so a full queue means that the target has failed for hours.
pub(crate) const CAPACITY: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Message>>,
    filled: Notify,
}

impl Queue {
    /// Adds a message, and returns whether another was dropped to make room. A message replaces a queued one of the same
    /// incident and event if that is superseded by it. To make room, a message that a later one will supersede is dropped
    /// first, and the oldest otherwise.
    pub(crate) fn push(&self, message: Message) -> bool {
        let mut waiting = self.waiting.lock();
        let same = |one: &&mut Message| {
            one.event == message.event && one.address == message.address && one.key() == message.key()
        };
        let mut has_lost = false;
        match waiting.iter_mut().filter(|one| is_superseded(one.event)).find(same) {
            Some(one) => *one = message,
            None => {
                if waiting.len() >= CAPACITY {
                    let first = waiting.iter().position(|one| is_superseded(one.event)).unwrap_or(0);
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

    /// Waits for the next message.
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

/// Whether the next message of the same event contains everything that this one does.
const fn is_superseded(event: IncidentEvent) -> bool {
    matches!(event, IncidentEvent::Changed | IncidentEvent::GoesOn)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sample;

    fn message(event: IncidentEvent, id: u64) -> Message {
        let mut incident = sample::incident(1_000);
        (incident.id, incident.key) = (id, format!("floodwall-{id:016x}"));
        Message::new(event, Arc::new(incident))
    }

    #[tokio::test]
    async fn superseded_messages_are_replaced_and_the_others_keep_their_order() {
        let queue = Queue::default();
        for event in [
            IncidentEvent::Began,
            IncidentEvent::Changed,
            IncidentEvent::Changed,
            IncidentEvent::GoesOn,
            IncidentEvent::Changed,
            IncidentEvent::Ended,
        ] {
            assert!(!queue.push(message(event, 1)));
        }
        assert!(!queue.push(message(IncidentEvent::Changed, 2)));
        let mut order = Vec::new();
        while queue.len() > 0 {
            let message = queue.pop().await;
            order.push((message.event, message.incident.id));
        }
        let expected = [
            (IncidentEvent::Began, 1),
            (IncidentEvent::Changed, 1),
            (IncidentEvent::GoesOn, 1),
            (IncidentEvent::Ended, 1),
            (IncidentEvent::Changed, 2),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn it_is_bounded_and_ends_outlast_changes() {
        let queue = Queue::default();
        assert!(!queue.push(message(IncidentEvent::Ended, 0)));
        let lost = (1..1_000).filter(|id| queue.push(message(IncidentEvent::Changed, *id))).count();
        assert_eq!((queue.len(), lost), (CAPACITY, 1_000 - CAPACITY));
        assert_eq!(queue.waiting.lock()[0].event, IncidentEvent::Ended);
        // If no message will be superseded, the oldest is dropped.
        (0..CAPACITY as u64 + 1).for_each(|id| _ = queue.push(message(IncidentEvent::Ended, 2_000 + id)));
        assert_eq!(queue.len(), CAPACITY);
        assert_eq!(queue.waiting.lock()[0].incident.id, 2_001);
    }
}
