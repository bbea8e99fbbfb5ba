//! From those to whom something happens to those who want to know.

use tokio::sync::broadcast::{self, error::RecvError};

use super::{Event, What};

/// Events that a subscriber may fall behind by. Who falls behind by more is told how many it has missed.
const HELD: usize = 4_096;

/// Where events are published. Publishing waits for nobody.
#[derive(Clone, Debug)]
pub struct Bus(broadcast::Sender<Event>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::channel(HELD).0)
    }
}

impl Bus {
    /// Tells all subscribers that this happens now.
    pub fn publish(&self, what: What) {
        // An error says that there is none.
        drop(self.0.send(Event::now(what)));
    }

    /// Whoever wants to know what happens from now on.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber(self.0.subscribe())
    }
}

/// Hears of what happens.
#[derive(Debug)]
pub struct Subscriber(pub(super) broadcast::Receiver<Event>);

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An event.
    Event(Event),
    /// It was too slow for so many.
    Missed(u64),
}

impl Subscriber {
    /// The next event; `None` once nobody publishes any more.
    pub async fn next(&mut self) -> Option<Heard> {
        heard(self.0.recv().await)
    }

    /// As [`Self::next`], for a thread that may wait.
    pub fn next_blocking(&mut self) -> Option<Heard> {
        heard(self.0.blocking_recv())
    }
}

fn heard(received: Result<Event, RecvError>) -> Option<Heard> {
    match received {
        Ok(event) => Some(Heard::Event(event)),
        Err(RecvError::Lagged(missed)) => Some(Heard::Missed(missed)),
        Err(RecvError::Closed) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_hear_of_it_in_order_and_who_is_too_slow_is_told_so() {
        let bus = Bus::default();
        let (mut quick, mut slow) = (bus.subscribe(), bus.subscribe());
        let unbanned = |bans| What::Unbanned { bans, lifted: false };
        for bans in 0..3 {
            bus.publish(unbanned(bans));
            assert!(
                matches!(quick.next_blocking(), Some(Heard::Event(event)) if event.what == unbanned(bans))
            );
        }
        (3..=HELD as u64).for_each(|bans| bus.publish(unbanned(bans)));
        assert_eq!(slow.next_blocking(), Some(Heard::Missed(1)));
        assert!(matches!(slow.next_blocking(), Some(Heard::Event(event)) if event.what == unbanned(1)));
        drop(bus);
        while quick.next_blocking().is_some() {}
    }
}
