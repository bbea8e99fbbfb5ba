//! To whom services refuse new connections: sources whose connections come to nothing, while these ask for too many; and, for a
//! minute each while the service is attacked, new ones that come often in a flood of whole requests.

use std::collections::{BTreeMap, HashMap};

use floodwall_common::{source::Key, wire::History};

use super::Detector;
use crate::{action::Action, event::Event, service_load::Standing, view::KernelView};

/// How long connections are refused to a source, ns. Then it may come as often once more: that it is no customer is likely, and
/// not proven.
const REFUSED: u64 = 60_000_000_000;
/// Packets for each connection, of which a source sends more only if it makes use of them: it is no bot that asks and goes.
const USED: u32 = 12;
/// Sources of a service that are refused at a time.
const MOST: usize = 20_000;

/// Sources that are refused connections, by service.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<u8, Refused>);

/// Those of a service.
#[derive(Debug, Default)]
struct Refused {
    /// Until when, ns.
    until: HashMap<Key, u64>,
    /// It was said that there are some.
    told: bool,
}

impl Refusals {
    /// Forgets services that are not there any more.
    pub(super) fn retain(&mut self, is_there: impl Fn(u8) -> bool) {
        self.0.retain(|service, _| is_there(*service));
    }
}

impl Detector {
    /// Has services refuse new connections to some.
    pub(super) fn refuse(
        &mut self,
        standings: &[(u8, Standing)],
        now_ns: u64,
        view: &dyn KernelView,
        events: &mut Vec<Event>,
    ) {
        let observed = self.deployment.is_observing();
        for (service, standing) in standings {
            let (service, fruitless) = (*service, standing.fruitless);
            let changed =
                if fruitless { self.refusing.insert(service) } else { self.refusing.remove(&service) };
            if changed {
                events.push(Event::RefusesFruitless { service, refuses: fruitless, observed });
            }
            self.admit_again(service, now_ns);
            if standing.returning {
                let load = self.loads.entry(service).or_default();
                let often = load.come_often(now_ns).filter(|source| !makes_use(view, *source)).collect();
                self.refuse_all(service, often, now_ns);
            }
            let refused = self.returning.0.entry(service).or_default();
            let refuses = !refused.until.is_empty();
            if refuses != refused.told {
                refused.told = refuses;
                events.push(Event::RefusesReturning { service, refuses, observed });
            }
            self.actions.push(Action::RefuseFruitless { service, refuse: fruitless });
        }
    }

    /// Refuses connections of a service to sources, for a minute.
    fn refuse_all(&mut self, service: u8, mut sources: Vec<Key>, now_ns: u64) {
        let Refused { until, .. } = self.returning.0.entry(service).or_default();
        sources.retain(|source| !until.contains_key(source));
        sources.truncate(MOST.saturating_sub(until.len()));
        until.extend(sources.iter().map(|source| (*source, now_ns + REFUSED)));
        self.mark(sources, true);
    }

    /// Lets sources come again whose minute is over; all, once the service is not attacked any more.
    fn admit_again(&mut self, service: u8, now_ns: u64) {
        let Refused { until, .. } = self.returning.0.entry(service).or_default();
        let attacked = self.attacks.contains_key(&service);
        let is_over = |_: &Key, until_ns: &mut u64| !attacked || *until_ns <= now_ns;
        let over: Vec<Key> = until.extract_if(is_over).map(|(source, _)| source).collect();
        let load = self.loads.entry(service).or_default();
        over.iter().for_each(|source| load.forget(*source));
        self.mark(over, false);
    }

    fn mark(&mut self, sources: Vec<Key>, returns: bool) {
        if !sources.is_empty() {
            self.actions.push(Action::Return { sources, returns });
        }
    }
}

/// Whether a source sends much over its connections, as far as these are counted.
fn makes_use(view: &dyn KernelView, source: Key) -> bool {
    let (Some(history), Some(volume)) = (view.history(source), view.volume(source)) else { return false };
    history.syns < History::MAX_SYNS && volume.packets() > USED * u32::from(history.syns)
}

#[cfg(test)]
mod tests {
    use floodwall_common::{parse::tcp_flag, source, wire::Volume};
    use floodwall_tables::{Capacity, SharedTables};

    use super::*;
    use crate::{incident::Attack, sample::Sample};

    const SECOND: u64 = 1_000_000_000;
    const MANY: Standing = Standing { returning: true, ..STANDING };
    const STANDING: Standing = Standing {
        level: crate::alarm::Level::Alarm,
        begins: None,
        lately: 0.0,
        usually_passes: 0.0,
        too_much_passes: false,
        unheld: crate::alarm::Unheld { openings: false, datagrams: false, unasked: false, others: false },
        fruitless: false,
        returning: false,
        names: false,
        sampled: 1.0,
    };

    fn tables() -> SharedTables {
        let capacity = Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 };
        SharedTables::in_memory(&capacity).expect("there is memory")
    }

    fn request(source: u64, second: u64) -> Sample {
        Sample::segment(tcp_flag::SYN, source, second * SECOND)
    }

    /// A service that is attacked from second 40 on, where sources come at some seconds.
    fn attacked(came: &[(u64, u64)]) -> Detector {
        let mut detector = Detector::default();
        let load = detector.loads.entry(0).or_default();
        load.sample(&request(1, 0));
        came.iter().for_each(|(source, second)| load.sample(&request(*source, *second)));
        detector.attacks.insert(0, Attack::new(40 * SECOND));
        detector
    }

    /// What of sources is said at a second: whose they are, and whether they are refused.
    fn said(detector: &mut Detector, standing: Standing, second: u64) -> (Vec<(Vec<Key>, bool)>, Vec<bool>) {
        let mut events = Vec::new();
        detector.refuse(&[(0, standing)], second * SECOND, &tables(), &mut events);
        let marks = detector.take_actions().into_iter().filter_map(|action| match action {
            Action::Return { sources, returns } => Some((sources, returns)),
            _ => None,
        });
        let told = events.into_iter().filter_map(|event| match event {
            Event::RefusesReturning { refuses, .. } => Some(refuses),
            _ => None,
        });
        (marks.collect(), told.collect())
    }

    const OFTEN: [(u64, u64); 6] = [(2, 40), (2, 44), (2, 48), (3, 40), (3, 60), (3, 80)];

    #[test]
    fn who_comes_often_is_refused_for_a_minute_while_too_many_do() {
        let mut detector = attacked(&OFTEN);
        assert_eq!(said(&mut detector, STANDING, 49), (vec![], vec![]), "they are few");
        assert_eq!(said(&mut detector, MANY, 50), (vec![(vec![Key(2)], true)], vec![true]));
        assert_eq!(said(&mut detector, MANY, 109), (vec![], vec![]));
        assert_eq!(said(&mut detector, MANY, 110), (vec![(vec![Key(2)], false)], vec![false]));
    }

    #[test]
    fn once_the_attack_is_over_nobody_is_refused() {
        let mut detector = attacked(&OFTEN);
        said(&mut detector, MANY, 50);
        detector.attacks.clear();
        assert_eq!(said(&mut detector, STANDING, 51), (vec![(vec![Key(2)], false)], vec![false]));
    }

    #[test]
    fn who_sends_much_over_its_connections_makes_use_of_them() {
        let tables = tables();
        let settings = &tables.settings[0];
        let set = source::set_of(&tables, settings, Key(7)).expect("it is there");
        let way = source::visit(set, Key(7), 0, SECOND).0;
        for (syns, packets, expected) in
            [(4, 48, false), (4, 49, true), (History::MAX_SYNS, 1_000_000, false)]
        {
            way.history.store(History { syns, ..History::default() }.pack());
            way.volume.store(Volume::one(60) * packets);
            assert_eq!(makes_use(&tables, Key(7)), expected, "{syns} {packets}");
        }
        assert!(!makes_use(&tables, Key(8)), "nothing is known of it");
    }
}
