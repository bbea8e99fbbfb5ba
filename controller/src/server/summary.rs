//! How the filter stands, in a few lines for the log.

use super::{Context, status};
use crate::api::{InterfaceStatus, ReasonCount, Status};

/// Reasons of drops that are named; of the others only their sum is told.
const NAMED: usize = 5;

/// How the filter stands: what is wrong comes last.
pub fn summary(context: &Context) -> Vec<String> {
    let status = match status::now(context) {
        Ok(status) => status,
        Err(refused) => return vec![format!("how it stands cannot be told: {}", refused.0.message)],
    };
    let bans = context.filter.ban_count();
    lines(&status, bans)
}

fn lines(status: &Status, bans: u64) -> Vec<String> {
    let Status { version, uptime_seconds, interfaces, counters, block, allow, problems, warnings, .. } =
        status;
    let names = interfaces.iter().map(|InterfaceStatus { name, mode, filtered, .. }| match filtered {
        true => format!("{name} ({mode})"),
        false => format!("{name} (NOT FILTERED)"),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let of = |verdict: &str| {
        let of: Vec<&ReasonCount> = counters.iter().filter(|count| count.verdict == verdict).collect();
        (of.iter().map(|count| count.packets).sum::<u64>(), of)
    };
    let ((passed, _), (dropped, mut reasons)) = (of("pass"), of("drop"));
    reasons.retain(|count| count.packets > 0);
    reasons.sort_by_key(|count| std::cmp::Reverse(count.packets));
    let most: Vec<_> =
        reasons.iter().take(NAMED).map(|count| format!("{} {}", count.reason, count.packets)).collect();
    let most = if most.is_empty() { String::new() } else { format!(" ({})", most.join(", ")) };
    let mut lines = vec![
        format!("floodwall {version}, up {uptime_seconds} s, on {names}"),
        format!("{passed} packets passed, {dropped} dropped{most}"),
        format!(
            "{} prefixes are blocked and {} allowed, and {bans} sources are banned",
            block.ipv4 + block.ipv6,
            allow.ipv4 + allow.ipv6
        ),
    ];
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(problems.iter().map(|problem| format!("problem: {problem}")));
    lines
}
