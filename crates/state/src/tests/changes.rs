//! What each change makes of the lists and bans, tells of, and leaves for the next start.

use std::{
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{bans::ban, blocked, filter, import, open, open_as, prefix};
use crate::{Filter, ImportOptions, Refusal, Terms};
use floodwall_api::ListName;
use floodwall_config::Config;
use floodwall_event::{Bus, Heard, What};
use floodwall_policy::Lifelines;
use floodwall_store::Store;
use floodwall_tables::{Capacity, SharedTables};

const HOUR: Duration = Duration::from_secs(3_600);

/// What is told of a change.
fn told<T>(filter: &Filter, change: impl FnOnce() -> T) -> (T, Vec<String>) {
    let mut heard = filter.bus.subscribe();
    let outcome = change();
    filter.bus.publish(What::Health { text: "end".to_owned(), loud: false });
    let mut events = Vec::new();
    while let Some(Heard::Event(event)) = heard.next_blocking() {
        match event.what {
            What::Health { text, .. } if text == "end" => break,
            what => events.push(what.to_string()),
        }
    }
    (outcome, events)
}

fn listed(filter: &Filter, list: ListName) -> Vec<String> {
    filter.page(list, None, 100).entries.into_iter().map(|entry| entry.prefix).collect()
}

fn add(filter: &Filter, list: ListName, prefixes: &[&str], lifetime: Option<Duration>) {
    let prefixes: Vec<_> = prefixes.iter().map(|text| prefix(text)).collect();
    filter.add(list, &prefixes, lifetime, None, None).expect("added");
}

/// The same state, as the next start has it.
fn again(filter: Arc<Filter>, directory: &Path) -> Arc<Filter> {
    drop(filter);
    open(directory)
}

#[test]
fn a_list_that_is_emptied_is_empty_at_the_next_start_too() {
    let (filter, directory) = filter();
    add(&filter, ListName::Block, &["192.0.2.1/32", "192.0.2.2/32"], None);
    add(&filter, ListName::Allow, &["192.0.2.3/32"], None);
    import(&filter, "198.51.100.1\n");
    let (removed, events) = told(&filter, || filter.flush(ListName::Block, None).expect("flushed"));
    assert_eq!((removed, events), (3, vec!["blocklist: 0 added, 3 removed (flush)".to_owned()]));
    assert!(blocked(&filter).is_empty());
    let filter = again(filter, directory.path());
    assert!(blocked(&filter).is_empty());
    assert_eq!(listed(&filter, ListName::Allow), ["192.0.2.3/32"]);
}

#[test]
fn what_expires_is_told_of_the_list_that_it_leaves() {
    let (filter, _directory) = filter();
    let later = SystemTime::now() + 2 * HOUR;
    add(&filter, ListName::Allow, &["192.0.2.3/32"], Some(HOUR));
    let (taken_back, events) = told(&filter, || filter.expire(later).expect("expired"));
    assert_eq!((taken_back, events), (1, vec!["allowlist: 0 added, 1 removed (expiry)".to_owned()]));
    add(&filter, ListName::Block, &["192.0.2.1/32"], Some(HOUR));
    let (_, events) = told(&filter, || filter.expire(later).expect("expired"));
    assert_eq!(events, ["blocklist: 0 added, 1 removed (expiry)"]);
    let (taken_back, events) = told(&filter, || filter.expire(later).expect("nothing to expire"));
    assert_eq!((taken_back, events), (0, vec![]));
    assert!(blocked(&filter).is_empty() && listed(&filter, ListName::Allow).is_empty());
}

#[test]
fn a_lifetime_ends_at_a_whole_second_and_no_sooner() {
    let ends = |now: u64, lifetime: Duration| {
        crate::expiry::expiry(UNIX_EPOCH + Duration::from_millis(now), lifetime).ok()
    };
    assert_eq!(ends(1_000, Duration::from_secs(2)), Some(3));
    assert_eq!(ends(1_000, Duration::from_millis(1_500)), Some(3));
    assert_eq!(ends(1_001, Duration::from_secs(2)), Some(4));
    assert_eq!((ends(0, Duration::ZERO), ends(0, Duration::MAX)), (None, None));
}

#[test]
fn a_list_is_shown_page_by_page() {
    let (filter, _directory) = filter();
    add(&filter, ListName::Block, &["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"], None);
    let shown = |after: Option<&str>, limit| {
        let page = filter.page(ListName::Block, after.map(prefix), limit);
        (page.entries.len(), page.next, page.total)
    };
    assert_eq!(shown(None, 2), (2, Some("192.0.2.2/32".to_owned()), 3));
    assert_eq!(shown(Some("192.0.2.2/32"), 2), (1, None, 3));
}

#[test]
fn it_is_said_which_prefix_decides_and_why() {
    let (filter, _directory) = filter();
    add(&filter, ListName::Block, &["192.0.2.0/24", "192.0.2.0/28"], None);
    add(&filter, ListName::Block, &["198.51.100.0/24"], None);
    let why = |last_byte: u8| filter.test([192, 0, 2, last_byte].into()).why;
    assert_eq!(why(7), "192.0.2.0/28 is blocked, and is the longest that covers 192.0.2.7");
    assert_eq!(why(70), "192.0.2.0/24 is blocked, and covers 192.0.2.70");
    assert_eq!(filter.test([203, 0, 113, 1].into()).why, "no listed prefix covers 203.0.113.1");
    add(&filter, ListName::Allow, &["192.0.2.7/32", "203.0.113.1/32"], None);
    assert_eq!(why(7), "192.0.2.7/32 is allowed, and covers 192.0.2.7; an allow wins over every block");
    assert_eq!(filter.test([203, 0, 113, 1].into()).why, "203.0.113.1/32 is allowed, and covers 203.0.113.1");
}

#[test]
fn a_trial_that_is_undone_is_told() {
    let (filter, _directory) = filter();
    let terms = Terms { within: Duration::from_secs(60), command: "block add".to_owned() };
    let (_, trial) = filter
        .on_trial(Some(terms), || filter.add(ListName::Block, &[prefix("192.0.2.0/24")], None, None, None));
    let number = trial.expect("a trial").number;
    let (undone, events) = told(&filter, || filter.undo_trial(number).expect("undone"));
    assert!(undone && blocked(&filter).is_empty());
    let expected = format!("change {number} (`block add`) was not confirmed in time, and is undone");
    assert!(events.contains(&expected), "{events:?}");
}

#[test]
fn what_was_decided_before_goes_on_while_its_lease_holds() {
    let resumes = |lease_until: u64| {
        let directory = tempfile::tempdir().expect("a directory");
        let capacity = Capacity { prefixes: 10_000, sources: 1_024, flows: 1_024 };
        let tables = Arc::new(SharedTables::in_memory(&capacity).expect("memory"));
        tables.settings[0].lease_until.store(lease_until);
        let opened = Store::open(directory.path(), false).expect("a directory that can be used");
        let config = Config { capacity, ..Config::default() };
        Filter::open(tables, opened, &config, Bus::default()).expect("a state that fits").resumes()
    };
    assert!(!resumes(0), "there was none before");
    assert!(!resumes(1), "it has lapsed");
    assert!(resumes(u64::MAX));
}

#[test]
fn bans_are_shown_page_by_page() {
    let (filter, _directory) = filter();
    let events = [1, 2, 3].map(|last| ban(&filter, last));
    assert_eq!(filter.note_bans(&events, &Lifelines::default()).expect("banned"), 3);
    let shown = |after: Option<&str>, limit| {
        let page = filter.bans(after.map(prefix), limit);
        let prefixes: Vec<_> = page.entries.into_iter().map(|entry| entry.prefix).collect();
        (prefixes.len(), page.next, page.total)
    };
    assert_eq!(shown(None, 2), (2, Some("203.0.113.2/32".to_owned()), 3));
    assert_eq!(shown(Some("203.0.113.2/32"), 2), (1, None, 3));
    assert_eq!(shown(None, 10), (3, None, 3));
}

#[test]
fn bans_that_are_lifted_are_not_there_at_the_next_start() {
    let (filter, directory) = filter();
    let events = [1, 2, 3].map(|last| ban(&filter, last));
    filter.note_bans(&events, &Lifelines::default()).expect("banned");
    let first = [prefix("203.0.113.1/32")];
    assert!(matches!(filter.lift_bans(&[prefix("203.0.113.9/32")]), Err(Refusal::NotFound(_))));
    let (lifted, events) = told(&filter, || filter.lift_bans(&first).expect("lifted"));
    assert_eq!((lifted, events), (1, vec!["1 bans were lifted".to_owned()]));
    assert!(matches!(filter.lift_bans(&first), Err(Refusal::NotFound(_))), "it is lifted already");
    let filter = again(filter, directory.path());
    assert_eq!(blocked(&filter), ["203.0.113.2/32", "203.0.113.3/32"]);
    let (lifted, events) = told(&filter, || filter.lift_all_bans().expect("lifted"));
    assert_eq!((lifted, events), (2, vec!["2 bans were lifted".to_owned()]));
    assert!(blocked(&filter).is_empty());
    let filter = again(filter, directory.path());
    assert!(blocked(&filter).is_empty() && filter.bans(None, 10).entries.is_empty());
}

#[test]
fn bans_end_at_their_time_and_that_is_told_once() {
    let (filter, _directory) = filter();
    filter.note_bans(&[ban(&filter, 1)], &Lifelines::default()).expect("banned");
    let now = SystemTime::now();
    let (ended, events) = told(&filter, || filter.end_bans(now).expect("looked"));
    assert_eq!((ended, events), (0, vec![]), "its time has not come");
    let end = filter.next_ban_end().expect("it ends");
    let left = end.duration_since(now).expect("in the future");
    assert!((Duration::from_secs(5)..HOUR).contains(&left), "{left:?}");
    let (ended, events) = told(&filter, || filter.end_bans(end).expect("ended"));
    assert_eq!((ended, events), (1, vec!["1 bans are over".to_owned()]));
    assert!(blocked(&filter).is_empty());
    let (ended, events) = told(&filter, || filter.end_bans(end).expect("looked"));
    assert_eq!((ended, events), (0, vec![]));
}

#[test]
fn who_is_taken_off_the_blocklist_is_not_banned_any_more() {
    let (filter, directory) = filter();
    filter.note_bans(&[ban(&filter, 1)], &Lifelines::default()).expect("banned");
    let banned = [prefix("203.0.113.1/32")];
    add(&filter, ListName::Allow, &["203.0.113.1/32"], None);
    filter.remove(ListName::Allow, &banned).expect("removed");
    assert_eq!(filter.bans(None, 10).total, 1, "that it was allowed says nothing of the ban");
    filter.remove(ListName::Block, &banned).expect("removed");
    assert_eq!(filter.bans(None, 10).total, 0);
    let filter = again(filter, directory.path());
    assert!(blocked(&filter).is_empty());
}

#[test]
fn an_import_says_what_it_has_refused() {
    let (filter, _directory) = filter();
    let options = |name: &str, lifelines| ImportOptions {
        name: name.to_owned(),
        skip_bad: true,
        replace: false,
        lifetime: None,
        lifelines,
    };
    let own: IpAddr = [192, 0, 2, 10].into();
    let lifelines = Lifelines { own: vec![own], ..Lifelines::default() };
    let text = "198.51.100.1\n192.0.2.10\n192.0.2.0/24\n";
    let report =
        filter.import(text.as_bytes(), &options("list", Some(lifelines)), &mut |_| ()).expect("imported");
    assert_eq!((report.added, report.refused, report.problems.len()), (1, 2, 2), "{report:?}");
    assert!(report.problems.iter().all(|problem| problem.message.contains("force imports it anyway")));
    for name in ["", "a\nb", &"x".repeat(1_000)] {
        let outcome = filter.import(&b"198.51.100.1\n"[..], &options(name, None), &mut |_| ());
        assert!(matches!(outcome, Err(Refusal::Invalid(_))), "{name:?}");
    }
}

#[test]
fn imports_are_told_by_what_they_hold() {
    let (filter, _directory) = filter();
    assert!(filter.imports().is_empty());
    import(&filter, "198.51.100.1\n198.51.100.2\n");
    let there: Vec<_> = filter.imports().into_iter().map(|import| (import.import, import.prefixes)).collect();
    assert_eq!(there, [("list".to_owned(), 2)]);
}

#[test]
fn most_of_all_addresses_are_not_blocked_at_once() {
    let (filter, _directory) = filter();
    let lifelines = Lifelines::default();
    let block = |prefixes: &[&str]| {
        let prefixes: Vec<_> = prefixes.iter().map(|text| prefix(text)).collect();
        filter.add(ListName::Block, &prefixes, None, None, Some(&lifelines))
    };
    assert!(matches!(block(&["0.0.0.0/1", "128.0.0.0/2"]), Err(Refusal::Dangerous(_))));
    assert!(block(&["0.0.0.0/2"]).is_ok(), "a quarter");
    assert!(
        matches!(block(&["64.0.0.0/2", "128.0.0.0/2"]), Err(Refusal::Dangerous(_))),
        "with what is there"
    );
    assert!(block(&["128.0.0.0/24"]).is_ok());
}

#[test]
fn what_the_host_lives_by_and_is_dropped_is_told() {
    let (filter, _directory) = filter();
    let [gateway, resolver, login]: [IpAddr; 3] =
        [[192, 0, 2, 1].into(), [192, 0, 2, 2].into(), [192, 0, 2, 3].into()];
    let lifelines = Lifelines {
        gateways: vec![gateway],
        resolvers: vec![resolver],
        logins: vec![login],
        ..Lifelines::default()
    };
    assert!(filter.cut_off(&lifelines).is_empty());
    add(&filter, ListName::Block, &["192.0.2.0/24"], None);
    add(&filter, ListName::Allow, &["192.0.2.2/32"], None);
    let warnings = filter.cut_off(&lifelines);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("192.0.2.1, this host's default gateway, is dropped by 192.0.2.0/24"));
    assert!(warnings[1].contains("`floodwall allow add 192.0.2.3` lets it in"), "{warnings:?}");
}

#[test]
fn bans_of_a_damaged_state_are_not_kept_in_the_list() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("journal-7.jsonl"), "{\"change\":\"lift-all\"}\n").expect("written");
    let filter = open_as(directory.path(), false);
    assert!(!filter.keeps_changes());
    assert!(matches!(filter.keep_bans(&[], None), Err(Refusal::Damaged(_))));
    assert!(matches!(filter.check_changeable(), Err(Refusal::Damaged(_))));
}
