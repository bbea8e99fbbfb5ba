//! What services suffer from, looked at more often than elsewhere, as somebody is let in meanwhile.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::{
    daemon::{
        capacity::limit,
        health::{self, FULL, PATIENCE},
    },
    host::Vitals,
    policy::{Probe, Signal},
};

/// Rates are of this time.
const WINDOW: Duration = Duration::from_secs(1);
/// A probe that has not answered by then tells of a service that suffers.
const SLOW: Duration = Duration::from_secs(1);
/// Pause between two probes.
const PAUSE: Duration = Duration::from_millis(250);
/// Datagrams, a second, that sockets have no room for.
const UDP_OVERFLOWS: u64 = 50;

/// What the host and its services suffer from.
#[derive(Debug, Default)]
pub(super) struct Distress {
    vitals: VecDeque<(Instant, Vitals)>,
    probes: BTreeMap<String, Probing>,
}

/// A service's probe.
#[derive(Debug)]
struct Probing {
    begun: Instant,
    /// Tells whether it was answered.
    running: Option<oneshot::Receiver<bool>>,
    failed: bool,
}

impl Distress {
    /// Reads what the host has counted.
    pub(super) fn read(&mut self, now: Instant) {
        self.vitals.push_back((now, Vitals::read()));
        // The last one that is older than the window stays.
        while self.vitals.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.vitals.pop_front();
        }
    }

    /// Forgets what was read: nobody is looked after any more.
    pub(super) fn rest(&mut self) {
        self.vitals.clear();
        self.probes.clear();
    }

    /// What a service suffers from, if it does.
    pub(super) fn of(&mut self, service: &str, probe: Option<&Probe>, now: Instant) -> Option<String> {
        let probed = probe.and_then(|probe| self.probe(service, probe, now));
        probed.or_else(|| self.of_host())
    }

    fn of_host(&self) -> Option<String> {
        let (before, now) = (self.vitals.front()?, self.vitals.back()?);
        // A count of a moment is no rate.
        if now.0.duration_since(before.0) < WINDOW / 2 {
            return None;
        }
        strained(&health::signals(before, now, None))
    }

    /// Asks once more, if it is time to. What the last answers tell.
    fn probe(&mut self, service: &str, probe: &Probe, now: Instant) -> Option<String> {
        let probing = self.probes.entry(service.to_owned()).or_insert_with(|| Probing {
            begun: now.checked_sub(PAUSE).unwrap_or(now),
            running: None,
            failed: false,
        });
        match probing.running.as_mut().map(oneshot::Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => {}
            Some(outcome) => {
                probing.failed = outcome != Ok(true);
                probing.running = None;
            }
        }
        let waited = now.duration_since(probing.begun);
        if probing.running.is_none() && waited >= PAUSE {
            let (told, running) = oneshot::channel();
            let target = probe.clone();
            tokio::spawn(async move {
                let outcome = tokio::time::timeout(PATIENCE, health::probe(&target)).await;
                // Nobody may want to know any more.
                let _ = told.send(matches!(outcome, Ok(Ok(()))));
            });
            (probing.running, probing.begun) = (Some(running), now);
        }
        let is_slow = probing.running.is_some() && now.duration_since(probing.begun) >= SLOW;
        (probing.failed || is_slow).then(|| format!("its {} fails, or takes a second", Signal::Probe.name()))
    }
}

/// What a host suffers from that fares so, if it does.
fn strained(signals: &BTreeMap<Signal, u64>) -> Option<String> {
    let over = |(signal, value): (&Signal, &u64)| {
        let over = match signal {
            Signal::UdpOverflows => *value > UDP_OVERFLOWS,
            Signal::ListenDrops => health::drops_unanswered(signals) > FULL,
            _ => limit(*signal).is_some_and(|limit| *value > limit),
        };
        over.then(|| format!("the host's {} are {}", signal.name(), signal.words(*value)))
    };
    signals.iter().find_map(over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_suffers_from_queues_that_are_full() {
        let of = |signals: &[(Signal, u64)]| strained(&signals.iter().copied().collect());
        assert_eq!(
            of(&[(Signal::ListenOverflows, 10), (Signal::Conntrack, 95), (Signal::Softirq, 100)]),
            None
        );
        assert_eq!(
            of(&[(Signal::ListenOverflows, 400), (Signal::ListenDrops, 400)]).as_deref(),
            Some("the host's listen-overflows are 400/s")
        );
        assert_eq!(
            of(&[(Signal::ListenOverflows, 0), (Signal::ListenDrops, 400)]).as_deref(),
            Some("the host's listen-drops are 400/s")
        );
        assert_eq!(of(&[(Signal::UdpOverflows, 60)]).as_deref(), Some("the host's udp-overflows are 60/s"));
    }

    #[tokio::test]
    async fn a_service_suffers_whose_probe_is_not_answered() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let probe: Probe = format!("http://{address}/").parse().unwrap();
        let (start, mut distress) = (Instant::now(), Distress::default());
        let mut at =
            |milliseconds| distress.of("web", Some(&probe), start + Duration::from_millis(milliseconds));
        assert_eq!([at(0), at(900)], [None, None], "it may take its time");
        assert!(at(1_100).is_some(), "nobody answers");
    }
}
