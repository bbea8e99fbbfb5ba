//! Packet and byte counters by reason, by service and by rule.

use std::fmt;

use floodwall_api::{Overview, RuleReport, RuleState, WouldCount};

use crate::{
    families::{
        BYTES, PACKETS, RULE_BANS, RULE_BYTES, RULE_ENFORCED, RULE_PACKETS, SERVICE_ATTACKED, SERVICE_BYTES,
        SERVICE_CHALLENGED, SERVICE_DROPPED, SERVICE_PACKETS, SERVICE_PROVEN, SERVICE_SAMPLED,
        SERVICE_SOURCES, SERVICE_SYNS, WOULD_BYTES, WOULD_PACKETS,
    },
    page::Page,
};

/// Values of the label `sources`: sources that have completed an exchange with the host before, and all others.
const KNOWN: &str = "known";
const OTHER: &str = "other";

pub(crate) fn write(page: &mut Page<'_>, overview: &Overview) -> fmt::Result {
    by_reason(page, overview)?;
    by_service(page, overview)?;
    by_rule(page, overview)
}

fn by_reason(page: &mut Page<'_>, Overview { status, .. }: &Overview) -> fmt::Result {
    let reasons =
        || status.counters.iter().map(|count| ([count.verdict.as_str(), count.reason.as_str()], count));
    page.counters(&PACKETS, reasons().map(|(labels, count)| (labels, count.packets)))?;
    page.counters(&BYTES, reasons().map(|(labels, count)| (labels, count.bytes)))?;
    // A status leaves out reasons without packets. They are written here, as the set of series must not depend on traffic.
    let drops = || status.counters.iter().filter(|count| count.verdict == "drop");
    let would = || {
        drops().map(|count| {
            let would = status.would_drop.iter().find(|would| would.reason == count.reason);
            (count.reason.as_str(), would.cloned().unwrap_or_else(|| no_packets(&count.reason)))
        })
    };
    page.counters(
        &WOULD_PACKETS,
        would().flat_map(|(reason, count)| {
            [([reason, KNOWN], count.known_packets), ([reason, OTHER], count.unknown_packets)]
        }),
    )?;
    page.counters(
        &WOULD_BYTES,
        would().flat_map(|(reason, count)| {
            [([reason, KNOWN], count.known_bytes), ([reason, OTHER], count.unknown_bytes)]
        }),
    )
}

fn no_packets(reason: &str) -> WouldCount {
    WouldCount {
        reason: reason.to_owned(),
        known_packets: 0,
        known_bytes: 0,
        unknown_packets: 0,
        unknown_bytes: 0,
    }
}

fn by_service(page: &mut Page<'_>, Overview { services, .. }: &Overview) -> fmt::Result {
    let services = || services.iter().map(|traffic| ([traffic.service.as_str()], traffic));
    page.counters(&SERVICE_PACKETS, services().map(|(labels, traffic)| (labels, traffic.packets)))?;
    page.counters(&SERVICE_BYTES, services().map(|(labels, traffic)| (labels, traffic.bytes)))?;
    page.counters(&SERVICE_DROPPED, services().map(|(labels, traffic)| (labels, traffic.dropped)))?;
    page.counters(&SERVICE_SYNS, services().map(|(labels, traffic)| (labels, traffic.syns)))?;
    page.counters(&SERVICE_SOURCES, services().map(|(labels, traffic)| (labels, traffic.new_sources)))?;
    page.counters(&SERVICE_CHALLENGED, services().map(|(labels, traffic)| (labels, traffic.challenged)))?;
    page.counters(&SERVICE_PROVEN, services().map(|(labels, traffic)| (labels, traffic.proven)))?;
    page.counters(&SERVICE_SAMPLED, services().map(|(labels, traffic)| (labels, traffic.sampled)))?;
    page.gauges(&SERVICE_ATTACKED, services().map(|(labels, traffic)| (labels, truth(traffic.attacked))))
}

fn by_rule(page: &mut Page<'_>, Overview { rules, .. }: &Overview) -> fmt::Result {
    // A limit that services share has one counter, which the report repeats for each of them. It is written only for the
    // first, which is the default service, so that sums are right.
    let first = |place: usize, rule: &RuleReport| {
        !rules[..place].iter().any(|before| before.shared && before.rule == rule.rule)
    };
    let those: Vec<_> = (0..)
        .zip(rules)
        .filter(|(place, rule)| !rule.shared || first(*place, rule))
        .map(|(_, rule)| ([rule.service.as_str(), rule.rule.as_str()], rule))
        .collect();
    let rules = || those.iter().copied();
    page.counters(&RULE_PACKETS, rules().map(|(labels, rule)| (labels, rule.packets)))?;
    page.counters(&RULE_BYTES, rules().map(|(labels, rule)| (labels, rule.bytes)))?;
    page.counters(&RULE_BANS, rules().map(|(labels, rule)| (labels, rule.bans)))?;
    page.gauges(
        &RULE_ENFORCED,
        rules().map(|(labels, rule)| (labels, truth(rule.state == RuleState::Enforce))),
    )
}

/// 1 or 0.
pub(crate) fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
