//! Signatures that an operator wants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{filter, open};
use floodwall_detect::{Detection, Detector, Owner, Surroundings, signature::Signature};

const HOUR: Duration = Duration::from_secs(3_600);

struct Nowhere;

impl Surroundings for Nowhere {
    fn now_ns(&self) -> u64 {
        1
    }

    fn carry_out(&mut self, detector: &mut Detector) {
        drop(detector.take_actions());
    }

    fn service_name(&self, _: u8) -> Option<String> {
        None
    }
}

/// A detector that somebody serves.
struct Served {
    detection: Detection,
    ending: Arc<AtomicBool>,
}

impl Served {
    fn start() -> Self {
        let (mut owner, detection) = Owner::new(Detector::default());
        let ending = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ending);
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                owner.serve_until(Instant::now() + Duration::from_millis(10), &mut Nowhere);
            }
        });
        Self { detection, ending }
    }

    fn deployed(&self) -> Vec<String> {
        let seen = self.detection.snapshot();
        seen.signatures.iter().map(|(_, deployed, _)| deployed.signature.to_string()).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_signature_is_wanted_until_it_is_taken_back_or_its_time_is_over() {
    let (filter, directory) = filter();
    let served = Served::start();
    filter.attend(served.detection.clone());
    let [lasting, brief]: [Signature; 2] = ["udp sport=7 len=28", "udp sport=9 len=28"]
        .map(|text| filter.signature_of(text).expect("a signature"));
    assert!(filter.signature_of("nonsense").is_err());
    assert_ne!(lasting, brief);
    let pin = |signature: &Signature, lifetime| {
        let pinned = filter.pin_signature(signature.clone(), true, lifetime, &served.detection);
        pinned.expect("pinned").0
    };
    let number = pin(&lasting, None);
    pin(&brief, Some(HOUR));
    assert_eq!(served.deployed(), [lasting.to_string(), brief.to_string()]);
    assert!(filter.signature_expiry(&filter.signature_in_words(&brief)).is_some());
    assert_eq!(filter.expire(SystemTime::now() + 2 * HOUR).expect("expired"), 1);
    assert_eq!(served.deployed(), [lasting.to_string()]);
    assert_eq!(filter.pinned_signatures(), [(lasting.clone(), true)]);
    filter.unpin_signature(number, &served.detection).expect("taken back");
    assert!(served.deployed().is_empty());
    drop(filter);
    assert!(open(directory.path()).pinned_signatures().is_empty(), "nor at the next start");
}
