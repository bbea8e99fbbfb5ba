//! The two limits of every source, which are rules of the default service, and what older versions kept of them.

use floodwall_common::wire::{BucketSpec, Reason};

use super::{filter, open, write_older};
use crate::{Filter, Refusal};
use floodwall_api::{Limit, RuleChange, RuleMode};

fn change(of: &str, rate: Option<u64>, mode: RuleMode) -> RuleChange {
    RuleChange {
        service: "default".to_owned(),
        of: of.to_owned(),
        per: "source".to_owned(),
        rate,
        burst: None,
        then: None,
        mode: Some(mode),
        seconds: None,
        reset: false,
    }
}

fn reset(of: &str) -> RuleChange {
    RuleChange { mode: None, reset: true, ..change(of, None, RuleMode::Off) }
}

/// The limits as they are told, and which of them only count.
fn told(filter: &Filter) -> (Option<u64>, Option<u64>, Vec<String>) {
    let limits = filter.limits();
    let rate = |limit: Option<Limit>| limit.map(|limit| limit.rate);
    (rate(limits.packets), rate(limits.syn), filter.limits_that_only_count())
}

/// What packets are judged by: the bucket of packets, that of SYNs, and whether they drop.
fn enforced(filter: &Filter) -> (u64, u64, [bool; 2]) {
    let settings = &filter.tables.settings[0];
    let monitored = settings.monitored.load();
    let drops = [Reason::PacketRate, Reason::SynRate].map(|reason| monitored & reason.bit() == 0);
    (settings.packet_bucket.load(), settings.syn_bucket.load(), drops)
}

fn bucket(rate: u64, burst: u64) -> u64 {
    BucketSpec::new(rate, burst).expect("a sound limit").pack()
}

const FRESH: (Option<u64>, Option<u64>) = (Some(20_000), Some(100));

#[test]
fn a_limit_that_is_set_drops_although_the_default_only_counts_and_a_reset_takes_that_back() {
    let (filter, directory) = filter();
    let fresh = (FRESH.0, FRESH.1, vec!["packets".to_owned()]);
    assert_eq!(told(&filter), fresh);
    assert_eq!(enforced(&filter), (bucket(20_000, 40_000), bucket(100, 200), [false, true]));
    filter.set_rule(&change("packets", Some(5), RuleMode::Enforce)).expect("set");
    assert_eq!(told(&filter), (Some(5), FRESH.1, vec![]));
    assert_eq!(enforced(&filter), (bucket(5, 5), bucket(100, 200), [true, true]));
    filter.set_rule(&change("syn", Some(7), RuleMode::Monitor)).expect("set");
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(told(&filter), (Some(5), Some(7), vec!["syn".to_owned()]), "after a restart");
    assert_eq!(enforced(&filter), (bucket(5, 5), bucket(7, 7), [true, false]));
    for of in ["packets", "syn"] {
        filter.set_rule(&reset(of)).expect("reset");
    }
    assert_eq!(told(&filter), fresh);
    assert_eq!(enforced(&filter), (bucket(20_000, 40_000), bucket(100, 200), [false, true]));
    drop(filter);
    assert_eq!(told(&open(directory.path())), fresh, "after a restart");
}

#[test]
fn a_limit_can_be_off_and_on_again_at_any_time() {
    let (filter, directory) = filter();
    for _ in 0..2 {
        filter.set_rule(&change("syn", None, RuleMode::Off)).expect("off");
        assert_eq!(told(&filter).1, None);
        assert_eq!(enforced(&filter).1, BucketSpec::default().pack());
    }
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(told(&filter).1, None, "after a restart");
    filter.set_rule(&change("syn", Some(300), RuleMode::Enforce)).expect("on");
    assert_eq!(enforced(&filter).1, bucket(300, 300));
    filter.set_rule(&change("syn", None, RuleMode::Off)).expect("off");
    filter.set_rule(&reset("syn")).expect("reset");
    assert_eq!((told(&filter).1, enforced(&filter).1), (FRESH.1, bucket(100, 200)));
    // That of a rule which there never was is a slip.
    let outcome = filter.set_rule(&change("rst", None, RuleMode::Off));
    assert!(matches!(outcome, Err(Refusal::NotFound(_))), "{outcome:?}");
}

#[test]
fn a_limit_that_no_bucket_can_hold_is_refused() {
    let (filter, _directory) = filter();
    let wrong = RuleChange { burst: Some(100_000), ..change("syn", Some(1), RuleMode::Enforce) };
    let outcome = filter.set_rule(&wrong);
    let Err(Refusal::Invalid(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("1/s burst 100000"), "{why}");
    assert_eq!(enforced(&filter).1, bucket(100, 200));
}

#[test]
fn limits_that_an_older_version_has_kept_hold_as_they_did() {
    // Whenever one limit was set, both were written down: that of packets was left as it was.
    const SYN: &str = r#"{"change":"limit","limits":{"packets":{"rate":20000,"burst":40000},"syn":{"rate":50,"burst":60}}}"#;
    const PACKETS: &str = r#"{"change":"limit","limits":{"packets":{"rate":9,"burst":9},"syn":null}}"#;
    let older = |changes: &[&str]| {
        let directory = tempfile::tempdir().expect("a directory");
        write_older(directory.path(), changes, &[]);
        (open(directory.path()), directory)
    };
    let (filter, directory) = older(&[SYN]);
    assert_eq!(told(&filter), (FRESH.0, Some(50), vec!["packets".to_owned()]));
    assert_eq!(enforced(&filter), (bucket(20_000, 40_000), bucket(50, 60), [false, true]));
    drop(filter);
    assert_eq!(told(&open(directory.path())).1, Some(50), "at the next start, in the present form");
    let (filter, directory) = older(&[SYN, PACKETS]);
    assert_eq!(told(&filter), (Some(9), None, vec![]), "the last word holds");
    assert_eq!(enforced(&filter).0, bucket(9, 9));
    filter.set_rule(&reset("syn")).expect("reset");
    assert_eq!(told(&filter), (Some(9), FRESH.1, vec![]));
    drop(filter);
    assert_eq!(told(&open(directory.path())), (Some(9), FRESH.1, vec![]), "after a restart");
}
