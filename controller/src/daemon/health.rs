//! Looks how the host fares, and which rules are to hold in consequence.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use floodwall_common::wire::families;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tracing::{error, warn};

use super::{
    capacity::Capacity,
    periodically::{blocking, every},
    protection::Protection,
    rule_conditions::{RuleConditions, Turned},
};
use crate::{
    api::{HealthReport, SignalReport},
    event::What,
    host::{Vitals, sockets},
    policy::{HostFacts, Probe, RuleId, Signal},
    server::Dataplane as _,
    state::{Decider, Filter},
};

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// A probe that takes longer has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How many rounds pass until known sources are counted again.
const COUNT_ROUNDS: u32 = 10;
/// Requests for connections, a second, that the host drops unanswered when its queues of them are full.
pub(super) const FULL: u64 = 50;
/// Share of their time that the CPUs are idle while the host can take more, percent.
const ROOM: u64 = 10;
/// What a probe takes that failed, ms.
const FAILED: u64 = u64::MAX;

/// Looks each second, for ever.
pub(super) async fn run(filter: Arc<Filter>, protection: Arc<Protection>) {
    let mut tick = every(INTERVAL);
    let mut before = (Instant::now(), Vitals::read());
    let mut rules = RuleConditions::default();
    let mut capacity = Capacity::default();
    let mut round = 0_u32;
    loop {
        tick.tick().await;
        let probes = probe_all(filter.probes()).await;
        let now = (Instant::now(), Vitals::read());
        let of_cpus = protection.machine().cpu.and_then(|cpu| cpu.busiest_percent);
        let signals = signals(&before, &now, of_cpus.map(|percent| percent as u64));
        let idle = now.1.idle_since(&before.1);
        before = now;
        protection.set_queues_are_full(drops_unanswered(&signals) > FULL);
        let of_host = signals.iter().map(|(signal, value)| ((*signal, None), *value));
        let of_services =
            probes.iter().map(|(service, took)| ((Signal::Probe, Some(service.clone())), *took));
        capacity.look(of_host.chain(of_services)).into_iter().for_each(|what| protection.bus().publish(what));
        protection.set_has_room(idle.is_some_and(|idle| idle >= ROOM) && !capacity.is_strained());
        let turned = rules.look(Instant::now(), &filter.conditions(), |rule, when| match when.signal {
            Signal::Probe => probes.get(&rule.service).copied(),
            signal => signals.get(&signal).copied(),
        });
        for Turned { rule, holds, text } in turned {
            protection.bus().publish(What::Rule { rule: rule.to_string(), text, loud: holds });
        }
        let active = rules.active();
        protection.set_health(report(&signals, &probes, &active, &capacity));
        round = round.wrapping_add(1);
        let (filter, protection) = (Arc::clone(&filter), Arc::clone(&protection));
        let work = move || {
            if round.is_multiple_of(COUNT_ROUNDS) {
                filter.count_known();
            }
            look(&filter, &protection, active);
        };
        blocking("the task that looks at the host failed", work).await;
    }
}

/// Requests/s that the host drops though the program that they are for keeps up: its queue of half-open connections is full, and
/// no SYN cookies are sent (`tcp_conn_request` in `net/ipv4/tcp_input.c`).
pub(super) fn drops_unanswered(signals: &BTreeMap<Signal, u64>) -> u64 {
    let value = |signal| signals.get(&signal).copied().unwrap_or_default();
    value(Signal::ListenDrops).saturating_sub(value(Signal::ListenOverflows))
}

/// Tells the rules what is known of the host.
pub(super) fn look(filter: &Filter, protection: &Protection, active: BTreeSet<RuleId>) {
    let listening = match sockets() {
        Ok(sockets) => {
            protection.set_sockets(&sockets);
            Some(sockets.listening)
        }
        Err(error) => {
            warn!(%error, "it cannot be read where something listens; nobody is suspected of coming for what is not there");
            None
        }
    };
    let own = protection.lifelines().own.into_iter().collect();
    let facts = HostFacts {
        own,
        listening,
        flows: protection.sees_what_leaves() != 0,
        answers: protection.sees_what_leaves() == families::BOTH,
        sockets: true,
        carries: protection.carries(),
        proven: protection.proven(),
    };
    match filter.look(facts, active) {
        Ok(()) => filter.still_decides(Decider::Host),
        Err(refusal) => {
            error!(%refusal, "the rules could not be brought into force for what is known of the host");
        }
    }
}

/// Values of the host's signals. `packets` is the share of the busiest CPU's time that packets take, in softirqs and in
/// threads of NAPI, percent.
pub(super) fn signals(
    before: &(Instant, Vitals),
    now: &(Instant, Vitals),
    packets: Option<u64>,
) -> BTreeMap<Signal, u64> {
    let seconds = now.0.duration_since(before.0).as_secs_f64().max(0.001);
    let rate = |of: fn(&Vitals) -> Option<u64>| {
        let gained = of(&now.1)?.saturating_sub(of(&before.1)?);
        Some((gained as f64 / seconds).round() as u64)
    };
    let values = [
        (Signal::ListenOverflows, rate(|vitals| vitals.listen_overflows)),
        (Signal::ListenDrops, rate(|vitals| vitals.listen_drops)),
        (Signal::SynCookies, rate(|vitals| vitals.syn_cookies)),
        (Signal::UdpOverflows, rate(|vitals| vitals.udp_overflows)),
        (Signal::Conntrack, now.1.conntrack),
        // Of what threads of NAPI do, softirqs show nothing.
        (Signal::Softirq, now.1.softirq_since(&before.1).max(packets)),
    ];
    values.into_iter().filter_map(|(signal, value)| Some((signal, value?))).collect()
}

/// How long each service's probe takes, ms; all at the same time.
async fn probe_all(probes: BTreeMap<String, Probe>) -> BTreeMap<String, u64> {
    let mut tasks = JoinSet::new();
    for (service, target) in probes {
        tasks.spawn(async move {
            let start = Instant::now();
            let outcome = tokio::time::timeout(PATIENCE, probe(&target)).await;
            let took =
                if matches!(outcome, Ok(Ok(()))) { start.elapsed().as_millis() as u64 } else { FAILED };
            (service, took)
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// Connects and, over HTTP, asks.
pub(super) async fn probe(target: &Probe) -> io::Result<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    let Some(path) = &target.path else { return Ok(()) };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: floodwall\r\nConnection: close\r\n\r\n",
        target.address
    );
    stream.write_all(request.as_bytes()).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    let status = std::str::from_utf8(&start).ok().and_then(|start| start.strip_prefix("HTTP/1."));
    match status.and_then(|rest| rest.get(2..3)) {
        Some("1" | "2" | "3" | "4") => Ok(()),
        _ => Err(io::Error::other("no healthy answer")),
    }
}

fn report(
    signals: &BTreeMap<Signal, u64>,
    probes: &BTreeMap<String, u64>,
    active: &BTreeSet<RuleId>,
    capacity: &Capacity,
) -> HealthReport {
    let of_host =
        Signal::ALL.into_iter().filter(|(signal, _)| *signal != Signal::Probe).map(|(signal, name)| {
            let value = signals.get(&signal).copied();
            let text = value.map_or_else(|| "not known".to_owned(), |value| signal.words(value));
            let over = capacity.strains(&(signal, None));
            SignalReport { signal: name.to_owned(), service: None, value, text, over }
        });
    let of_services = probes.iter().map(|(service, took)| {
        let value = (*took != FAILED).then_some(*took);
        let text = value.map_or_else(|| "FAILED".to_owned(), |value| Signal::Probe.words(value));
        let over = capacity.strains(&(Signal::Probe, Some(service.clone())));
        let signal = Signal::Probe.name().to_owned();
        SignalReport { signal, service: Some(service.clone()), value, text, over }
    });
    HealthReport {
        signals: of_host.chain(of_services).collect(),
        active: active.iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_of_napi_take_of_a_cpu_counts_as_softirqs_do() {
        let at = |softirq| (Instant::now(), Vitals { softirq: vec![softirq], ..Vitals::default() });
        let (before, now) = (at((0, 0)), at((20, 100)));
        let softirq = |packets| signals(&before, &now, packets).get(&Signal::Softirq).copied();
        assert_eq!((softirq(None), softirq(Some(97)), softirq(Some(3))), (Some(20), Some(97), Some(20)));
    }

    #[test]
    fn what_a_slow_program_does_not_take_is_no_queue_of_half_open_connections() {
        let of = |drops, overflows| {
            drops_unanswered(&BTreeMap::from([
                (Signal::ListenDrops, drops),
                (Signal::ListenOverflows, overflows),
            ]))
        };
        assert_eq!((of(4_000, 0), of(500, 500), of(500, 100), of(0, 0)), (4_000, 0, 400, 0));
        assert_eq!(drops_unanswered(&BTreeMap::new()), 0, "a kernel that does not tell");
    }
}
