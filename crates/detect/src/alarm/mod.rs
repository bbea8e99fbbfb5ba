//! Whether a service is attacked: a statement about the packets that have not proven themselves, and about those only.
//!
//! **What is counted**, each 50 ms and for each service, of packets that come in: requests for a TCP connection that were
//! answered and not completed; segments of no connection, and requests where nothing is offered; datagrams of sources that
//! are not known; datagrams that nobody asked for; fragments and other protocols of sources that are not known; requests of
//! sources whose connections come to nothing ([`floodwall_common::fruitless_sources`]); questions for names that were never
//! asked for before ([`floodwall_common::dns_names`]), less those that are found to exist
//! ([`floodwall_common::dns_answers`]); connections of new sources that come time and again ([`crate::visits`]). Of all but the
//! first and the names, sources once each a second, and packets up to 20 a source and second. Packets of flows that have proven
//! themselves raise no alarm, however many: a backup, a download or a rush of customers is no case at all. That the host is
//! over its capacity is told by its own signals, and is another kind of alarm.
//!
//! **The test.** That a count is no attack is given up once more comes in a window than chance makes of the highest
//! intensity that is usual: its bound, [`exceeds`]. That is the greater of a floor, which grows with what passes for the service, and 12
//! times (of requests 6 or 3 times) the [busiest ten minutes](series::Busiest) so far. Of requests it is at least the rate of
//! those that are completed: a crowd raises its own bound, and so no learning is needed first. Likewise, of new names that are not
//! found to exist as many are usual as are.
//!
//! **Its rate of false alarms** is at most 0.1 in 24 hours by chance, for sixty series and as long as the intensity is at
//! most the bound: see [`chance`]. (Of requests, whose count is a difference of two, that is a rule of thumb; and where what
//! leaves is not seen, requests are counted as they pass.) That ordinary traffic stays below the bound is nothing that could
//! be derived: `docs/detection.md` says how it was measured.
//!
//! **An alarm ends** once no window of up to a second has been above its bound for five seconds; the window of ten seconds
//! then begins anew. As long as signatures drop more than a few packets, it goes on: what they drop is the attack.
//!
//! **A watch** is less than an alarm: far more connections are completed than usual. It harms nobody and tells nobody.

mod allowance;
mod chance;
mod class;
mod exceeds;
mod series;
mod tested;

use serde::{Deserialize, Serialize};

use class::ANSWERED;
pub use class::Class;
pub use exceeds::Excess;
use exceeds::{SECOND, Test};
use floodwall_common::wire::UnprovenTotals;
use series::{Busiest, Middle, Series};
use tested::{Proving, Tests, excused};

use crate::{moment::PER_SECOND, visits::Returning};

/// How long no window must be above its bound before an alarm is over, ns.
const CALM_AFTER: u64 = 5_000_000_000;
/// Packets/s that signatures drop of which an alarm goes on.
const HOLDS: f64 = 50.0;
/// The floor is that of a service which usually passes twice as many packets/s; it grows with half of what it passes.
const SMALL: f64 = 400.0;
/// Handshakes/s that are usual, and how many times as many as in the busiest ten minutes are: more is watched.
const WATCHED: f64 = 100.0;
const WATCHED_TIMES: f64 = 12.0;

/// How a service stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is the matter.
    #[default]
    Calm,
    /// Far more connections are completed than usual.
    Watch,
    /// It is attacked.
    Alarm,
}

/// Why an alarm was raised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cause {
    /// What there is too much of.
    pub class: Class,
    /// How much.
    pub excess: Excess,
}

/// What was found at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Finding {
    /// How the service stands.
    pub(super) level: Level,
    /// Why an alarm began at this tick, if one did.
    pub(super) begins: Option<Cause>,
    /// Of which classes still too much passes, in an alarm.
    pub(super) unheld: Unheld,
    /// Sources whose connections come to nothing ask for too many.
    pub(super) fruitless: bool,
    /// Too many connections are those of new sources that come time and again.
    pub(super) returning: bool,
    /// Too many names are asked for that never were before.
    pub(super) names: bool,
}

/// Classes of which too much passes, as far as that can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unheld {
    /// Requests that are answered, and that nothing follows.
    pub(super) openings: bool,
    /// Datagrams of unknown sources; those count as well that are dropped until they are repeated.
    pub(super) datagrams: bool,
    /// Likewise, datagrams that nobody asked for.
    pub(super) unasked: bool,
    /// Likewise, fragments and other protocols.
    pub(super) others: bool,
}

/// What is looked at of one service.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    classes: Vec<Tests>,
    /// Handshakes that were completed, and how many usually are.
    completed: Series,
    completed_busiest: Busiest,
    /// New names that are found to exist.
    existing: Series,
    /// Requests that are answered, and not dropped by a signature.
    answered: Test,
    /// What signatures drop.
    signed: Series,
    /// What passes of flows that have proven themselves.
    proven: Middle,
    is_on: bool,
    /// Ticks since the start, as far as [`Alarm::NAMES_AT_FIRST`].
    ticks: usize,
}

/// What is kept of it over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Usual {
    busiest: Vec<(Class, Vec<Busiest>)>,
    completed: Busiest,
    proven: Middle,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            classes: Class::ALL.into_iter().map(Tests::of).collect(),
            completed: Series::default(),
            completed_busiest: Busiest::default(),
            existing: Series::default(),
            answered: Test::new(&ANSWERED),
            signed: Series::default(),
            proven: Middle::default(),
            is_on: false,
            ticks: 0,
        }
    }
}

impl Alarm {
    /// Ticks after the start, three seconds, in which all sources of anything but TCP are unknown, as nobody has been there for
    /// a second yet: that they are many says nothing.
    const STRANGE_AT_FIRST: usize = 3 * SECOND;
    /// Ticks after the start, half a minute, in which all names are new.
    const NAMES_AT_FIRST: usize = 30 * SECOND;

    /// Takes what came since the last tick: what had not proven itself, connections of new sources that come time and again,
    /// and how many packets had proven themselves.
    pub(super) fn take(
        &mut self,
        came: &UnprovenTotals,
        returning: Returning,
        proven: u64,
        now_ns: u64,
    ) -> Finding {
        let calm = !self.is_on;
        self.proven.take(proven as f64);
        self.completed.push(came.completed as f64);
        let most = WATCHED.max(WATCHED_TIMES * self.completed_busiest.rate());
        self.completed_busiest.take(came.completed as f64, calm, most / WATCHED_TIMES);
        self.signed.push(came.signed as f64);
        let growth = (self.proven.rate() / SMALL).max(1.0);
        self.existing.push(excused(came.existing_names, 1.0));
        // A crowd completes what it asks for, and asks for names that there are.
        let [completing, existing] = [&self.completed, &self.existing]
            .map(|series| series.window(series::LONGEST) * PER_SECOND / series::LONGEST as f64);
        let proving = Proving { completing, existing };
        let answered = came.openings as f64 - came.completed as f64 - came.signed_openings as f64;
        self.answered.take(answered, calm, growth, completing);
        let mut unheld =
            Unheld { openings: !self.answered.is_below(growth, completing), ..Unheld::default() };
        self.ticks = (self.ticks + 1).min(Self::NAMES_AT_FIRST);
        let is_at_first = |class: Class| match class {
            Class::Datagrams | Class::Others => self.ticks < Self::STRANGE_AT_FIRST,
            Class::Names => self.ticks < Self::NAMES_AT_FIRST,
            _ => false,
        };
        let mut begins = None;
        for tests in &mut self.classes {
            if is_at_first(tests.class) {
                continue;
            }
            let excess = tests.take(came, returning, calm, growth, proving);
            let is_below = tests.are_below(growth, proving);
            let Tests { class, tests, above_ns, .. } = tests;
            match (&mut *above_ns, excess) {
                (None, Some(excess)) => {
                    *above_ns = Some(now_ns);
                    begins = begins.or(Some(Cause { class: *class, excess }));
                }
                (Some(last), _) if is_below => {
                    if now_ns >= *last + CALM_AFTER {
                        tests.iter_mut().for_each(Test::restart);
                        *above_ns = None;
                    }
                }
                (Some(last), _) => *last = now_ns,
                (None, None) => {}
            }
            match class {
                Class::Datagrams => unheld.datagrams = !is_below,
                Class::Unasked => unheld.unasked = !is_below,
                Class::Others => unheld.others = !is_below,
                _ => {}
            }
        }
        let any = self.classes.iter().any(|class| class.above_ns.is_some());
        let held = self.is_on && self.signed.window(SECOND) > HOLDS;
        let began = begins.filter(|_| !self.is_on);
        self.is_on = any || held;
        let level = if self.is_on {
            Level::Alarm
        } else if self.completed.window(SECOND) > most {
            Level::Watch
        } else {
            Level::Calm
        };
        let is_above =
            |class| self.classes.iter().any(|tests| tests.class == class && tests.above_ns.is_some());
        let [fruitless, returning, names] = [Class::Fruitless, Class::Returning, Class::Names].map(is_above);
        let unheld = if self.is_on { unheld } else { Unheld::default() };
        Finding { level, begins: began, unheld, fruitless, returning, names }
    }

    /// Takes what came in the last ten seconds as usual.
    pub(super) fn accept(&mut self) {
        for Tests { tests, above_ns, .. } in &mut self.classes {
            for test in tests.iter_mut() {
                let lately = test.lately();
                test.busiest.accept(lately);
                test.restart();
            }
            *above_ns = None;
        }
        self.is_on = false;
    }

    /// What of each class came in the last ten seconds, a second, added up: whether an attack still grows.
    pub(super) fn lately(&self) -> f64 {
        self.classes.iter().filter_map(|class| class.tests.last()).map(Test::lately).sum()
    }

    /// What is to be kept.
    pub(super) fn usual(&self) -> Usual {
        let busiest = |tests: &Tests| (tests.class, tests.tests.iter().map(|test| test.busiest).collect());
        Usual {
            busiest: self.classes.iter().map(busiest).collect(),
            completed: self.completed_busiest,
            proven: self.proven.clone(),
        }
    }

    /// Takes up what was kept.
    pub(super) fn of(usual: Usual) -> Self {
        let mut alarm = Self { completed_busiest: usual.completed, proven: usual.proven, ..Self::default() };
        for (class, busiest) in usual.busiest {
            let Some(tests) = alarm.classes.iter_mut().find(|tests| tests.class == class) else { continue };
            for (test, busiest) in tests.tests.iter_mut().zip(busiest) {
                test.busiest = busiest;
            }
        }
        alarm
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::wire::Unproven;

    use super::*;
    use crate::moment::TICK;

    /// A service, and what comes for it.
    #[derive(Default)]
    struct Scene {
        alarm: Alarm,
        now_ns: u64,
        left: [f64; 4],
        begun: Vec<(u64, Class)>,
    }

    /// What comes a second.
    #[derive(Clone, Copy, Default)]
    struct Rates {
        openings: f64,
        completed: f64,
        proven: f64,
        unasked: f64,
    }

    impl Scene {
        fn pass(&mut self, seconds: f64, rates: Rates) -> Level {
            let mut level = Level::Calm;
            for _ in 0..(seconds * PER_SECOND) as usize {
                let rates = [rates.openings, rates.completed, rates.proven, rates.unasked];
                let whole = std::array::from_fn::<u64, 4, _>(|place| {
                    self.left[place] += rates[place] / PER_SECOND;
                    let whole = self.left[place].floor();
                    self.left[place] -= whole;
                    whole as u64
                });
                let [openings, completed, proven, unasked] = whole;
                let each = [0, 0, unasked, 0];
                let came = UnprovenTotals {
                    openings,
                    completed,
                    sources: each,
                    capped: each,
                    packets: each,
                    ..UnprovenTotals::default()
                };
                self.now_ns += TICK;
                let finding = self.alarm.take(&came, Returning::default(), proven, self.now_ns);
                self.begun.extend(finding.begins.map(|cause| (self.now_ns, cause.class)));
                level = finding.level;
            }
            level
        }
    }

    #[test]
    fn that_all_datagrams_are_of_unknown_sources_says_nothing_at_first() {
        let place = Class::Datagrams.place().expect("they are counted");
        let begins = |from: usize, ticks: usize| {
            let mut alarm = Alarm::default();
            (0..ticks).find(|tick| {
                let mut came = UnprovenTotals::default();
                if *tick >= from {
                    (came.sources[place], came.capped[place], came.packets[place]) = (1, 10, 400);
                }
                alarm.take(&came, Returning::default(), 0, *tick as u64 * TICK).begins.is_some()
            })
        };
        assert_eq!(begins(0, 50), None, "8,000/s of players who were there before, and are known soon");
        assert!(begins(0, 200).is_some_and(|tick| (60..90).contains(&tick)), "and who are not, are a flood");
        assert!(begins(100, 200).is_some_and(|tick| tick < 125), "later, it is one at once");
    }

    #[test]
    fn a_crowd_that_goes_on_is_no_flood() {
        let place = Class::Datagrams.place().expect("they are counted");
        // So many sources/s; those that go on are known after two seconds, and are counted in three of the clock.
        let begins = |a_second: u64, goes_on: bool| {
            let mut alarm = Alarm::default();
            (0..600).any(|tick| {
                let mut came = UnprovenTotals::default();
                let seconds = if goes_on { 3.min((tick / SECOND) as u64 + 1) } else { 1 };
                if tick % SECOND < 10 {
                    let sources = a_second * seconds / 10;
                    (came.sources[place], came.capped[place], came.packets[place]) =
                        (sources, sources, sources);
                    came.acquainted[place] = if goes_on && seconds == 3 { a_second / 10 } else { 0 };
                }
                alarm.take(&came, Returning::default(), 0, tick as u64 * TICK).begins.is_some()
            })
        };
        assert!(!begins(240, true), "players");
        assert!(!begins(240, false), "a name server's clients, who come once");
        assert!(begins(500, false), "that is none of a small host, if nobody is answered");
        assert!(begins(5_000, true), "who forges each address more than once cannot hide behind that");
    }

    #[test]
    fn datagrams_that_are_answered_are_no_flood_as_long_as_they_are_not_very_many() {
        let place = Class::Datagrams.place().expect("they are counted");
        // So many sources/s that ask once, of which so many are answered, two ticks later.
        let begins = |asking: u64, answered: u64| {
            let mut alarm = Alarm::default();
            (0..600).any(|tick| {
                let mut came = UnprovenTotals::default();
                let asking = asking / SECOND as u64;
                (came.sources[place], came.capped[place], came.packets[place]) = (asking, asking, asking);
                came.answered = if tick < 2 { 0 } else { answered / SECOND as u64 };
                alarm.take(&came, Returning::default(), 0, tick as u64 * TICK).begins.is_some()
            })
        };
        assert!(!begins(1_300, 1_300), "clients of a time server");
        assert!(begins(1_300, 0) && begins(1_300, 600), "who is not answered may be forged");
        assert!(begins(2_000, 2_000), "and so may be very many whom the service answers");
    }

    #[test]
    fn clients_who_ask_at_the_same_moment_are_excused_as_if_they_came_one_after_the_other() {
        let place = Class::Datagrams.place().expect("they are counted");
        // At the beginning of each minute, as jobs do, of which so many are answered.
        let begins = |asking: u64, answered: u64| {
            let mut alarm = Alarm::default();
            (100..4_000).any(|tick| {
                let mut came = UnprovenTotals::default();
                if tick % (60 * SECOND) == 0 {
                    (came.sources[place], came.capped[place], came.packets[place]) = (asking, asking, asking);
                    came.answered = answered;
                }
                alarm.take(&came, Returning::default(), 0, tick as u64 * TICK).begins.is_some()
            })
        };
        assert!(!begins(1_000, 1_000));
        assert!(begins(1_000, 0) && begins(2_000, 2_000));
    }

    #[test]
    fn streams_of_few_sources_that_are_not_known_yet_are_no_flood() {
        for class in [Class::Datagrams, Class::Others, Class::Unasked] {
            let place = class.place().expect("they are counted");
            // So many sources that send so many packets/s each.
            let begins = |sources: u64, each: u64| {
                let mut alarm = Alarm::default();
                (0..200).any(|tick| {
                    let mut came = UnprovenTotals::default();
                    if tick >= 100 {
                        let first = u64::from(tick % SECOND == 0);
                        came.sources[place] = sources * first;
                        came.capped[place] = sources * Unproven::CAP.min(each) * first;
                        came.packets[place] = sources * each / SECOND as u64;
                    }
                    alarm.take(&came, Returning::default(), 0, tick as u64 * TICK).begins.is_some()
                })
            };
            assert_eq!(begins(1, 8_000), class == Class::Unasked, "{class:?}: a tunnel");
            assert_eq!(begins(3, 2_500), class == Class::Unasked, "{class:?}: uploads");
            assert!(begins(1, 20_000), "{class:?}: as much as anybody may send by default");
            assert!(begins(20, 500), "{class:?}: of some that each send as much as a player never does");
        }
    }

    #[test]
    fn many_new_names_are_an_alarm_once_the_usual_ones_are_known() {
        let mut alarm = Alarm::default();
        let mut pass = |seconds: u64, a_second: u64| {
            let ticks = (0..seconds * SECOND as u64).map(|_| {
                let came = UnprovenTotals { names: a_second / SECOND as u64, ..UnprovenTotals::default() };
                alarm.take(&came, Returning::default(), 0, TICK)
            });
            ticks.fold((0, false), |(begun, _), finding| {
                (begun + usize::from(finding.begins.is_some()), finding.names)
            })
        };
        assert_eq!(pass(29, 2_000), (0, false), "at first, all are new");
        assert_eq!(pass(60, 40), (0, false));
        let (begun, limits) = pass(5, 2_000);
        assert!(begun == 1 && limits);
    }

    #[test]
    fn new_names_that_exist_are_no_flood_and_names_that_do_not_are_one_beside_them() {
        // So many new names/s, for which an answer names something and does not, which comes three ticks later.
        let begins = |existing: u64, others: u64| {
            let mut alarm = Alarm::default();
            let finding = (0..60 * SECOND as u64).find_map(|tick| {
                let came = UnprovenTotals {
                    names: (existing + others) / SECOND as u64,
                    existing_names: if tick < 3 { 0 } else { existing / SECOND as u64 },
                    ..UnprovenTotals::default()
                };
                alarm.take(&came, Returning::default(), 0, tick * TICK).begins
            });
            finding.map(|cause| cause.class)
        };
        assert_eq!(begins(300, 0), None);
        assert_eq!(begins(2_000, 600), None, "a resolver whose users mistype, and whose programs probe");
        assert_eq!(begins(0, 300), Some(Class::Names), "where nothing is answered, or not seen to be");
        assert_eq!(begins(300, 700), Some(Class::Names));
        assert_eq!(begins(8_000, 0), Some(Class::Names), "a zone in which there is each name hides no flood");
    }

    #[test]
    fn connections_of_sources_that_return_are_an_alarm_if_they_or_their_sources_are_many() {
        let begins = |sources: u64, requests: u64| {
            let mut alarm = Alarm::default();
            // A second's worth in a tick of each second, as a source counts once in it.
            let finding = (0..60 * SECOND as u64).find_map(|tick| {
                let is_due = tick % SECOND as u64 == 0;
                let returning = if is_due { Returning { sources, requests } } else { Returning::default() };
                alarm.take(&UnprovenTotals::default(), returning, 0, tick * TICK).begins
            });
            finding.map(|cause| cause.class)
        };
        assert_eq!(begins(60, 90), None);
        assert_eq!(begins(80, 80), Some(Class::Returning));
        assert_eq!(begins(1, 150), Some(Class::Returning), "few sources that ask for very many");
    }

    #[test]
    fn proven_packets_raise_no_alarm_however_many() {
        let mut scene = Scene::default();
        scene.pass(30.0, Rates { proven: 300.0, ..Rates::default() });
        assert_eq!(scene.pass(60.0, Rates { proven: 1e6, ..Rates::default() }), Level::Calm);
    }

    #[test]
    fn a_crowd_is_watched_and_a_flood_of_requests_is_an_alarm() {
        let mut scene = Scene::default();
        let calm = Rates { openings: 20.0, completed: 19.5, proven: 300.0, unasked: 0.0 };
        assert_eq!(scene.pass(30.0, calm), Level::Calm);
        let crowd = Rates { openings: 400.0, completed: 390.0, ..calm };
        assert_eq!(scene.pass(30.0, crowd), Level::Watch);
        assert_eq!(scene.begun, []);
        scene.pass(20.0, calm);
        let before = scene.now_ns;
        assert_eq!(scene.pass(1.0, Rates { openings: 3_000.0, ..calm }), Level::Alarm);
        let [(at, class)] = scene.begun[..] else { panic!("{:?}", scene.begun) };
        assert_eq!(class, Class::Openings);
        assert!(at - before <= 3 * TICK, "{} ns", at - before);
    }

    #[test]
    fn an_alarm_ends_five_seconds_after_what_raised_it_and_comes_back_at_once() {
        let mut scene = Scene::default();
        let calm = Rates { openings: 20.0, completed: 19.5, proven: 300.0, unasked: 0.0 };
        let flood = Rates { unasked: 8_000.0, ..calm };
        for wave in 1..=3 {
            assert_eq!(scene.pass(0.2, flood), Level::Alarm);
            scene.pass(20.0, flood);
            assert_eq!(scene.pass(4.9, calm), Level::Alarm);
            assert_eq!(scene.pass(1.5, calm), Level::Calm);
            assert_eq!(scene.begun.len(), wave);
        }
    }

    #[test]
    fn what_was_usual_outlives_a_restart() {
        let mut scene = Scene::default();
        let busy = Rates { openings: 20.0, completed: 19.5, proven: 8_000.0, unasked: 30.0 };
        scene.pass(1_300.0, busy);
        assert_eq!(scene.begun, []);
        let text = serde_json::to_string(&scene.alarm.usual()).expect("it is written");
        let alarm = Alarm::of(serde_json::from_str(&text).expect("it is read"));
        let mut next = Scene { alarm, ..Scene::default() };
        assert_eq!(next.pass(30.0, Rates { unasked: 280.0, ..busy }), Level::Calm);
        assert_eq!(
            Scene::default().pass(30.0, Rates { unasked: 280.0, ..busy }),
            Level::Alarm,
            "where nothing is known"
        );
    }

    #[test]
    fn what_is_accepted_is_usual() {
        let mut scene = Scene::default();
        let rates = Rates { proven: 300.0, unasked: 500.0, ..Rates::default() };
        assert_eq!(scene.pass(10.0, rates), Level::Alarm);
        scene.alarm.accept();
        assert_eq!(scene.pass(60.0, rates), Level::Calm);
    }
}
