//! What is said of an address is what its packets meet.

use std::net::IpAddr;

use floodwall_common::{
    decide::{PacketContext, decide_on},
    frame::Captured,
    prefix::Address,
    source::{self, Key},
    wire::{BanEvent, Reason, Way, knowledge},
};

use super::{filter, import, prefix};
use crate::{Around, Filter, Refusal};
use floodwall_api::{AppliedRule, ListName, Outcome, RuleChange, RuleMode, RuleOrigin, RuleState, WhyReport};
use floodwall_config::Config;
use floodwall_detect::Snapshot;
use floodwall_policy::Lifelines;

/// When the first packet comes, ns.
const START: u64 = 1_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const SOURCE: [u8; 4] = [198, 51, 100, 7];
const SYN: u8 = 2;
const ACK: u8 = 16;
const PSH: u8 = 8;

/// A TCP segment from a source, as it comes in.
fn segment(source: [u8; 4], flags: u8) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0]);
    frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
    frame.extend(source);
    frame.extend([192, 0, 2, 10]);
    frame.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

/// Judges so many of these at a time, by the code that the kernel runs; why the last left as it did.
fn judge(filter: &Filter, at_ns: u64, count: usize, source: [u8; 4], flags: u8) -> Reason {
    filter.tables.settings[0].clock.store(at_ns);
    let frame = segment(source, flags);
    let mut context = PacketContext::default();
    (0..count).for_each(|_| decide_on(&*filter.tables, &Captured::whole(&frame), &mut context));
    context.reason()
}

fn why(filter: &Filter, address: impl Into<IpAddr>) -> WhyReport {
    let around = Around {
        never_banned: &Lifelines { gateways: vec![[192, 0, 2, 1].into()], ..Lifelines::default() },
        detection: &Snapshot::default(),
        signature_counters: &[],
        problems: Vec::new(),
    };
    filter.why(address.into(), around)
}

fn rule<'r>(report: &'r WhyReport, name: &str) -> &'r AppliedRule {
    let mut all = report.source.limits.iter().chain(&report.rules);
    all.find(|applied| format!("{}/{}", applied.service, applied.rule) == name).expect("it holds")
}

fn left(report: &WhyReport, name: &str) -> Option<u64> {
    rule(report, name).left
}

#[test]
fn what_limits_and_rules_leave_is_what_packets_have_not_taken() {
    let (filter, _directory) = filter();
    filter.tables.settings[0].clock.store(START);
    let fresh = why(&filter, SOURCE);
    assert_eq!((fresh.outcome, fresh.source.tracked), (Outcome::Passes, false));
    assert_eq!(fresh.verdict, "198.51.100.7 passes as far as its address goes");
    let counted = ["default/source-syn", "default/prefix-syn", "default/service-syn"];
    assert_eq!(counted.map(|name| left(&fresh, name)), [200, 2_000, 40_000].map(Some));
    assert!(fresh.source.limits.iter().all(|applied| applied.per == "source"));
    assert!(fresh.rules.iter().all(|applied| applied.per != "source"));

    assert_eq!(judge(&filter, START, 50, SOURCE, SYN), Reason::Clean);
    let after = why(&filter, SOURCE);
    assert_eq!(counted.map(|name| left(&after, name)), [150, 1_950, 39_950].map(Some));
    assert_eq!(left(&after, "default/source-icmp"), Some(100), "it has sent none");
    assert_eq!(rule(&after, "default/prefix-syn").counted_as, "198.51.100.0/24");
    let neighbour = why(&filter, [198, 51, 100, 8]);
    assert_eq!(counted.map(|name| left(&neighbour, name)), [200, 1_950, 39_950].map(Some));

    assert_eq!(judge(&filter, START, 150, SOURCE, SYN), Reason::Clean);
    let used_up = why(&filter, SOURCE);
    assert_eq!((used_up.outcome, left(&used_up, "default/source-syn")), (Outcome::Limited, Some(0)));
    assert_eq!(
        used_up.verdict,
        "198.51.100.7 is limited now: */source-syn (syn 100/s burst 200) has nothing left for it"
    );
    assert_eq!(judge(&filter, START, 1, SOURCE, SYN), Reason::SynRate);

    for silent in [2, 100, 140, 200, 300] {
        filter.tables.settings[0].clock.store(START + silent * SECOND);
        let after = why(&filter, SOURCE);
        assert_eq!(
            counted.map(|name| left(&after, name)),
            [200, 2_000, 40_000].map(Some),
            "{silent} s later"
        );
        let idle = after.source.idle_seconds.expect("it is tracked");
        assert!((idle - silent as f64).abs() < 1.0, "{idle} s after {silent}");
    }
    let lifted = filter.lift_bans(&[prefix("198.51.100.7/32")]);
    assert!(matches!(lifted, Err(Refusal::NotFound(_))), "it is known, and not banned");
}

#[test]
fn a_known_source_is_left_alone_in_peace() {
    let (filter, _directory) = filter();
    // It completes a handshake, sends data, and goes on.
    for flags in [SYN, ACK, ACK | PSH, ACK] {
        judge(&filter, START, 1, SOURCE, flags);
    }
    let spares = |report: &WhyReport| {
        ["source-packets", "source-syn", "source-icmp", "service-syn"]
            .map(|name| rule(report, &format!("default/{name}")).spares_it)
    };
    let report = why(&filter, SOURCE);
    assert!(report.source.known && report.attacked.is_empty());
    assert_eq!(spares(&report), [true, true, false, true]);
    assert!(rule(&report, "default/source-packets").spares_flows);
    assert!(!rule(&report, "default/source-syn").spares_flows);
    let checks: Vec<_> = report.checks.iter().map(|check| check.check.as_str()).collect();
    assert!(checks.contains(&"malformed") && !checks.contains(&"signature"), "{checks:?}");
    filter.tables.settings[0].attacked.store(1);
    let report = why(&filter, SOURCE);
    assert_eq!((spares(&report), report.attacked), ([false, false, false, true], vec!["default".to_owned()]));
    assert_eq!(spares(&why(&filter, [198, 51, 100, 8])), [false; 4], "a new source");
}

#[test]
fn who_is_listed_is_told_by_whom_and_an_allow_wins() {
    let (filter, _directory) = filter();
    import(&filter, "198.51.100.0/24\n");
    let blocked = why(&filter, SOURCE);
    assert_eq!(blocked.outcome, Outcome::Blocked);
    assert_eq!(blocked.verdict, "198.51.100.7 is blocked: 198.51.100.0/24 is on the blocklist (import list)");
    assert_eq!(judge(&filter, START, 1, SOURCE, SYN), Reason::Blocked);
    let note = Some("spam".to_owned());
    filter.add(ListName::Block, &[prefix("198.51.100.7/32")], None, note, None).expect("added");
    assert_eq!(
        why(&filter, SOURCE).verdict,
        "198.51.100.7 is blocked: 198.51.100.7/32 is on the blocklist (by hand, “spam”)"
    );
    filter.tables.settings[0].monitored.store_bits(Reason::Blocked.bit(), Reason::Blocked.bit());
    let counted = why(&filter, SOURCE);
    assert_eq!((counted.outcome, counted.lists.only_counts), (Outcome::Passes, true));
    assert!(
        counted.verdict.ends_with("on the blocklist (198.51.100.7/32: by hand, “spam”), which only counts")
    );
    assert_eq!(judge(&filter, START, 1, SOURCE, SYN), Reason::Clean);
    filter.tables.settings[0].monitored.store_bits(Reason::Blocked.bit(), 0);
    filter.add(ListName::Allow, &[prefix("198.51.0.0/16")], None, None, None).expect("added");
    let allowed = why(&filter, SOURCE);
    assert_eq!(
        (allowed.outcome, allowed.verdict.as_str()),
        (
            Outcome::Allowed,
            "198.51.100.7 passes, whatever else is said of it: 198.51.0.0/16 is on the allowlist (by hand)"
        )
    );
    assert_eq!(allowed.lists.covering.len(), 3);
    filter.bypass(Some(std::time::Duration::from_secs(60))).expect("for a minute");
    let passes = why(&filter, SOURCE);
    assert_eq!(passes.outcome, Outcome::Bypassed);
    assert!(passes.verdict.starts_with("198.51.100.7 passes, as everything does for another "), "{passes:?}");
}

/// The entry of the source.
fn way(filter: &Filter) -> &Way {
    let settings = &filter.tables.settings[0];
    let key = Key::of(settings, Address::canonical(IpAddr::from(SOURCE)));
    source::way_of(&*filter.tables, settings, key).expect("it is tracked")
}

#[test]
fn a_ban_is_told_with_its_rule_whether_it_is_listed_or_not() {
    let (filter, _directory) = filter();
    let text = "[defaults]\nsource-syn = { rate = 10, burst = 10, then = \"ban for 1h\" }";
    let policy = Config::parse(text).expect("valid").policy;
    filter.policy_state.lock().configure(&filter.tables, policy, false).expect("it fits");
    // By the kernel's clock, as bans are; of a source that is seen to complete a handshake.
    filter.tables.settings[0].knowledge.store_bits(knowledge::ANSWERS, knowledge::ANSWERS);
    judge(&filter, 0, 12, SOURCE, SYN);
    assert_eq!(why(&filter, SOURCE).outcome, Outcome::Limited, "it may be forged");
    source::complete(way(&filter), 15);
    judge(&filter, 0, 12, SOURCE, SYN);
    let marked = why(&filter, SOURCE);
    assert_eq!((marked.outcome, marked.bans.len()), (Outcome::Banned, 1), "{marked:?}");
    assert!(!marked.bans[0].listed && marked.bans[0].enforced);
    assert!(marked.bans[0].until > 1e9, "a Unix time: {marked:?}");
    let left_of_ban = marked.source.banned_seconds.expect("it is banned");
    assert!((0.0..=86_400.0).contains(&left_of_ban), "{left_of_ban} s");
    assert_eq!(left(&marked, "default/source-syn"), None, "the ban stands in its place");
    assert!(marked.verdict.ends_with("because it crossed a limit or a rule a moment ago"), "{marked:?}");

    let address = Address::canonical(IpAddr::from(SOURCE));
    let until_ns = way(&filter).buckets.load();
    let event = BanEvent {
        time_ns: until_ns - 3_600 * SECOND,
        until_ns,
        source: [address.high, address.low],
        reason: Reason::SynRate as u32,
        family: 4,
        ..BanEvent::default()
    };
    assert_eq!(filter.note_bans(&[event], &Lifelines::default()).expect("noted"), 1);
    let listed = why(&filter, SOURCE);
    assert_eq!((listed.outcome, listed.bans.len()), (Outcome::Banned, 1));
    let ban = &listed.bans[0];
    assert!(ban.listed && ban.enforced && ban.rule.as_deref() == Some("default/source-syn"), "{ban:?}");
    assert!(listed.verdict.starts_with("198.51.100.7 is banned until 20"), "{}", listed.verdict);
    assert!(listed.verdict.ends_with("Z, because it crossed rule default/source-syn"), "{}", listed.verdict);
    assert_eq!(listed.lists.covering[0].wanted_by, ["rule default/source-syn"]);

    filter.add(ListName::Block, &[prefix("198.51.100.7/32")], None, None, None).expect("added");
    let both = why(&filter, SOURCE);
    assert_eq!(
        (both.outcome, both.verdict.as_str()),
        (
            Outcome::Blocked,
            "198.51.100.7 is blocked: 198.51.100.7/32 is on the blocklist (by hand and rule default/source-syn)"
        )
    );
}

#[test]
fn each_limit_says_who_wants_it_so() {
    let (filter, _directory) = filter();
    let text = "[defaults]\nsource-icmp = { rate = 7 }\n[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [80]\n\
                [[service.rule]]\nname = \"source-syn\"\nrate = 5";
    let policy = Config::parse(text).expect("valid").policy;
    filter.policy_state.lock().configure(&filter.tables, policy, false).expect("it fits");
    let change = RuleChange {
        service: "default".to_owned(),
        of: "packets".to_owned(),
        per: "source".to_owned(),
        rate: Some(9),
        burst: None,
        then: None,
        mode: Some(RuleMode::Enforce),
        seconds: Some(60),
        reset: false,
    };
    filter.set_rule(&change).expect("set");
    let report = filter.source([198, 51, 100, 7].into());
    let told = |name: &str| {
        let applied = report.limits.iter().find(|of| format!("{}/{}", of.service, of.rule) == name);
        applied.map(|of| (of.rate, of.state, of.from, of.expires.is_some(), of.shared))
    };
    assert_eq!(
        told("default/source-packets"),
        Some((9, RuleState::Enforce, RuleOrigin::Command, true, true))
    );
    assert_eq!(told("default/source-syn"), Some((100, RuleState::Enforce, RuleOrigin::Default, false, true)));
    assert_eq!(
        told("default/source-icmp"),
        Some((7, RuleState::Enforce, RuleOrigin::Configuration, false, false))
    );
    assert_eq!(
        told("web/source-syn"),
        Some((5, RuleState::Enforce, RuleOrigin::Configuration, false, false)),
        "in place of the one that is shared"
    );
    assert_eq!(told("web/source-packets"), None, "that is the one of all services");
    assert_eq!(told("web/source-icmp"), None, "no packet of the service is of that kind");
}

#[test]
fn a_lifeline_is_never_banned_and_an_ipv6_source_is_its_64() {
    let (filter, _directory) = filter();
    assert_eq!(
        why(&filter, [192, 0, 2, 1]).spared,
        ["no rule bans it: 192.0.2.1 is this host's default gateway"]
    );
    assert!(why(&filter, SOURCE).spared.is_empty());
    let v6: IpAddr = "2001:db8:1:2::7".parse().expect("an address");
    let report = why(&filter, v6);
    assert_eq!(
        (report.address.as_str(), report.source.source.as_str()),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64")
    );
    assert_eq!(rule(&report, "default/prefix-syn").counted_as, "2001:db8:1::/48");
    assert_eq!(report.spared.len(), 1, "neighbour discovery: {:?}", report.spared);
    filter.spare([v6].into(), &mut std::collections::BTreeSet::new());
    assert_eq!(why(&filter, v6).spared[0], "no rule bans it: it is marked as one that the host lives by");
    assert!(filter.source(v6).spared);
}
