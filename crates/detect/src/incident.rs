//! Attacks, and which of them belong together.

use std::collections::BTreeMap;

/// An attack that begins so soon after another has ended is a wave of the same incident, ns.
const SAME_INCIDENT: u64 = 600_000_000_000;

/// How often it is looked how large an attack is, ns.
const MEASURED: u64 = 600_000_000_000;
/// What is more than so many times as large as before has grown.
const GROWTH: f64 = 1.1;

/// An attack on one service that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) since_ns: u64,
    /// When it was last looked how large it is, ns; how large it was then; and whether it had grown.
    pub(super) measured_ns: u64,
    pub(super) measured: f64,
    pub(super) grows: bool,
    /// It was said that nothing is found.
    pub(super) told: bool,
}

impl Attack {
    /// One that begins.
    pub(super) fn new(since_ns: u64) -> Self {
        Self { since_ns, measured_ns: since_ns, measured: 0.0, grows: true, told: false }
    }

    /// Looks every ten minutes how large it is, and whether it has grown since.
    pub(super) fn measure(&mut self, size: f64, now_ns: u64) {
        if now_ns < self.measured_ns + MEASURED {
            return;
        }
        self.grows = size > self.measured * GROWTH;
        (self.measured_ns, self.measured) = (now_ns, size);
    }
}

/// The last incident of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) number: u32,
    pub(super) wave: u32,
    pub(super) ended_ns: u64,
}

/// The incidents so far, those of all services in one count.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    by_service: BTreeMap<u8, Incident>,
    count: u32,
}

impl Incidents {
    /// Another attack on a service: an incident of its own, or one more wave.
    pub(super) fn next(&mut self, service: u8, now_ns: u64) -> Incident {
        let incident = self.by_service.entry(service).or_default();
        if incident.number > 0 && now_ns < incident.ended_ns + SAME_INCIDENT {
            incident.wave += 1;
        } else {
            self.count += 1;
            *incident = Incident { number: self.count, wave: 1, ended_ns: 0 };
        }
        *incident
    }

    /// An attack on a service is over.
    pub(super) fn end(&mut self, service: u8, now_ns: u64) {
        if let Some(incident) = self.by_service.get_mut(&service) {
            incident.ended_ns = now_ns;
        }
    }

    /// The last one; one of number 0 if there was none.
    pub(super) fn last(&self) -> Incident {
        self.by_service.values().copied().max_by_key(|incident| incident.number).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_those_of_one_service() {
        let mut incidents = Incidents::default();
        assert_eq!(incidents.last().number, 0);
        let begun = |incidents: &mut Incidents, service, now_ns| {
            let Incident { number, wave, .. } = incidents.next(service, now_ns);
            (number, wave)
        };
        assert_eq!(begun(&mut incidents, 1, 1), (1, 1));
        assert_eq!(begun(&mut incidents, 2, 2), (2, 1), "another service, another incident");
        incidents.end(1, 10);
        assert_eq!(begun(&mut incidents, 1, 20), (1, 2), "soon after");
        assert_eq!(incidents.last().number, 2);
        incidents.end(1, 30);
        assert_eq!(begun(&mut incidents, 1, 30 + SAME_INCIDENT), (3, 1), "much later");
    }
}
