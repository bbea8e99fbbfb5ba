//! What another configuration changes, and which checks it has count only.

use super::filter;
use crate::Filter;
use floodwall_config::Config;
use floodwall_policy::RuleId;

#[test]
fn a_reload_says_what_it_changes_and_changes_it_unless_it_is_only_to_say() {
    let (filter, directory) = filter();
    let file = directory.path().join("floodwall.toml");
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    let said = |only_say| filter.reload(only_say).expect("it reads").differences;
    write("");
    filter.configured_from(Some(&file), false);
    assert_eq!(said(true), [""; 0]);
    for (text, expected) in [
        ("max-prefixes = 5000", "~ max-prefixes, max-sources, max-flows: at the next start"),
        ("interfaces = [\"eth7\"]", "~ interfaces: eth7, at the next start"),
        ("events-per-second = 7", "~ events: 7/s"),
        ("lease = \"30s\"", "~ lease: 30s"),
        ("observe = true", "~ observe: true"),
    ] {
        write(text);
        let lines = said(true);
        assert!(lines.len() == 1 && lines[0].starts_with(expected), "{text}: {lines:?}");
    }
    write("interfaces = []\nlease = \"30s\"\nobserve = true\n[limit]\nsyn = { rate = 7, burst = 8 }");
    let lines = said(false);
    assert!(lines.len() == 3 && lines[1..] == ["~ lease: 30s", "~ observe: true"], "{lines:?}");
    assert!(lines[0].contains("source-syn"), "{lines:?}");
    assert_eq!(said(true), [""; 0], "it is in force");
    assert!(filter.is_observing());
    write("observe = false");
    assert_eq!(said(false).last().map(String::as_str), Some("~ observe: false"));
    assert!(!filter.is_observing());
}

#[test]
fn a_check_that_is_monitored_says_so_and_the_others_do_not() {
    let (filter, directory) = filter();
    let file = directory.path().join("floodwall.toml");
    std::fs::write(&file, "monitor = [\"fragment\"]").expect("written");
    filter.configured_from(Some(&file), false);
    let counting = |why: &str| -> Vec<String> {
        let checks = filter.checks().into_iter();
        checks
            .filter(|check| check.why.iter().any(|all| all.contains(why)))
            .map(|check| check.check)
            .collect()
    };
    assert_eq!(counting("monitored"), [""; 0], "it is not in force yet");
    filter.reload(false).expect("it reads");
    assert_eq!(counting("monitored"), ["fragment"]);
    let enforced = filter.checks().into_iter().find(|check| check.check == "fragment");
    assert_eq!(enforced.map(|check| check.enforced), Some(false));
    std::fs::write(&file, "observe = true").expect("written");
    filter.reload(false).expect("it reads");
    assert_eq!((counting("monitored").len(), counting("observe:").len()), (0, filter.checks().len()));
}

/// A rule that only counts once it goes too far.
fn with_ceiling(filter: &Filter, ceiling: &str) -> RuleId {
    let text = format!(
        "[[service]]\nname = \"web\"\nports = [80]\n[[service.rule]]\nname = \"source-syn\"\nrate = 7\nceiling = {ceiling}"
    );
    let policy = Config::parse(&text).expect("valid").policy;
    filter.policy_state.lock().configure(&filter.tables, policy, false).expect("it fits");
    RuleId::new("web", "source-syn")
}

#[test]
fn a_rule_that_bans_more_than_its_ceiling_within_a_minute_only_counts() {
    const START: u64 = 1_000_000;
    let (filter, _directory) = filter();
    let rule = with_ceiling(&filter, "{ bans-per-minute = 2 }");
    let mut policy_state = filter.policy_state.lock();
    let mut banned = |bans: usize, now_ms| {
        let told =
            policy_state.count(&filter.tables, &vec![(rule.clone(), false); bans], now_ms).expect("counted");
        let only_counts = policy_state.policy_as_it_holds().rule(&rule).expect("there").monitor;
        (told.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), only_counts)
    };
    assert_eq!(banned(2, START), (vec![], false), "as many as it may");
    assert_eq!(banned(2, START + 60_001), (vec![], false), "those of a minute ago are forgotten");
    let (told, only_counts) = banned(1, START + 60_002);
    assert!(told[0].contains("3 bans within a minute") && only_counts, "{told:?}");
    assert_eq!(banned(1, START + 60_003), (vec![], true), "it is told once");
    policy_state.forgive(&rule);
    assert!(
        !policy_state.policy_as_it_holds().rule(&rule).expect("there").monitor,
        "it is given another chance"
    );
    assert_eq!(policy_state.count(&filter.tables, &[(rule, false)], START + 60_004).expect("counted"), []);
}

#[test]
fn a_rule_that_bans_too_many_known_sources_only_counts() {
    let (filter, _directory) = filter();
    let rule = with_ceiling(&filter, "{ known-percent = 10 }");
    let mut policy_state = filter.policy_state.lock();
    policy_state.set_known(20);
    let mut told = |known: bool, bans: usize| {
        let told =
            policy_state.count(&filter.tables, &vec![(rule.clone(), known); bans], 1).expect("counted");
        told.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
    };
    assert_eq!(told(false, 50), [""; 0], "unknown ones");
    assert_eq!(told(true, 2), [""; 0], "a tenth");
    let said = told(true, 1);
    assert!(said[0].contains("3 of 20 known sources banned within a minute"), "{said:?}");
}

#[test]
fn rules_that_get_a_number_have_their_counters_cleared_once() {
    let (filter, _directory) = filter();
    let mut policy_state = filter.policy_state.lock();
    policy_state.take_fresh();
    drop(policy_state);
    with_ceiling(&filter, "{ bans-per-minute = 2 }");
    let mut policy_state = filter.policy_state.lock();
    assert!(!policy_state.take_fresh().is_empty());
    assert!(policy_state.take_fresh().is_empty());
}
