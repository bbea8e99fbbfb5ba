//! What is recorded of labelled captures, replayed in virtual time: the kind of attack that each was made with, and nothing of
//! peace.

use std::{cell::RefCell, collections::BTreeMap, path::Path, rc::Rc};

use floodwall_capture::Reader;
use floodwall_common::wire::{SAMPLE_BYTES, SampleEvent};
use floodwall_incident::Occurrence;
use floodwall_lab::{or_skip, skip::corpus};

use super::*;
use crate::{
    api::Incident,
    config::Config,
    daemon::detection,
    kernel::Judged,
    replay::{
        capture_context::CaptureContext,
        controller::{Controller, Mark, Tick},
        engine::{Engine as _, ModelEngine},
        host::Host,
        opened_flows::{self, OpenedFlow},
        run::{Observer, Played, Replay},
        watch::Watch,
        world::{Lists, World},
    },
};

const SECOND: u64 = 1_000_000_000;

/// What the record is made of, for whoever judges and whoever watches.
struct Record {
    recorder: Recorder,
    reasons: BTreeMap<&'static str, ReasonCounts>,
    incidents: BTreeMap<u64, Incident>,
}

impl Record {
    fn look(&mut self, time_ms: u64) {
        self.recorder.snapshot(&Snapshot { time_ms, reasons: self.reasons.clone(), ..Snapshot::default() });
        for (_, incident) in self.recorder.take_changes().events {
            self.incidents.insert(incident.id, incident);
        }
    }
}

/// Acts as the daemon does, and records.
struct Recording {
    watch: Watch,
    record: Rc<RefCell<Record>>,
    /// What the clock of packets is behind that of the capture, ns.
    offset: Duration,
    looked: u64,
}

impl Controller for Recording {
    fn tick(&mut self, tick: &Tick<'_>) -> anyhow::Result<Vec<Mark>> {
        self.offset = Duration::from_nanos(tick.unix_ns.saturating_sub(tick.time_ns));
        let marks = self.watch.tick(tick)?;
        let mut record = self.record.borrow_mut();
        let name = |number: u8| tick.world.placement.service(number).map(str::to_owned);
        for event in self.watch.events() {
            let text = event.in_words(&*tick.world.tables, name);
            let named = |number| name(number).unwrap_or_default();
            let what = detection::as_told(event, text, named, ToString::to_string);
            if let Some(told) = occurrence(what) {
                record.recorder.record(tick.unix_ns / 1_000_000, told);
            }
        }
        if tick.unix_ns >= self.looked + SECOND {
            self.looked = tick.unix_ns;
            record.look(tick.unix_ns / 1_000_000);
        }
        Ok(marks)
    }

    fn sampled(
        &mut self,
        time_ns: u64,
        frame: &Captured<'_>,
        judged: &Judged,
        world: &World,
    ) -> anyhow::Result<()> {
        let mut bytes = [0; SAMPLE_BYTES];
        let captured = frame.bytes().len().min(SAMPLE_BYTES);
        bytes[..captured].copy_from_slice(&frame.bytes()[..captured]);
        let event = SampleEvent {
            time_ns,
            length: floodwall_common::frame::Frame::length(frame),
            ifindex: 0,
            reason: judged.reason as u32,
            captured: captured as u16,
            known: judged.known.into(),
            answers: judged.answers.into(),
            bytes,
        };
        let time_ms = (self.offset + Duration::from_nanos(time_ns)).as_millis() as u64;
        if let Some(packet) = sampled(&event, time_ms, &Origins::default()) {
            self.record.borrow_mut().recorder.sample(&packet);
        }
        self.watch.sampled(time_ns, frame, judged, world)
    }

    fn opened(&mut self, time_ns: u64, flow: &OpenedFlow, world: &World) -> anyhow::Result<()> {
        self.watch.opened(time_ns, flow, world)
    }
}

/// Counts packets by reason, as the kernel program does.
struct Counting(Rc<RefCell<Record>>);

impl Observer for Counting {
    fn begins(&mut self, _: usize, _: u64, _: i128) {}

    fn packet(&mut self, played: &Played) -> anyhow::Result<()> {
        if let Played::Judged(seen) = played {
            let reason = seen.judged.reason;
            let mut record = self.0.borrow_mut();
            let counted = record.reasons.entry(reason.name()).or_default();
            counted.packets += 1;
            counted.bytes += u64::from(seen.length);
            counted.drops = reason.verdict() == Verdict::Drop;
        }
        Ok(())
    }

    fn mark(&mut self, _: u64, _: Mark) {}

    fn read(&mut self, _: u64) {}
}

/// The incidents of a scenario, once they are over.
fn recorded(folder: &Path, name: &str) -> anyhow::Result<Vec<Incident>> {
    let file = |ending: &str| folder.join(format!("{name}{ending}"));
    let config = Config::default();
    let beside = CaptureContext {
        hosts: vec![Host::read(&file(".json"))?],
        flows: vec![opened_flows::read(&file(".egress.csv.gz"))?],
    };
    let mut engine = ModelEngine::new(&config.capacity)?;
    let world = World::new(engine.tables(), &config, Lists::default())?;
    world.describe(&config, &beside.hosts[0], beside.tells_flows())?;
    let record = Rc::new(RefCell::new(Record {
        recorder: Recorder::new(1, Vec::new(), 0),
        reasons: BTreeMap::new(),
        incidents: BTreeMap::new(),
    }));
    let mut recording =
        Recording { watch: Watch::new(false), record: Rc::clone(&record), offset: Duration::ZERO, looked: 0 };
    let replay = Replay {
        engine: &mut engine,
        world: &world,
        config: &config,
        controller: &mut recording,
        context: &beside,
    };
    let damages = replay.run(&mut [Reader::open(file(".pcap.gz"))?], &mut Counting(Rc::clone(&record)))?;
    anyhow::ensure!(damages.is_empty(), "{damages:?}");
    let mut record = record.borrow_mut();
    let ended_ms = recording.looked / 1_000_000;
    // Whatever goes on is over long after the last packet.
    for service in world.placement.services.keys() {
        record
            .recorder
            .record(ended_ms, Occurrence::AttackEnded { service: service.clone(), text: "the end".into() });
    }
    (1..=700).for_each(|second| record.look(ended_ms + second * 1_000));
    Ok(std::mem::take(&mut record.incidents).into_values().collect())
}

/// Kinds that a scenario is made of, by their names, as its description says.
const ATTACKS: [(&str, &[&str]); 15] = [
    ("d01-synflood-spoofed", &["syn-flood"]),
    ("d02-snmp-reflection", &["snmp-reflection"]),
    ("d03-isakmp-reflection", &["isakmp-reflection"]),
    ("d04-synack-sameport", &["syn-ack-reflection"]),
    ("d05-ssdp-reflection", &["ssdp-reflection"]),
    ("d06-multi-syn-http", &["syn-flood", "connection-flood"]),
    ("d07-botnet-connect-flood", &["connection-flood"]),
    ("d08-blacknurse-port0", &["icmp-unreachable-flood", "udp-flood"]),
    ("d09-fragment-floods", &["fragment-flood"]),
    ("d10-http-floods-lab", &["connection-flood"]),
    ("d12-ramp-udp-random", &["udp-flood"]),
    ("d13-waves-amplification", &["ntp-reflection", "memcached-reflection"]),
    ("d15-dns-water-torture", &["dns-random-names"]),
    ("d16-http-connection-flood", &["connection-flood"]),
    ("d17-ack-and-syn-flood", &["ack-flood", "syn-flood"]),
];
/// Those in which there is none: a scan, rushes of customers, peace.
const PEACE: [&str; 7] = [
    "d11-scan-nmap",
    "d14-flash-crowd",
    "d26-peace-1",
    "d27-peace-2",
    "d28-peace-3",
    "d29-peace-4",
    "d30-crowd-x8",
];

#[test]
fn the_record_names_what_an_attack_was_made_of() -> anyhow::Result<()> {
    let folder = or_skip!(corpus()).join("scenarios");
    let mut wrong = Vec::new();
    for (name, kinds) in ATTACKS {
        let incidents = recorded(&folder, name)?;
        let [incident] = incidents.as_slice() else {
            wrong.push(format!("{name}: {} incidents", incidents.len()));
            continue;
        };
        let told: Vec<_> = incident.vectors.iter().map(|vector| vector.name.as_str()).collect();
        // Also first of all, for whoever reads no further.
        if kinds.iter().any(|kind| !told.contains(kind))
            || told.first().is_none_or(|first| !kinds.contains(first))
        {
            wrong.push(format!("{name}: {kinds:?} is told as {told:?} ({})", incident.vectors_in_words()));
        }
        let spoofed = name.starts_with("d01") || name.starts_with("d17");
        if spoofed != incident.vectors.iter().any(|vector| vector.spoofed && vector.name == "syn-flood") {
            wrong.push(format!("{name}: {}", incident.vectors_in_words()));
        }
        // In one of them a new source floods by a few connections a second, which nothing drops; nobody else is told to.
        let by_newcomers = incident.vectors_in_words().contains("many connections of one new source");
        if by_newcomers != name.starts_with("d06") {
            wrong.push(format!("{name}: {}", incident.vectors_in_words()));
        }
        if name == "d13-waves-amplification" && incident.waves.len() != 3 {
            wrong.push(format!("{name}: {} waves", incident.waves.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn peace_a_scan_and_rushes_of_customers_make_no_record() -> anyhow::Result<()> {
    let folder = or_skip!(corpus()).join("scenarios");
    for name in PEACE {
        let incidents = recorded(&folder, name)?;
        assert!(incidents.is_empty(), "{name}: {incidents:?}");
    }
    Ok(())
}
