//! A made-up incident, with which operators test targets and this crate tests itself.

use floodwall_api::{
    Incident, IncidentHarm, IncidentPhase, IncidentPrefix, IncidentService, IncidentSeverity,
    IncidentSources, IncidentTraffic, IncidentTurn, IncidentVector, IncidentWave,
};

/// An address reserved for documentation (RFC 5737).
pub(crate) const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// An open incident as it is at this time, Unix time in ms.
pub(crate) fn incident(now_ms: u64) -> Incident {
    let began_ms = now_ms.saturating_sub(60_000);
    let [first, second, third, fourth] = ADDRESS;
    let of_nobody = format!("{first}.{second}.{third}.{fourth}/32");
    Incident {
        id: 0,
        key: format!("floodwall-test-{now_ms:x}"),
        phase: IncidentPhase::Monitoring,
        turns: vec![IncidentTurn { phase: IncidentPhase::Investigating, time_ms: began_ms }],
        severity: IncidentSeverity::Warning,
        began_ms,
        ended_ms: None,
        seen_ms: now_ms,
        waves: vec![IncidentWave { number: 1, began_ms, peak_packets: 100_000, ..IncidentWave::default() }],
        services: vec![IncidentService {
            service: "test".to_owned(),
            attacked: true,
            packets: 5_000_000,
            bytes: 300_000_000,
            dropped: 4_900_000,
        }],
        vectors: vec![IncidentVector {
            name: "syn-flood".to_owned(),
            words: "SYN flood".to_owned(),
            sampled: 1_000,
            first_ms: began_ms,
            last_ms: now_ms,
            ..IncidentVector::default()
        }],
        traffic: IncidentTraffic {
            seconds: 60,
            packets: 5_000_000,
            bytes: 300_000_000,
            dropped: 4_900_000,
            dropped_bytes: 294_000_000,
            peak_packets: 100_000,
            peak_bytes: 6_000_000,
            peak_dropped: 98_000,
            before: Some(2_000.0),
            ..IncidentTraffic::default()
        },
        sources: IncidentSources { sampled: 1_000, sources: 12, ..IncidentSources::default() },
        harm: IncidentHarm::default(),
        destinations: vec![IncidentPrefix { prefix: of_nobody, sampled: 1_000 }],
        strain: Vec::new(),
        warnings: Vec::new(),
        timeline: Vec::new(),
        left_out: 0,
    }
}

/// The incident once it is over.
pub(crate) fn over(mut incident: Incident) -> Incident {
    let end = incident.seen_ms;
    incident.phase = IncidentPhase::Resolved;
    incident.ended_ms = Some(end);
    incident.waves.iter_mut().for_each(|wave| wave.ended_ms = Some(end));
    incident
}
