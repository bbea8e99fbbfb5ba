//! Metrics other than packet counters: state of the filter, attacks, tables, the daemon itself, and the machine.

use std::fmt;

use floodwall_api::{IncidentPhase, IncidentSeverity, Overview, SignalReport, Status};

use crate::{
    families::{
        ATTACKED, AUDIT_LOST, BACKLOG_DROPPED, BANS, BANS_LOST, BUILD, BYPASS, CPU_BUSIEST, DETECTION_LAG,
        DROPS_TOLD, DROPS_UNTOLD, IMPORT_HITS, IMPORT_PREFIXES, INCIDENTS, INTERFACE_UP, LINK_LOST,
        LINK_USED, LIST_CAPACITY, LISTED, PROBE_TIME, PROBE_UP, PROBLEMS, REQUESTS, RESTARTS, SAMPLES_READ,
        SIGNATURES, SOURCES_CAPACITY, SOURCES_USED, START, TABLE_BYTES, TABLE_USED, TRIALS, WARNINGS,
    },
    meters::Meters,
    page::Page,
    traffic::truth,
};

/// The state of the filter: version, interfaces, problems, bypass.
pub(crate) fn write_state(page: &mut Page<'_>, overview: &Overview) -> fmt::Result {
    let Overview { status, bypass, .. } = overview;
    page.info(&BUILD, &[&status.version])?;
    page.gauge(&START, (overview.time_ms / 1_000).saturating_sub(status.uptime_seconds) as f64)?;
    let interfaces = status.interfaces.iter();
    page.gauges(
        &INTERFACE_UP,
        interfaces.map(|one| ([one.name.as_str(), one.mode.as_str()], truth(one.filtered))),
    )?;
    page.gauge(&PROBLEMS, status.problems.len() as f64)?;
    page.gauge(&WARNINGS, status.warnings.len() as f64)?;
    page.gauge(&TRIALS, status.trials.len() as f64)?;
    page.gauge(&BYPASS, bypass.seconds.unwrap_or(0.0))
}

/// Attacks, and what is in force against them.
pub(crate) fn write_attacks(page: &mut Page<'_>, overview: &Overview) -> fmt::Result {
    let Overview { incidents, signatures, bans, .. } = overview;
    page.gauge(&ATTACKED, truth(signatures.attack))?;
    let open = |severity: IncidentSeverity| {
        let those = incidents.iter().filter(|incident| incident.phase != IncidentPhase::Resolved);
        those.filter(|incident| incident.severity == severity).count() as f64
    };
    let severities = [IncidentSeverity::Warning, IncidentSeverity::Critical];
    page.gauges(&INCIDENTS, severities.map(|severity| ([severity.name()], open(severity))))?;
    let dropping = signatures.signatures.iter().filter(|signature| signature.enforced).count();
    let counting = signatures.signatures.len() - dropping;
    page.gauges(&SIGNATURES, [(["drop"], dropping as f64), (["count"], counting as f64)])?;
    page.gauge(&BANS, *bans as f64)
}

/// How full the tables are.
pub(crate) fn write_tables(
    page: &mut Page<'_>,
    Overview { status, sources, imports, .. }: &Overview,
) -> fmt::Result {
    let Status { block, allow, capacity, memory, .. } = status;
    let lists = [("block", block), ("allow", allow)];
    page.gauges(
        &LISTED,
        lists.iter().flat_map(|(list, held)| {
            [([*list, "ipv4"], held.ipv4 as f64), ([*list, "ipv6"], held.ipv6 as f64)]
        }),
    )?;
    page.gauge(&LIST_CAPACITY, *capacity as f64)?;
    let imports = || imports.iter().map(|traffic| ([traffic.import.as_str()], traffic));
    page.gauges(&IMPORT_PREFIXES, imports().map(|(labels, traffic)| (labels, traffic.prefixes as f64)))?;
    page.gauges(&IMPORT_HITS, imports().map(|(labels, traffic)| (labels, traffic.packets as f64)))?;
    page.gauge(&SOURCES_USED, sources.used)?;
    page.gauge(&SOURCES_CAPACITY, sources.capacity as f64)?;
    page.gauges(&TABLE_BYTES, memory.iter().map(|table| ([table.structure.as_str()], table.bytes as f64)))?;
    let used = memory.iter().filter_map(|table| Some(([table.structure.as_str()], table.used?)));
    page.gauges(&TABLE_USED, used)
}

/// The daemon's own performance and losses.
pub(crate) fn write_daemon(page: &mut Page<'_>, overview: &Overview, meters: &Meters) -> fmt::Result {
    let Overview { telling, health, restarts, .. } = overview;
    page.counter(&DROPS_TOLD, telling.drops)?;
    page.counter(&DROPS_UNTOLD, telling.drops_untold)?;
    page.counter(&SAMPLES_READ, telling.samples)?;
    page.counter(&BANS_LOST, telling.bans_lost)?;
    page.counter(&AUDIT_LOST, telling.audit_lost)?;
    page.histograms(&DETECTION_LAG, [([], &meters.detection_lag)])?;
    page.histograms(&REQUESTS, [(["read"], &meters.reads), (["change"], &meters.changes)])?;
    // Probes are the signals that belong to a service. A probe that has failed has no value.
    let probe = |signal: &SignalReport| signal.service.is_some();
    let probes = || health.iter().flat_map(|health| &health.signals).filter(|signal| probe(signal));
    let name = |signal: &'_ SignalReport| signal.service.as_deref().unwrap_or_default().to_owned();
    let named: Vec<(String, Option<u64>)> = probes().map(|signal| (name(signal), signal.value)).collect();
    page.gauges(&PROBE_UP, named.iter().map(|(name, took)| ([name.as_str()], truth(took.is_some()))))?;
    let took = named.iter().filter_map(|(name, took)| Some(([name.as_str()], (*took)? as f64 / 1e3)));
    page.gauges(&PROBE_TIME, took)?;
    page.counters(&RESTARTS, restarts.iter().map(|task| ([task.task.as_str()], task.restarts)))
}

/// Load and losses of links and CPUs.
pub(crate) fn write_machine(page: &mut Page<'_>, Overview { status, .. }: &Overview) -> fmt::Result {
    let (links, cpu) = (&status.machine.links, status.machine.cpu.as_ref());
    page.gauges(
        &LINK_USED,
        links.iter().flat_map(|link| {
            let name = link.interface.as_str();
            let shares = [([name, "in"], link.in_percent), ([name, "out"], link.out_percent)];
            shares.into_iter().filter_map(|(labels, percent)| Some((labels, percent? / 100.0)))
        }),
    )?;
    page.counters(&LINK_LOST, links.iter().map(|link| ([link.interface.as_str()], link.lost)))?;
    let busiest = cpu.and_then(|cpu| cpu.busiest_percent).map(|percent| ([], percent / 100.0));
    page.gauges(&CPU_BUSIEST, busiest)?;
    page.counters(&BACKLOG_DROPPED, cpu.map(|cpu| ([], cpu.backlog_dropped)))
}
