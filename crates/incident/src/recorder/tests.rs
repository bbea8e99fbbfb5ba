use std::collections::BTreeMap;

use super::*;
use crate::input::{Excess, ReasonCounts, ServiceCounts};

const START: u64 = 1_796_000_000_000;

/// A host whose counters are looked at each second.
struct Host {
    recorder: Recorder,
    now_ms: u64,
    clean: u64,
    dropped: u64,
    events: Vec<(IncidentEvent, u64)>,
    seconds: Vec<(u64, IncidentSecond)>,
    last: Option<StoredIncident>,
}

impl Host {
    fn new() -> Self {
        Self {
            recorder: Recorder::new(1, Vec::new(), START),
            now_ms: START,
            clean: 0,
            dropped: 0,
            events: Vec::new(),
            seconds: Vec::new(),
            last: None,
        }
    }

    fn run(&mut self, seconds: u64, clean: u64, dropped: u64) {
        for _ in 0..seconds {
            self.now_ms += 1_000;
            self.clean += clean;
            self.dropped += dropped;
            let counted = |packets, drops| ReasonCounts { packets, bytes: packets * 100, drops };
            let of_web =
                ServiceCounts { packets: self.clean + self.dropped, bytes: 0, dropped: self.dropped };
            self.recorder.snapshot(&Snapshot {
                time_ms: self.now_ms,
                reasons: BTreeMap::from([
                    ("clean", counted(self.clean, false)),
                    ("signature", counted(self.dropped, true)),
                ]),
                services: BTreeMap::from([("web".to_owned(), of_web)]),
                ..Snapshot::default()
            });
            let Changes { incidents, seconds, events, .. } = self.recorder.take_changes();
            self.seconds.extend(seconds);
            self.events.extend(events.into_iter().map(|(event, incident)| (event, incident.id)));
            self.last = incidents.into_iter().last().or(self.last.take());
        }
    }

    fn began(&mut self) {
        let (service, text) = ("web".to_owned(), "attack on web".to_owned());
        self.recorder
            .record(self.now_ms, Occurrence::AttackBegan { service, excess: Excess::Openings, text });
    }

    fn ended(&mut self) {
        let (service, text) = ("web".to_owned(), "attack on web over".to_owned());
        self.recorder.record(self.now_ms, Occurrence::AttackEnded { service, text });
    }

    fn found(&mut self, stage: Stage) {
        let signature = Some("tcp to web flags=syn window=0".to_owned());
        self.recorder
            .record(self.now_ms, Occurrence::Signature { signature, stage, text: "signature 1".into() });
    }

    fn last(&self) -> &Incident {
        &self.last.as_ref().expect("there is one").incident
    }
}

#[test]
fn peace_and_a_rush_of_customers_make_none() {
    let mut host = Host::new();
    host.run(60, 100, 0);
    host.run(60, 50_000, 3);
    host.found(Stage::Found);
    host.run(60, 100, 0);
    assert!(host.recorder.open().is_none() && host.last.is_none() && host.seconds.is_empty());
}

#[test]
fn waves_within_ten_minutes_are_one_incident_which_ends_once() {
    let mut host = Host::new();
    host.run(40, 100, 0);
    host.began();
    host.run(2, 8_000, 0);
    assert_eq!(host.last().phase, IncidentPhase::Investigating);
    host.found(Stage::Drops);
    host.run(20, 100, 9_000);
    assert_eq!(host.last().phase, IncidentPhase::Monitoring);
    host.ended();
    host.run(300, 100, 0);
    host.began();
    host.run(10, 100, 20_000);
    host.ended();
    host.run(599, 100, 0);
    assert!(host.recorder.open().is_some());
    host.run(3, 100, 0);
    assert!(host.recorder.open().is_none());
    let incident = host.last().clone();
    assert_eq!((incident.id, incident.waves.len(), incident.phase), (1, 2, IncidentPhase::Resolved));
    assert_eq!(incident.ended_ms, incident.waves[1].ended_ms);
    assert_eq!((incident.waves[0].peak_dropped, incident.waves[1].peak_dropped), (9_000, 20_000));
    let traffic = &incident.traffic;
    assert_eq!((traffic.seconds, traffic.dropped), (32, 20 * 9_000 + 10 * 20_000));
    assert_eq!(traffic.packets, 2 * 8_000 + 20 * 9_100 + 10 * 20_100);
    assert_eq!(traffic.before, Some(100.0));
    assert_eq!((incident.services[0].packets, incident.services[0].attacked), (traffic.packets, false));
    assert_eq!(incident.vectors[0].words, "SYN flood");
    assert_eq!(incident.severity, IncidentSeverity::Warning);
    let told: Vec<_> = host.events.iter().map(|(event, _)| *event).collect();
    assert_eq!((told.first(), told.last()), (Some(&IncidentEvent::Began), Some(&IncidentEvent::Ended)));
    let count = |what| told.iter().filter(|event| **event == what).count();
    assert_eq!(
        (count(IncidentEvent::Began), count(IncidentEvent::Ended), count(IncidentEvent::NeedsHuman)),
        (1, 1, 0)
    );
    // Half a minute before, both waves, a minute after each, and no second twice.
    let mut times: Vec<_> = host.seconds.iter().map(|(_, second)| second.time).collect();
    assert!((30 + 32 + 120..=30 + 32 + 124).contains(&times.len()), "{}", times.len());
    times.dedup();
    assert!(times.is_sorted() && times.len() == host.seconds.len());

    // What comes later is another incident.
    host.began();
    host.run(1, 8_000, 0);
    assert_eq!((host.last().id, host.last().waves.len()), (2, 1));
}

#[test]
fn what_nothing_can_be_found_against_needs_a_human() {
    let mut host = Host::new();
    host.run(5, 100, 0);
    host.began();
    host.run(1, 8_000, 0);
    host.recorder.record(host.now_ms, Occurrence::NothingFound { text: "no pattern found".into() });
    host.run(8, 8_000, 0);
    let incident = host.last();
    assert_eq!(incident.severity, IncidentSeverity::Critical);
    assert!(incident.warnings[0].contains("Nothing was found"), "{:?}", incident.warnings);
    assert!(host.events.contains(&(IncidentEvent::NeedsHuman, 1)));
    host.found(Stage::Drops);
    host.run(8, 100, 8_000);
    assert_eq!(host.last().warnings, Vec::<String>::new(), "it is dropped now");
    assert_eq!(host.last().phase, IncidentPhase::Monitoring);
}

#[test]
fn a_link_that_is_full_is_told_and_that_nothing_here_can_help() {
    let mut host = Host::new();
    host.run(1, 100, 0);
    host.began();
    let full_links = vec!["eth0: 98 % of 1 Gbit/s".to_owned()];
    let snapshot = |time_ms| Snapshot { time_ms, full_links: full_links.clone(), ..Snapshot::default() };
    (1..4).for_each(|second| host.recorder.snapshot(&snapshot(host.now_ms + second * 1_000)));
    let incident = host.recorder.open().unwrap();
    assert!(incident.warnings[0].contains("Nothing on this host can help"), "{:?}", incident.warnings);
    assert_eq!(incident.severity, IncidentSeverity::Critical);
    assert_eq!(incident.timeline.iter().filter(|line| line.kind == "health").count(), 1, "told once");
}

#[test]
fn an_incident_that_lasts_is_told_twice_as_late_each_time() {
    let mut host = Host::new();
    host.run(1, 100, 0);
    host.began();
    host.run(5_000, 100, 9_000);
    let goes_on = host.events.iter().filter(|(event, _)| *event == IncidentEvent::GoesOn).count();
    assert_eq!(goes_on, 4, "after 10, 20, 40 and 80 minutes");
}

#[test]
fn a_kill_in_its_midst_makes_no_wave_and_one_that_stays_away_ends_it() {
    let mut host = Host::new();
    host.run(5, 100, 0);
    host.began();
    host.run(20, 100, 9_000);
    let kept = host.last.clone().unwrap();
    let seen = kept.incident.seen_ms;
    let resumed = |later: u64| Recorder::new(2, vec![kept.clone()], host.now_ms + later);

    let mut again = Host { recorder: resumed(3_000), now_ms: host.now_ms + 3_000, ..Host::new() };
    again.run(5, 100, 9_000);
    again.began();
    again.run(5, 100, 9_000);
    let incident = again.last();
    assert_eq!((incident.id, incident.waves.len(), incident.is_attacked()), (1, 1, true));
    assert!(incident.traffic.dropped > kept.incident.traffic.dropped);
    assert!(again.events.iter().all(|(event, _)| *event != IncidentEvent::Began), "{:?}", again.events);

    let mut quiet = Host { recorder: resumed(3_000), now_ms: host.now_ms + 3_000, ..Host::new() };
    quiet.run(130, 100, 0);
    let incident = quiet.last();
    assert_eq!(incident.waves[0].ended_ms, Some(seen), "all that is known of its end");
    assert_eq!(incident.phase, IncidentPhase::Monitoring);

    // What was found before the kill drops on, and nobody notices the attack anew.
    let mut dropped = Host { recorder: resumed(3_000), now_ms: host.now_ms + 3_000, ..Host::new() };
    dropped.run(400, 100, 9_000);
    let until = dropped.now_ms;
    assert!(dropped.last().is_attacked());
    dropped.run(40, 100, 0);
    assert_eq!(dropped.last().waves[0].ended_ms, Some(until), "when it was seen last");

    let mut late = resumed(3_600_000);
    assert!(late.open().is_none());
    let changes = late.take_changes();
    assert_eq!(changes.incidents[0].incident.ended_ms, Some(seen));
    assert_eq!(changes.events[0].0, IncidentEvent::Ended);
}

#[test]
fn an_attack_that_moves_on_is_the_same_incident() {
    let mut host = Host::new();
    host.run(5, 100, 0);
    host.began();
    host.run(5, 100, 9_000);
    let (service, text) = ("dns".to_owned(), "attack on dns".to_owned());
    host.recorder.record(host.now_ms, Occurrence::AttackBegan { service, excess: Excess::Names, text });
    host.run(2, 100, 9_000);
    host.ended();
    host.run(2, 100, 9_000);
    let incident = host.last();
    assert_eq!((incident.waves.len(), incident.is_attacked()), (1, true));
    let attacked: Vec<_> = incident.services.iter().map(|one| (one.service.as_str(), one.attacked)).collect();
    assert_eq!(attacked, [("web", false), ("dns", true)]);
}

#[test]
fn many_bans_and_many_lines_take_little_room() {
    let mut host = Host::new();
    host.run(1, 100, 0);
    host.began();
    for ban in 0..5_000 {
        host.recorder
            .record(host.now_ms + ban, Occurrence::Bans { bans: 3, text: "banned 3: a, b, c".into() });
    }
    let incident = host.recorder.open().unwrap().clone();
    let bans: Vec<_> = incident.timeline.iter().filter(|line| line.kind == "ban").collect();
    assert_eq!((bans.len(), bans[0].count), (1, 15_000));
    assert_eq!(bans[0].text, "banned 15,000 sources or prefixes");
    for _ in 0..3_000 {
        let told = Occurrence::Command { who: "root (bash, pid 7)".into(), text: "block add".into() };
        host.recorder.record(host.now_ms, told);
    }
    let incident = host.recorder.open().unwrap();
    assert_eq!((incident.timeline.len(), incident.left_out), (1_000, 2_002));
}
