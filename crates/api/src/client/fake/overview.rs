//! An overview of a host under attack, for tests of what is drawn from one.

use std::collections::BTreeMap;

use crate::{
    BypassState, ChallengeStatus, CpuStatus, HealthReport, ImportTraffic, Incident, IncidentHarm,
    IncidentPhase, IncidentPrefix, IncidentSeverity, IncidentSources, IncidentTraffic, IncidentVector,
    IncidentWave, InterfaceStatus, Limit, Limits, LinkStatus, ListStatus, MachineStatus, MemoryUse, Overview,
    ReasonCount, RuleReport, RuleState, ServiceTraffic, SignalReport, SignatureList, SignatureReport,
    SourceTable, Standing, Status, TaskRestarts, Telling, WouldCount,
};

/// When it was looked at, Unix ms.
const NOW_MS: u64 = 1_790_000_000_000;

/// A host under attack, so many seconds into it: each second brings 100,000 packets that are dropped, and 1,000 that pass.
pub fn attacked(seconds: u64) -> Overview {
    let (dropped, passed) = (seconds * 100_000, seconds * 1_000);
    let overview = Overview {
        time_ms: NOW_MS + seconds * 1_000,
        standing: Standing::default(),
        status: status(dropped, passed),
        services: vec![service("default", false, passed / 10, 0), service("web", true, passed, dropped)],
        rules: vec![shared("default"), rule("web"), shared("web")],
        signatures: SignatureList {
            attack: true,
            attacked: vec!["web".to_owned()],
            incident: 1,
            wave: 1,
            baseline: 4_000,
            assumed: false,
            signatures: vec![signature(0, true, dropped), signature(1, false, seconds)],
        },
        incidents: vec![incident(dropped, passed)],
        health: Some(HealthReport {
            signals: vec![probe("web", Some(12)), probe("dns", None)],
            active: vec![],
        }),
        bypass: BypassState::default(),
        bans: 3,
        imports: vec![ImportTraffic { import: "drop".to_owned(), prefixes: 1_500, packets: 77 }],
        sources: SourceTable { capacity: 1_000_000, used: 0.25 },
        telling: Telling {
            drops: seconds * 200,
            drops_untold: dropped - seconds * 200,
            samples: 9,
            bans_lost: 1,
            audit_lost: 0,
        },
        restarts: vec![TaskRestarts { task: "links".to_owned(), restarts: 2 }],
    };
    Overview { standing: overview.judged(), ..overview }
}

fn status(dropped: u64, passed: u64) -> Status {
    let counter = |verdict: &str, reason: &str, packets: u64| ReasonCount {
        reason: reason.to_owned(),
        verdict: verdict.to_owned(),
        packets,
        bytes: packets * 60,
    };
    Status {
        version: "0.1.0".to_owned(),
        pid: 42,
        uptime_seconds: 3_600,
        interfaces: vec![InterfaceStatus {
            name: "eth0".to_owned(),
            other_names: Vec::new(),
            ifindex: 2,
            mode: "native".to_owned(),
            filtered: true,
        }],
        counters: vec![
            counter("pass", "clean", passed),
            counter("drop", "signature", dropped),
            counter("drop", "blocked", 0),
            counter("drop", "out-of-state", 0),
        ],
        challenges: ChallengeStatus { possible: true, sent: 1_200, answered: 40 },
        would_drop: vec![WouldCount {
            reason: "out-of-state".to_owned(),
            known_packets: 1,
            known_bytes: 60,
            unknown_packets: 7,
            unknown_bytes: 420,
        }],
        checks: Vec::new(),
        proofs: Vec::new(),
        observe: false,
        block: ListStatus { ipv4: 5, ipv6: 1 },
        allow: ListStatus { ipv4: 2, ipv6: 0 },
        capacity: 1_250_000,
        limits: Limits { packets: None, syn: Some(Limit { rate: 100, burst: 200 }) },
        limits_only_count: Vec::new(),
        memory: vec![
            MemoryUse { structure: "prefix nodes".to_owned(), bytes: 64 << 20, used: Some(0.125) },
            MemoryUse { structure: "sources".to_owned(), bytes: 96 << 20, used: None },
        ],
        machine: MachineStatus {
            links: vec![LinkStatus {
                of: "eth0".to_owned(),
                interface: "eth0".to_owned(),
                in_percent: Some(50.0),
                lost: 4,
                ..LinkStatus::default()
            }],
            cpu: Some(CpuStatus { busiest_percent: Some(25.0), backlog_dropped: 3, ..CpuStatus::default() }),
            disks: Vec::new(),
        },
        trials: Vec::new(),
        notify: Vec::new(),
        web: None,
        warnings: vec!["a disk is nearly full".to_owned()],
        problems: Vec::new(),
    }
}

fn service(name: &str, attacked: bool, passed: u64, dropped: u64) -> ServiceTraffic {
    ServiceTraffic {
        service: name.to_owned(),
        attacked,
        packets: passed + dropped,
        bytes: (passed + dropped) * 60,
        dropped,
        syns: dropped,
        new_sources: dropped / 2,
        challenged: dropped / 4,
        proven: dropped / 100,
        locked_out: 0,
        admitted: 0,
        sampled: 10,
    }
}

fn rule(service: &str) -> RuleReport {
    RuleReport {
        service: service.to_owned(),
        rule: "source-syn".to_owned(),
        number: Some(0),
        shared: false,
        per: "source".to_owned(),
        of: "syn".to_owned(),
        rate: 100,
        burst: 200,
        then: "limit".to_owned(),
        state: RuleState::Enforce,
        in_use: true,
        text: "at most 100 SYN/s of each source".to_owned(),
        expires: None,
        packets: 11,
        bytes: 660,
        bans: 2,
        explanation: Vec::new(),
    }
}

/// A limit that all services share.
fn shared(service: &str) -> RuleReport {
    RuleReport { rule: "source-packets".to_owned(), shared: true, of: "packets".to_owned(), ..rule(service) }
}

fn signature(number: u32, enforced: bool, packets: u64) -> SignatureReport {
    SignatureReport {
        number,
        text: format!("tcp flags=syn window={number} len=40"),
        enforced,
        pinned: false,
        asks: false,
        held: None,
        warning: None,
        expires: None,
        age_seconds: 12.0,
        idle_seconds: 0.1,
        packets,
        bytes: packets * 60,
        sampled: packets / 1_000,
        sampled_known: 0,
        sampled_again: 0,
    }
}

fn incident(dropped: u64, passed: u64) -> Incident {
    let wave = IncidentWave { number: 1, began_ms: NOW_MS, peak_packets: 101_000, ..IncidentWave::default() };
    Incident {
        id: 7,
        key: "k".to_owned(),
        phase: IncidentPhase::Monitoring,
        turns: Vec::new(),
        severity: IncidentSeverity::Warning,
        began_ms: NOW_MS,
        ended_ms: None,
        seen_ms: NOW_MS,
        waves: vec![wave],
        services: Vec::new(),
        vectors: vec![IncidentVector {
            name: "syn-flood".to_owned(),
            words: "spoofed SYN flood".to_owned(),
            spoofed: true,
            ..IncidentVector::default()
        }],
        traffic: IncidentTraffic {
            packets: dropped + passed,
            dropped,
            peak_packets: 101_000,
            reasons: BTreeMap::new(),
            ..IncidentTraffic::default()
        },
        sources: IncidentSources {
            sampled: 10,
            sources: 9,
            prefixes: vec![IncidentPrefix { prefix: "203.0.113.0/24".to_owned(), sampled: 6 }],
            ..IncidentSources::default()
        },
        harm: IncidentHarm::default(),
        destinations: Vec::new(),
        strain: Vec::new(),
        warnings: Vec::new(),
        timeline: Vec::new(),
        left_out: 0,
    }
}

fn probe(service: &str, value: Option<u64>) -> SignalReport {
    SignalReport {
        signal: "probe".to_owned(),
        service: Some(service.to_owned()),
        value,
        text: "12 ms".to_owned(),
        over: false,
    }
}
