//! What becomes of an address's packets, in a sentence.

use std::time::{Duration, UNIX_EPOCH};

use crate::report::{BANNED_BY, BY_HAND};
use floodwall_api::{AppliedBan, AppliedRule, Covering, ListName, Outcome, WhyReport};

/// The first that decides, in the order in which a packet is held against them.
pub(super) fn of(report: &WhyReport) -> (Outcome, String) {
    let WhyReport { address, lists, bans, .. } = report;
    if let Some(seconds) = report.bypass_seconds {
        let left = humantime::format_duration(Duration::from_secs(seconds.ceil() as u64));
        return (
            Outcome::Bypassed,
            format!(
                "{address} passes, as everything does for another {left} (`floodwall bypass off` ends it)"
            ),
        );
    }
    let decides = lists.covering.first();
    match (lists.decided_by, decides) {
        (Some(ListName::Allow), Some(covering)) => {
            let text = format!(
                "{address} passes, whatever else is said of it: {} is on the allowlist ({})",
                covering.entry.prefix,
                wanted(covering)
            );
            return (Outcome::Allowed, text);
        }
        (Some(ListName::Block), Some(covering)) if !lists.only_counts => return listed(report, covering),
        _ => {}
    }
    if let Some(ban) = bans.iter().find(|ban| ban.enforced && !ban.listed) {
        return (Outcome::Banned, banned(address, ban));
    }
    let used_up: Vec<_> =
        report.source.limits.iter().chain(&report.rules).filter(|rule| rule.is_used_up()).collect();
    let (outcome, mut text) = if used_up.is_empty() {
        (Outcome::Passes, format!("{address} passes as far as its address goes"))
    } else {
        let names: Vec<_> = used_up.iter().map(|rule| named(rule)).collect();
        let holds = if names.len() == 1 { "has" } else { "have" };
        let text = format!("{address} is limited now: {} {holds} nothing left for it", names.join(" and "));
        (Outcome::Limited, text)
    };
    if lists.decided_by == Some(ListName::Block)
        && let Some(covering) = decides
    {
        text += &format!(
            "; it is on the blocklist ({}: {}), which only counts",
            covering.entry.prefix,
            wanted(covering)
        );
    } else if let Some(ban) = bans.first() {
        text += &format!("; a ban until {} drops nothing", time(ban.until));
    }
    if !report.closed.is_empty() {
        text += &format!("; {} is closed to it until it answers a challenge", report.closed.join(" and "));
    }
    match report.signatures.iter().filter(|signature| signature.drops && signature.may_match).count() {
        0 => {}
        1 => text += "; 1 signature drops by headers",
        several => text += &format!("; {several} signatures drop by headers"),
    }
    (outcome, text)
}

/// What is said of what stands on the blocklist: a ban is told as one, unless somebody else wants it there, too.
fn listed(report: &WhyReport, covering: &Covering) -> (Outcome, String) {
    let address = &report.address;
    let ban = report.bans.iter().find(|ban| ban.listed && ban.prefix == covering.entry.prefix);
    if let Some(ban) = ban.filter(|_| covering.wanted_by.len() <= 1) {
        return (Outcome::Banned, banned(address, ban));
    }
    let mut text =
        format!("{address} is blocked: {} is on the blocklist ({})", covering.entry.prefix, wanted(covering));
    if ban.is_none()
        && let Some(ban) = report.bans.first()
    {
        text += &format!("; it is banned as well, until {}, because {}", time(ban.until), ban.because);
    }
    (Outcome::Blocked, text)
}

fn banned(address: &str, ban: &AppliedBan) -> String {
    format!("{address} is banned until {}, because {}", time(ban.until), ban.because)
}

/// Who wants a prefix listed, why, and until when.
fn wanted(covering: &Covering) -> String {
    let who: Vec<_> =
        covering.wanted_by.iter().map(|who| if who == BY_HAND { "by hand" } else { who }).collect();
    // That of a ban is the rule, which is named already.
    let note = covering.entry.note.as_ref().filter(|note| !note.starts_with(BANNED_BY));
    let note = note.map(|note| format!(", “{note}”"));
    let until = covering.entry.expires.map(|at| format!(", until {}", time(at as f64)));
    format!("{}{}{}", who.join(" and "), note.unwrap_or_default(), until.unwrap_or_default())
}

/// `*/source-syn (syn 100/s burst 200)`.
fn named(rule: &AppliedRule) -> String {
    let service = if rule.shared { "*" } else { &rule.service };
    format!("{service}/{} ({} {}/s burst {})", rule.rule, rule.of, rule.rate, rule.burst)
}

/// A Unix time, seconds, in UTC.
fn time(at: f64) -> String {
    let at = UNIX_EPOCH + Duration::try_from_secs_f64(at.max(0.0)).unwrap_or_default();
    humantime::format_rfc3339_seconds(at).to_string()
}
