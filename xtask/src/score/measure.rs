//! The arithmetic: shares of packets judged rightly, and how soon.

use std::collections::HashMap;

use serde::Serialize;

use super::kind;
use super::scenario::{Label, Scenario};

/// Packets of the attack's start that are looked at on their own.
const FIRST: usize = 1_000;
/// The attack's start, in which nothing is expected yet, seconds.
const GRACE: f64 = 3.0;
/// A span of a second in which this share of the attack is dropped counts as stopped, if the attack has so many
/// packets in it; such spans are looked at every twentieth of a second.
const STOPPED: f64 = 0.95;
const ENOUGH: usize = 20;
const STEP: f64 = 0.05;

/// What became of a packet.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) dropped: bool,
    pub(super) reason: String,
}

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
    pub(super) legit_passed: Option<f64>,
    pub(super) legit_passed_before: Option<f64>,
    pub(super) legit_passed_during: Option<f64>,
    pub(super) legit_passed_after: Option<f64>,
    pub(super) scan_dropped: Option<f64>,
    /// The commonest kinds of packets that were judged wrongly, if asked for.
    pub(super) legit_dropped_kinds: Vec<(String, u64)>,
    pub(super) attack_passed_kinds: Vec<(String, u64)>,
}

/// Holds verdicts against the truth. A packet without one has passed.
pub(super) fn score(scenario: &Scenario, verdicts: &[Option<Verdict>], why: usize) -> Score {
    let of = |label| {
        let packets = scenario.labels.iter().enumerate().filter(move |(_, found)| **found == label);
        packets.map(|(packet, _)| packet).collect::<Vec<_>>()
    };
    let (attack, legit, scan) = (of(Label::Attack), of(Label::Legit), of(Label::Scan));
    let times = &scenario.times;
    let (start, end) = scenario.span();
    let dropped = |packet: usize| verdicts[packet].as_ref().is_some_and(|verdict| verdict.dropped);
    let reason = |packet: usize| verdicts[packet].as_ref().map_or("", |verdict| verdict.reason.as_str());
    let among = |packets: &[usize], from: f64, until: f64, drop: bool| {
        let chosen = packets.iter().filter(|&&packet| times[packet] >= from && times[packet] < until);
        share(chosen.map(|&packet| dropped(packet) == drop))
    };
    let always = f64::INFINITY;
    let first = &attack[..attack.len().min(FIRST)];
    Score {
        scenario: scenario.name.clone(),
        attack_packets: attack.len(),
        legit_packets: legit.len(),
        verdicts: verdicts.iter().flatten().count(),
        attack_dropped: among(&attack, -always, always, true),
        attack_dropped_after_3s: among(&attack, start + GRACE, always, true),
        attack_dropped_first_1000: among(first, -always, always, true),
        t95_seconds: stopped_after(&attack, times, dropped, start),
        attack_dropped_by_window: scenario
            .windows
            .iter()
            .map(|&(from, until)| among(&attack, from, until, true))
            .collect(),
        legit_passed: among(&legit, -always, always, false),
        legit_passed_before: among(&legit, -always, start, false),
        legit_passed_during: among(&legit, start, end, false),
        legit_passed_after: among(&legit, end, always, false),
        scan_dropped: among(&scan, -always, always, true),
        legit_dropped_kinds: commonest(
            legit
                .iter()
                .filter(|&&packet| dropped(packet))
                .map(|&packet| format!("{} ({})", kind::of(&scenario.heads[packet]), reason(packet))),
            why,
        ),
        attack_passed_kinds: commonest(
            attack
                .iter()
                .filter(|&&packet| !dropped(packet))
                .map(|&packet| kind::of(&scenario.heads[packet])),
            why,
        ),
    }
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
                let verdict = Verdict { dropped: drop(*time, *label), reason: "why".to_owned() };
                (!late || verdict.dropped).then_some(verdict)
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
}
