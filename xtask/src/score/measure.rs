//! The arithmetic: shares of packets judged rightly, and how soon.

use std::collections::HashMap;

use serde::Serialize;

use super::scenario::{Label, Scenario};
use super::verdicts::{Fate, Verdict};
use super::{kind, newcomers, segment};

/// Packets of the attack's start that are looked at on their own.
const FIRST: usize = 1_000;
/// The attack's start, in which nothing is expected yet, seconds.
const GRACE: f64 = 3.0;
/// A span of a second in which this share of the attack is dropped counts as stopped, if the attack has so many
/// packets in it; such spans are looked at every twentieth of a second.
const STOPPED: f64 = 0.95;
const ENOUGH: usize = 20;
const STEP: f64 = 0.05;

/// Shares are of packets, in per cent; `None` where there are none to have a share of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Score {
    pub(super) scenario: String,
    pub(super) attack_packets: usize,
    pub(super) legit_packets: usize,
    pub(super) verdicts: usize,
    pub(super) attack_dropped: Option<f64>,
    pub(super) attack_dropped_after_3s: Option<f64>,
    pub(super) attack_dropped_first_1000: Option<f64>,
    /// Seconds from the start of the attack until most of it is dropped; `None`: never.
    pub(super) t95_seconds: Option<f64>,
    pub(super) attack_dropped_by_window: Vec<Option<f64>>,
    /// Those that are to be repeated are among them.
    pub(super) legit_passed: Option<f64>,
    /// Customers' packets that are to be repeated.
    pub(super) legit_delayed: Option<f64>,
    pub(super) legit_passed_before: Option<f64>,
    pub(super) legit_passed_during: Option<f64>,
    pub(super) legit_passed_after: Option<f64>,
    pub(super) scan_dropped: Option<f64>,
    /// Customers' connections that were begun during the attack, and the share of them whose every request was dropped.
    pub(super) newcomers: usize,
    pub(super) newcomers_refused: Option<f64>,
    /// Customers first seen then, and the share of them whose every packet was.
    pub(super) new_sources: usize,
    pub(super) new_sources_lost: Option<f64>,
    /// The commonest kinds of packets that were judged wrongly, if asked for.
    pub(super) legit_dropped_kinds: Vec<(String, u64)>,
    pub(super) attack_passed_kinds: Vec<(String, u64)>,
}

/// Holds verdicts against the truth. A packet without one has passed.
///
/// A packet that is to be repeated is one that an attacker has lost, unless the capture shows that he goes on with the
/// connection that it asks for: then he is really there, would have repeated it, and it has passed. A customer has lost
/// some time by it, and no more.
pub(super) fn score(scenario: &Scenario, verdicts: &[Option<Verdict>], why: usize) -> Score {
    let of = |label| {
        let packets = scenario.labels.iter().enumerate().filter(move |(_, found)| **found == label);
        packets.map(|(packet, _)| packet).collect::<Vec<_>>()
    };
    let (attack, legit, scan) = (of(Label::Attack), of(Label::Legit), of(Label::Scan));
    let times = &scenario.times;
    let (start, end) = scenario.span();
    let fates = fates(scenario, &attack, verdicts);
    let stopped = |packet: usize| fates[packet] != Fate::Passed;
    let lost = |packet: usize| fates[packet] == Fate::Dropped;
    let reason = |packet: usize| verdicts[packet].as_ref().map_or("", |verdict| verdict.reason.as_str());
    let among = |packets: &[usize], from: f64, until: f64, is_so: &dyn Fn(usize) -> bool| {
        let chosen = packets.iter().filter(|&&packet| times[packet] >= from && times[packet] < until);
        share(chosen.map(|&packet| is_so(packet)))
    };
    let stopped_among = |packets: &[usize], from, until| among(packets, from, until, &stopped);
    let passed = |from, until| among(&legit, from, until, &|packet| !lost(packet));
    let always = f64::INFINITY;
    let first = &attack[..attack.len().min(FIRST)];
    let newcomers = newcomers::of(scenario, &legit, |packet| fates[packet]);
    Score {
        scenario: scenario.name.clone(),
        attack_packets: attack.len(),
        legit_packets: legit.len(),
        verdicts: verdicts.iter().flatten().count(),
        attack_dropped: stopped_among(&attack, -always, always),
        attack_dropped_after_3s: stopped_among(&attack, start + GRACE, always),
        attack_dropped_first_1000: stopped_among(first, -always, always),
        t95_seconds: stopped_after(&attack, times, stopped, start),
        attack_dropped_by_window: scenario
            .windows
            .iter()
            .map(|&(from, until)| stopped_among(&attack, from, until))
            .collect(),
        legit_passed: passed(-always, always),
        legit_delayed: among(&legit, -always, always, &|packet| fates[packet] == Fate::Repeat),
        legit_passed_before: passed(-always, start),
        legit_passed_during: passed(start, end),
        legit_passed_after: passed(end, always),
        scan_dropped: stopped_among(&scan, -always, always),
        newcomers: newcomers.connections.len(),
        newcomers_refused: share(newcomers.connections.into_values()),
        new_sources: newcomers.sources.len(),
        new_sources_lost: share(newcomers.sources.into_values()),
        legit_dropped_kinds: commonest(
            legit
                .iter()
                .filter(|&&packet| lost(packet))
                .map(|&packet| format!("{} ({})", kind::of(&scenario.heads[packet]), reason(packet))),
            why,
        ),
        attack_passed_kinds: commonest(
            attack
                .iter()
                .filter(|&&packet| !stopped(packet))
                .map(|&packet| kind::of(&scenario.heads[packet])),
            why,
        ),
    }
}

/// What became of each packet in the end: of attackers' requests that are to be repeated, those have passed that the
/// capture goes on with.
fn fates(scenario: &Scenario, attack: &[usize], verdicts: &[Option<Verdict>]) -> Vec<Fate> {
    let mut fates: Vec<_> = verdicts
        .iter()
        .map(|verdict| verdict.as_ref().map_or(Fate::Passed, |verdict| verdict.fate))
        .collect();
    if !fates.contains(&Fate::Repeat) {
        return fates;
    }
    let segment = |packet: usize| segment::of(&scenario.heads[packet]);
    let continued = |&packet: &usize| segment(packet)?.continues.map(|connection| (connection, packet));
    // Of several, the last stays.
    let last: HashMap<_, _> = attack.iter().filter_map(continued).collect();
    for &packet in attack {
        let goes_on = || Some(*last.get(&segment(packet)?.asks?)? > packet);
        if fates[packet] == Fate::Repeat && goes_on() == Some(true) {
            fates[packet] = Fate::Passed;
        }
    }
    fates
}

/// The share that is true, in per cent to three digits.
fn share(judged: impl Iterator<Item = bool>) -> Option<f64> {
    let (right, all) = judged.fold((0_u64, 0_u64), |(right, all), one| (right + u64::from(one), all + 1));
    (all > 0).then(|| (100_000.0 * right as f64 / all as f64).round() / 1_000.0)
}

/// Seconds from the start of the attack until a second of it begins of which most is dropped.
fn stopped_after(
    attack: &[usize],
    times: &[f64],
    dropped: impl Fn(usize) -> bool,
    start: f64,
) -> Option<f64> {
    let at: Vec<f64> = attack.iter().map(|&packet| times[packet]).collect();
    let mut dropped_before = vec![0_usize];
    for &packet in attack {
        dropped_before.push(dropped_before.last().copied().unwrap_or(0) + usize::from(dropped(packet)));
    }
    let last = *at.last()?;
    let mut time = start;
    while time < last {
        let from = at.partition_point(|&moment| moment < time);
        let until = at.partition_point(|&moment| moment < time + 1.0);
        let packets = until - from;
        let stopped = dropped_before[until] - dropped_before[from];
        if packets >= ENOUGH && stopped as f64 >= STOPPED * packets as f64 {
            return Some(((time - start) * 100.0).round() / 100.0);
        }
        time += STEP;
    }
    None
}

/// The commonest names, with how often they occur; of equally common ones, the first to occur.
fn commonest(names: impl Iterator<Item = String>, most: usize) -> Vec<(String, u64)> {
    if most == 0 {
        return Vec::new();
    }
    let mut counted: HashMap<String, (u64, usize)> = HashMap::new();
    for name in names {
        let first = counted.len();
        counted.entry(name).or_insert((0, first)).0 += 1;
    }
    let mut sorted: Vec<_> = counted.into_iter().collect();
    sorted.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
    sorted.into_iter().take(most).map(|(name, (count, _))| (name, count)).collect()
}

#[cfg(test)]
mod tests {
    use floodwall_lab::frame::Frame;

    use super::*;

    /// A customer and an attacker, in turn, each 50 times a second from second 0 to 9.99; the attack is on from 2
    /// to 8.
    fn scenario() -> Scenario {
        let packets = 0..1_000;
        let times: Vec<f64> = packets.clone().map(|packet| f64::from(packet) / 100.0).collect();
        let labels = times.iter().zip(packets).map(|(time, packet)| {
            if (2.0..8.0).contains(time) && packet % 2 == 1 { Label::Attack } else { Label::Legit }
        });
        Scenario {
            name: "s".to_owned(),
            windows: vec![(2.0, 8.0)],
            surge: None,
            offered: Vec::new(),
            labels: labels.collect(),
            heads: vec![Box::default(); times.len()],
            times,
        }
    }

    fn judged(scenario: &Scenario, drop: impl Fn(f64, Label) -> bool) -> Score {
        let verdicts: Vec<_> = scenario
            .times
            .iter()
            .zip(&scenario.labels)
            .map(|(time, label)| {
                let late = *time >= 9.99 && *label == Label::Legit;
                let drop = drop(*time, *label);
                let fate = if drop { Fate::Dropped } else { Fate::Passed };
                (!late || drop).then_some(Verdict { fate, reason: "why".to_owned() })
            })
            .collect();
        score(scenario, &verdicts, 3)
    }

    #[test]
    fn both_ends_of_the_scale() {
        let scenario = scenario();
        let nothing = judged(&scenario, |_, _| false);
        assert_eq!((nothing.attack_dropped, nothing.legit_passed), (Some(0.0), Some(100.0)));
        assert_eq!((nothing.t95_seconds, nothing.scan_dropped), (None, None));
        assert_eq!(nothing.verdicts, 999, "the last packet has none, and passes");
        let truth = judged(&scenario, |_, label| label == Label::Attack);
        assert_eq!((truth.attack_dropped, truth.legit_passed), (Some(100.0), Some(100.0)));
        assert_eq!((truth.t95_seconds, truth.attack_packets), (Some(0.0), 300));
        let all = judged(&scenario, |_, _| true);
        assert_eq!((all.attack_dropped, all.legit_passed), (Some(100.0), Some(0.0)));
    }

    #[test]
    fn a_late_filter_that_overdoes_it() {
        let scenario = scenario();
        let score = judged(&scenario, |time, label| match label {
            Label::Attack => time >= 4.0,
            _ => time >= 9.0,
        });
        assert_eq!(score.attack_dropped, Some(66.667));
        assert_eq!(score.attack_dropped_after_3s, Some(100.0));
        assert_eq!(score.t95_seconds, Some(2.0));
        assert_eq!((score.legit_passed_before, score.legit_passed_during), (Some(100.0), Some(100.0)));
        assert_eq!(score.legit_passed_after, Some(50.0));
        assert_eq!(score.legit_dropped_kinds, [("empty (why)".to_owned(), 100)]);
    }
    /// Packets a second apart from second 1 on, all within the attack.
    fn repeated(packets: &[(Label, Vec<u8>)], fate: Fate) -> Score {
        let verdict = Verdict { fate, reason: "why".to_owned() };
        let scenario = Scenario {
            name: "s".to_owned(),
            windows: vec![(0.0, 100.0)],
            surge: None,
            offered: vec![443],
            times: (1..=packets.len()).map(|second| second as f64).collect(),
            heads: packets.iter().map(|(_, head)| head.clone().into_boxed_slice()).collect(),
            labels: packets.iter().map(|(label, _)| *label).collect(),
        };
        // Only requests are to be repeated.
        let verdicts = packets.iter().map(|(_, head)| {
            let asks = segment::of(head).is_some_and(|segment| segment.asks.is_some());
            asks.then(|| verdict.clone())
        });
        score(&scenario, &verdicts.collect::<Vec<_>>(), 5)
    }

    #[test]
    fn a_request_that_is_to_be_repeated_stops_whoever_does_not_go_on() {
        use Label::{Attack, Legit};
        let tcp = |source: u8| Frame::ipv4([198, 51, 100, source], "192.0.2.10").tcp(40_000, 443);
        let (syn, ack) = (|source| tcp(source).syn().build(), |source| tcp(source).ack().build());
        let packets = [
            // Goes on after the second request: both have passed.
            (Attack, syn(1)),
            (Attack, syn(1)),
            (Attack, ack(1)),
            // Does not.
            (Attack, syn(2)),
            // Had gone on only before.
            (Attack, ack(3)),
            (Attack, syn(3)),
            // It is a customer who goes on with this one.
            (Attack, syn(4)),
            (Legit, ack(4)),
            (Legit, syn(5)),
        ];
        let score = repeated(&packets, Fate::Repeat);
        assert_eq!((score.attack_packets, score.attack_dropped), (7, Some(42.857)), "{score:?}");
        assert_eq!((score.legit_passed, score.legit_delayed), (Some(100.0), Some(50.0)));
        assert_eq!((score.newcomers, score.newcomers_refused), (1, Some(0.0)));
        assert_eq!(score.new_sources_lost, Some(0.0));
        assert!(score.legit_dropped_kinds.is_empty());
        assert_eq!(score.attack_passed_kinds[0], ("tcp high->443 flags 0x02".to_owned(), 2));
        // What is dropped is dropped, whoever goes on.
        let score = repeated(&packets, Fate::Dropped);
        assert_eq!((score.attack_dropped, score.legit_passed), (Some(71.429), Some(50.0)));
        assert_eq!((score.legit_delayed, score.newcomers_refused), (Some(0.0), Some(100.0)));
        assert_eq!((score.new_sources, score.new_sources_lost), (2, Some(50.0)));
    }
}
