//! Events in the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use tracing::{error, info, warn};

use super::{Bus, Severity, Subscriber, What, bus::Heard};

/// What writes events into the log, in a thread of its own: where the log goes to may be slow, or full.
pub struct Log {
    thread: JoinHandle<()>,
    closing: Arc<AtomicBool>,
}

impl Log {
    /// Writes what happens from now on.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn open(bus: &Bus) -> std::io::Result<Self> {
        let mut events = bus.subscribe();
        let closing = Arc::new(AtomicBool::new(false));
        let is_closing = Arc::clone(&closing);
        let work = move || {
            while let Some(heard) = events.next_blocking() {
                write(heard);
                if is_closing.load(Ordering::Acquire) && events.is_empty() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(work)?;
        Ok(Self { thread, closing })
    }

    /// Returns once all is written that has happened, and this at the end of it.
    pub fn close(self, bus: &Bus, last: What) {
        self.closing.store(true, Ordering::Release);
        bus.publish(last);
        if self.thread.join().is_err() {
            error!("the thread that writes the log has failed");
        }
    }
}

fn write(heard: Heard) {
    match heard {
        Heard::Missed(missed) => warn!(missed, "events were not logged: the log is too slow"),
        Heard::Event(event) => match event.what.severity() {
            Severity::Info => info!(kind = event.what.kind(), "{}", event.what),
            Severity::Warning => warn!(kind = event.what.kind(), "{}", event.what),
            Severity::Error => error!(kind = event.what.kind(), "{}", event.what),
        },
    }
}

impl Subscriber {
    /// Whether there is nothing to hear at the moment.
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_waits_for_what_has_happened() {
        let bus = Bus::default();
        let log = Log::open(&bus).unwrap();
        (0..1_000).for_each(|bans| bus.publish(What::Unbanned { bans, lifted: false }));
        log.close(&bus, What::Health { text: "the end of a test".to_owned(), loud: false });
    }
}
