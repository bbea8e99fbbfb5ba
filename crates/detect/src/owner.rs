//! The one task that owns the detector, as others see it: snapshots to read, and requests.
//!
//! Nobody waits for a lock that is held while signatures are put in force or samples are searched.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use parking_lot::RwLock;

use super::{Deployed, Detector, Held, Memory};
use crate::signature::Signature;

/// What the detector knew when it last looked.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Services that are attacked, by number.
    pub attacked: Vec<u8>,
    /// Number of the last incident; 0 if there was none.
    pub incident: u32,
    /// Waves that it has had so far.
    pub wave: u32,
    /// Samples of usual packets that others are held against.
    pub baseline_len: usize,
    /// These are so few that assumptions of what clients send stand in for them.
    pub is_fresh: bool,
    /// Signatures by number, and why those only count that would drop otherwise.
    pub signatures: Vec<(usize, Deployed, Option<Held>)>,
}

impl Snapshot {
    /// Of a detector.
    pub fn of(detector: &Detector) -> Self {
        Self {
            attacked: detector.attacked().collect(),
            incident: detector.incident(),
            wave: detector.wave(),
            baseline_len: detector.baseline_len(),
            is_fresh: detector.is_fresh(),
            signatures: detector
                .signatures()
                .map(|(number, deployed)| (number, deployed.clone(), detector.held(deployed)))
                .collect(),
        }
    }

    /// The signature with a number.
    pub fn signature(&self, number: usize) -> Option<&Deployed> {
        self.signatures.iter().find(|(there, ..)| *there == number).map(|(_, deployed, _)| deployed)
    }
}

/// The detector as those see it who do not own it.
#[derive(Clone)]
pub struct Detection {
    requests: Sender<Request>,
    snapshot: Arc<RwLock<Arc<Snapshot>>>,
}

/// What its owner does for others.
enum Request {
    Pin { signature: Signature, enforced: bool, reply: Sender<Option<(usize, Deployed)>> },
    Remove { number: usize, reply: Sender<Option<Deployed>> },
    Remember { reply: Sender<Memory> },
}

/// Why a request was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task that looks for attacks has ended")]
pub struct Ended;

impl Detection {
    /// What was known when the detector last looked, or did something for somebody.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }

    /// Deploys a signature that an operator wants, in force when this returns; its number, and how it stands. `None`:
    /// there is no room for another.
    ///
    /// # Errors
    ///
    /// If the owner has ended.
    pub fn pin(&self, signature: Signature, enforced: bool) -> Result<Option<(usize, Deployed)>, Ended> {
        self.ask(|reply| Request::Pin { signature, enforced, reply })
    }

    /// Takes a signature back, out of force when this returns. `None`: there was none of that number.
    ///
    /// # Errors
    ///
    /// If the owner has ended.
    pub fn remove(&self, number: usize) -> Result<Option<Deployed>, Ended> {
        self.ask(|reply| Request::Remove { number, reply })
    }

    /// What is to be kept over a restart.
    ///
    /// # Errors
    ///
    /// If the owner has ended.
    pub fn remember(&self) -> Result<Memory, Ended> {
        self.ask(|reply| Request::Remember { reply })
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, Ended> {
        let (reply, answer) = mpsc::channel();
        self.requests.send(request(reply)).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }
}

/// The detector, and what others ask of it.
pub struct Owner {
    /// What is owned.
    pub detector: Detector,
    requests: Receiver<Request>,
    snapshot: Arc<RwLock<Arc<Snapshot>>>,
}

/// What the owner needs from where it runs.
pub trait Surroundings {
    /// The kernel's clock, ns.
    fn now_ns(&self) -> u64;
    /// Puts in force what the detector wants done, before this returns.
    fn carry_out(&mut self, detector: &mut Detector);
    /// The name of a service.
    fn service_name(&self, number: u8) -> Option<String>;
}

impl Owner {
    /// An owner, and what others see of the detector.
    pub fn new(detector: Detector) -> (Self, Detection) {
        let (sender, requests) = mpsc::channel();
        let snapshot = Arc::new(RwLock::new(Arc::new(Snapshot::of(&detector))));
        let detection = Detection { requests: sender, snapshot: Arc::clone(&snapshot) };
        (Self { detector, requests, snapshot }, detection)
    }

    /// Does what others ask for, until `deadline`. Says whether anybody is left who could ask.
    pub fn serve_until(&mut self, deadline: Instant, surroundings: &mut impl Surroundings) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.requests.recv_timeout(left) {
                Ok(request) => self.serve(request, surroundings),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(deadline.saturating_duration_since(Instant::now()).min(MOST_SLEEP));
                    return false;
                }
            }
        }
    }

    /// Puts in force what is to be done, and shows others how things stand.
    pub fn settle(&mut self, surroundings: &mut impl Surroundings) {
        surroundings.carry_out(&mut self.detector);
        let snapshot = Arc::new(Snapshot::of(&self.detector));
        *self.snapshot.write() = snapshot;
    }

    fn serve(&mut self, request: Request, surroundings: &mut impl Surroundings) {
        let now_ns = surroundings.now_ns();
        // Whoever asked may have gone meanwhile.
        match request {
            Request::Pin { signature, enforced, reply } => {
                let number = self.detector.pin(signature, enforced, now_ns);
                self.settle(surroundings);
                let deployed = number.and_then(|number| {
                    let mut signatures = self.detector.signatures();
                    let (_, deployed) = signatures.find(|(there, _)| *there == number)?;
                    Some((number, deployed.clone()))
                });
                drop(reply.send(deployed));
            }
            Request::Remove { number, reply } => {
                let removed = self.detector.remove(number, now_ns);
                self.settle(surroundings);
                drop(reply.send(removed));
            }
            Request::Remember { reply } => {
                drop(reply.send(self.detector.remember(|number| surroundings.service_name(number))));
            }
        }
    }
}

/// Longest sleep of an owner whom nobody can ask any more.
const MOST_SLEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        carried_out: usize,
    }

    impl Surroundings for Room {
        fn now_ns(&self) -> u64 {
            7_000
        }

        fn carry_out(&mut self, detector: &mut Detector) {
            self.carried_out += detector.take_actions().len();
        }

        fn service_name(&self, _: u8) -> Option<String> {
            None
        }
    }

    #[test]
    fn what_others_ask_for_is_in_force_and_shown_when_they_hear_of_it() {
        let (mut owner, detection) = Owner::new(Detector::default());
        let asking = std::thread::spawn(move || {
            let signature: Signature = "udp sport=7 len=28".parse().unwrap();
            let (number, deployed) = detection.pin(signature, true).unwrap().unwrap();
            assert!(deployed.pinned && deployed.enforced);
            let shown = detection.snapshot();
            assert_eq!(shown.signature(number).map(|deployed| deployed.since_ns), Some(7_000));
            assert_eq!(detection.remove(number + 1).unwrap().map(|_| ()), None, "there is none");
            assert!(detection.remove(number).unwrap().is_some());
            assert!(detection.snapshot().signatures.is_empty());
            detection.remember().unwrap();
            detection
        });
        let mut room = Room { carried_out: 0 };
        while !asking.is_finished() {
            owner.serve_until(Instant::now() + Duration::from_millis(5), &mut room);
        }
        assert_eq!(room.carried_out, 2, "one for each that changed something");
        let detection = asking.join().unwrap();
        drop(owner);
        assert_eq!(detection.remove(0).unwrap_err(), Ended);
    }
}
