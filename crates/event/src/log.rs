//! Events in the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use tracing::{error, info, warn};

use super::{Bus, Event, Severity, Subscriber, What, bus::Heard};

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
        Heard::Event(Event { what, .. }) => {
            let Fields { interface, prefix, address, service, rule, list, signature } = Fields::of(&what);
            // The level of a place in the code is fixed.
            macro_rules! line {
                ($level:ident) => {
                    $level!(
                        kind = what.kind(),
                        interface,
                        prefix,
                        address,
                        service,
                        rule,
                        list,
                        signature,
                        "{what}"
                    )
                };
            }
            match what.severity() {
                Severity::Info => line!(info),
                Severity::Warning => line!(warn),
                Severity::Error => line!(error),
            }
        }
    }
}

/// What an event is about, for whoever looks for that in the log: `journalctl INTERFACE=eth0`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields<'a> {
    interface: Option<&'a str>,
    /// The first one that was banned.
    prefix: Option<&'a str>,
    /// The same, if it is a single address.
    address: Option<&'a str>,
    service: Option<&'a str>,
    rule: Option<&'a str>,
    list: Option<&'a str>,
    signature: Option<u64>,
}

impl<'a> Fields<'a> {
    fn of(what: &'a What) -> Self {
        match what {
            What::Interface { interface, .. } => Self { interface: Some(interface), ..Self::default() },
            What::Banned { first, .. } => first.first().map_or_else(Self::default, |(prefix, rule)| {
                let single = prefix.strip_suffix(if prefix.contains(':') { "/128" } else { "/32" });
                let ruled = rule.as_deref().map_or_else(Self::default, Self::of_rule);
                Self { prefix: Some(prefix), address: single, ..ruled }
            }),
            What::Rule { rule, .. } => Self::of_rule(rule),
            What::List { list, .. } => Self { list: Some(list), ..Self::default() },
            What::Signature { number, .. } => Self { signature: Some(*number as u64), ..Self::default() },
            _ => Self::default(),
        }
    }

    /// Of a rule with its service: `web/source-syn`.
    fn of_rule(rule: &'a str) -> Self {
        match rule.split_once('/') {
            Some((service, rule)) => Self { service: Some(service), rule: Some(rule), ..Self::default() },
            None => Self { rule: Some(rule), ..Self::default() },
        }
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
    fn an_event_is_found_by_what_it_is_about() {
        let banned = |prefix: &str| What::Banned {
            bans: 2,
            first: vec![(prefix.to_owned(), Some("web/source-syn".to_owned())), ("x".to_owned(), None)],
        };
        let (single, wide) = (banned("203.0.113.7/32"), banned("2001:db8::/64"));
        let Fields { prefix, address, service, rule, .. } = Fields::of(&single);
        assert_eq!((prefix, address), (Some("203.0.113.7/32"), Some("203.0.113.7")));
        assert_eq!((service, rule), (Some("web"), Some("source-syn")));
        assert_eq!((Fields::of(&wide).prefix, Fields::of(&wide).address), (Some("2001:db8::/64"), None));
        let interface = What::Interface { interface: "e0".into(), filtered: true, text: String::new() };
        assert_eq!(Fields::of(&interface), Fields { interface: Some("e0"), ..Fields::default() });
        assert_eq!(Fields::of(&What::Task { task: "watch", text: String::new() }), Fields::default());
    }

    #[test]
    fn closing_waits_for_what_has_happened() {
        let bus = Bus::default();
        let log = Log::open(&bus).unwrap();
        (0..1_000).for_each(|bans| bus.publish(What::Unbanned { bans, lifted: false }));
        log.close(&bus, What::Health { text: "the end of a test".to_owned(), loud: false });
    }
}
