//! Changes on trial: in force at once, undone once, and as they were before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{blocked, filter, import, open, prefix};
use crate::{Filter, LONGEST_TRIAL, Refusal, Terms};
use floodwall_api::{ListName, RuleChange, TrialReport};
use floodwall_config::Config;

fn terms() -> Option<Terms> {
    Some(Terms { within: Duration::from_secs(60), command: "a change".to_owned() })
}

/// Makes a change on trial.
fn tried<T>(filter: &Filter, change: impl FnOnce(&Filter) -> Result<T, Refusal>) -> TrialReport {
    let (outcome, trial) = filter.on_trial(terms(), || change(filter));
    assert!(outcome.is_ok(), "{:?}", outcome.err());
    trial.expect("a trial has begun")
}

fn limit(rate: Option<u64>) -> RuleChange {
    RuleChange {
        service: "default".to_owned(),
        of: "syn".to_owned(),
        per: "source".to_owned(),
        rate,
        burst: None,
        then: None,
        mode: None,
        seconds: None,
        reset: rate.is_none(),
    }
}

/// An entry: its prefix, its note, and its end.
type Noted = (String, Option<String>, Option<u64>);

/// All that can be tried here, as it is known and in force.
fn seen(filter: &Filter) -> (Vec<Noted>, Vec<String>, u64) {
    let entries = |list| filter.page(list, None, 100).entries;
    let block = entries(ListName::Block).into_iter().map(|entry| (entry.prefix, entry.note, entry.expires));
    let allow = entries(ListName::Allow).into_iter().map(|entry| entry.prefix);
    (block.collect(), allow.collect(), filter.tables.settings[0].syn_bucket.load())
}

#[test]
fn each_change_is_in_force_at_once_and_undone_to_what_was_before() {
    const NOTED: &str = "203.0.113.0/24";
    const BROUGHT: &str = "198.51.100.2/32";
    type Case = (&'static str, fn(&Filter));
    let cases: [Case; 8] = [
        ("a block", |filter| {
            drop(tried(filter, |filter| {
                filter.add(
                    ListName::Block,
                    &[prefix("192.0.2.0/24"), prefix("2001:db8::/32")],
                    None,
                    None,
                    None,
                )
            }));
        }),
        ("another note", |filter| {
            let note = Some("worse".to_owned());
            let lifetime = Some(Duration::from_secs(600));
            drop(tried(filter, |filter| filter.add(ListName::Block, &[prefix(NOTED)], lifetime, note, None)));
        }),
        ("what an import brought, by hand as well", |filter| {
            let note = Some("by hand".to_owned());
            drop(tried(filter, |filter| filter.add(ListName::Block, &[prefix(BROUGHT)], None, note, None)));
        }),
        ("an import", |filter| {
            let options = crate::ImportOptions {
                name: "other".to_owned(),
                skip_bad: false,
                replace: false,
                lifetime: None,
                lifelines: None,
            };
            drop(tried(filter, |filter| filter.import(b"198.51.100.2\n192.0.2.9\n", &options, &mut |_| ())));
        }),
        ("a removal from the allowlist", |filter| {
            drop(tried(filter, |filter| filter.remove(ListName::Allow, &[prefix("10.0.0.0/8")])));
        }),
        ("a removal of what a hand and an import want", |filter| {
            filter.add(ListName::Block, &[prefix(BROUGHT)], None, None, None).expect("added");
            filter.remove(ListName::Block, &[prefix(BROUGHT)]).expect("removed");
            import(filter, "198.51.100.1\n198.51.100.2\n");
            drop(tried(filter, |filter| filter.remove(ListName::Block, &[prefix(BROUGHT), prefix(NOTED)])));
        }),
        ("a limit", |filter| drop(tried(filter, |filter| filter.set_rule(&limit(Some(3)))))),
        ("a reset", |filter| drop(tried(filter, |filter| filter.set_rule(&limit(None))))),
    ];
    for (name, change) in cases {
        let (filter, directory) = filter();
        import(&filter, "198.51.100.1\n198.51.100.2\n");
        let note = Some("spam".to_owned());
        filter.add(ListName::Block, &[prefix(NOTED)], None, note, None).expect("added");
        filter.add(ListName::Allow, &[prefix("10.0.0.0/8")], None, None, None).expect("added");
        filter.set_rule(&limit(Some(70))).expect("set");
        let before = seen(&filter);
        change(&filter);
        let [trial] = &filter.trials()[..] else { panic!("{name}: one trial") };
        let changed = seen(&filter);
        if !name.contains("import brought") {
            assert_ne!(changed, before, "{name}: it is in force");
        }
        // Whoever starts after a crash knows of it.
        drop(filter);
        let filter = open(directory.path());
        assert_eq!((seen(&filter), filter.trials()), (changed, vec![trial.clone()]), "{name}");
        assert!(filter.overdue_trials(SystemTime::now()).is_empty(), "{name}");
        let late = UNIX_EPOCH + Duration::from_secs(trial.until);
        assert_eq!(filter.overdue_trials(late).len(), 1, "{name}");

        assert!(filter.undo_trial(trial.number).expect("undone"), "{name}");
        assert_eq!((seen(&filter), filter.trials()), (before.clone(), vec![]), "{name}");
        assert!(!filter.undo_trial(trial.number).expect("nothing"), "{name}: once");
        drop(filter);
        assert_eq!(seen(&open(directory.path())), before, "{name}: after another start");
    }
}

#[test]
fn what_is_confirmed_stays_and_what_is_not_there_cannot_be_confirmed() {
    let (filter, directory) = filter();
    let block = |text: &'static str| {
        move |filter: &Filter| filter.add(ListName::Block, &[prefix(text)], None, None, None)
    };
    let first = tried(&filter, block("192.0.2.0/24"));
    let second = tried(&filter, block("198.51.100.0/24"));
    assert!(second.number > first.number && first.until - first.since >= 60);
    assert!(matches!(filter.confirm(Some(77)), Err(Refusal::NotFound(_))));
    let confirmed = filter.confirm(Some(first.number)).expect("confirmed");
    assert_eq!(confirmed, std::slice::from_ref(&first));
    assert!(matches!(filter.confirm(Some(first.number)), Err(Refusal::NotFound(_))));
    assert!(!filter.undo_trial(first.number).expect("nothing is undone"));
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(filter.confirm(None).expect("the other"), [second]);
    assert_eq!(blocked(&filter), ["192.0.2.0/24", "198.51.100.0/24"]);
    assert!(matches!(filter.confirm(None), Err(Refusal::NotFound(_))));
}

#[test]
fn what_cannot_be_tried_is_refused_and_nothing_is_changed() {
    let (filter, _directory) = filter();
    import(&filter, "198.51.100.1\n");
    let options = crate::ImportOptions {
        name: "list".to_owned(),
        skip_bad: false,
        replace: true,
        lifetime: None,
        lifelines: None,
    };
    let (again, trial) = filter.on_trial(terms(), || filter.import(b"192.0.2.1\n", &options, &mut |_| ()));
    assert!(matches!(again, Err(Refusal::Invalid(_))), "{again:?}");
    let long = Terms { within: LONGEST_TRIAL + Duration::from_secs(1), command: String::new() };
    let (long, none) = filter
        .on_trial(Some(long), || filter.add(ListName::Block, &[prefix("192.0.2.0/24")], None, None, None));
    assert!(matches!(long, Err(Refusal::Invalid(_))));
    assert_eq!((trial, none, filter.trials()), (None, None, vec![]));
    assert_eq!(blocked(&filter), ["198.51.100.1/32"]);
}

#[test]
fn a_trial_of_what_is_on_trial_leads_back_to_before_both() {
    let (filter, _directory) = filter();
    filter.set_rule(&limit(Some(70))).expect("set");
    let before = seen(&filter);
    let first = tried(&filter, |filter| filter.set_rule(&limit(Some(3))));
    let second = tried(&filter, |filter| filter.set_rule(&limit(Some(2))));
    assert!(filter.undo_trial(first.number).expect("over"));
    assert_ne!(seen(&filter), before, "the second is not over");
    assert!(filter.undo_trial(second.number).expect("over"));
    assert_eq!(seen(&filter), before);
    // What somebody says for good meanwhile is not undone.
    let third = tried(&filter, |filter| filter.set_rule(&limit(Some(3))));
    filter.set_rule(&limit(Some(50))).expect("set");
    let said = seen(&filter);
    assert!(filter.undo_trial(third.number).expect("over"));
    assert_eq!(seen(&filter), said);
}

#[test]
fn a_configuration_that_nobody_confirmed_stays_away_after_a_restart_until_it_is_asked_for() {
    let (filter, directory) = filter();
    let path = directory.path().join("floodwall.toml");
    let write = |rate: u64| {
        std::fs::write(&path, format!("[limit]\nsyn = {{ rate = {rate}, burst = {rate} }}\n"))
            .expect("written");
    };
    let rate = |filter: &Filter| filter.limits().syn.map(|limit| limit.rate);
    let start = |filter: &Filter| {
        let config = Config::read(&path).expect("sound");
        filter.policy_state.lock().configure(&filter.tables, config.policy, false).expect("it fits");
        filter.configured_from(Some(&path), false);
    };
    write(90);
    start(&filter);
    write(3);
    let trial = tried(&filter, |filter| filter.reload(false));
    assert_eq!(rate(&filter), Some(3));
    write(2);
    let again = tried(&filter, |filter| filter.reload(false));
    filter.undo_trial(trial.number).expect("the later one has taken it over");
    assert_eq!(rate(&filter), Some(2));
    filter.undo_trial(again.number).expect("undone");
    assert_eq!(rate(&filter), Some(90));
    let told =
        |filter: &Filter| filter.rule_warnings().iter().any(|warning| warning.contains("not in force"));
    assert!(told(&filter));
    drop(filter);

    let filter = open(directory.path());
    start(&filter);
    assert_eq!((rate(&filter), told(&filter)), (Some(90), true), "the file still says 2");
    write(5);
    start(&filter);
    assert_eq!(rate(&filter), Some(5), "the file has been changed");
    write(2);
    filter.reload(false).expect("asked for");
    assert_eq!((rate(&filter), told(&filter)), (Some(2), false));
    drop(filter);
    let filter = open(directory.path());
    start(&filter);
    assert_eq!(rate(&filter), Some(2));
}
