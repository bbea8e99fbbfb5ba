//! A state that is damaged: what operators ask for is refused, what happens by itself goes on in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::{bans::ban, blocked, import, open, open_as, prefix};
use crate::{Filter, ImportOptions, Refusal};
use floodwall_api::{ListName, RuleChange};
use floodwall_detect::signature::Signature;
use floodwall_detect::{Detector, Owner};
use floodwall_policy::Lifelines;
use floodwall_policy::{Policy, RuleId};

const HOUR: Duration = Duration::from_secs(3_600);

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

fn rule(seconds: Option<u64>) -> RuleChange {
    RuleChange {
        service: "default".to_owned(),
        of: "rst".to_owned(),
        per: "source".to_owned(),
        rate: Some(5),
        burst: None,
        then: None,
        mode: None,
        seconds,
        reset: false,
    }
}

fn policy(filter: &Filter) -> Policy {
    serde_json::from_value(filter.in_force().expect("JSON").policy).expect("a policy")
}

/// A state with something of everything in it that ends by itself, without its witness.
fn damaged() -> (Arc<Filter>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let filter = open(directory.path());
    filter.add(ListName::Block, &[prefix("192.0.2.1/32")], None, None, None).expect("added");
    filter.add(ListName::Block, &[prefix("192.0.2.2/32")], Some(HOUR), None, None).expect("added");
    let options = ImportOptions {
        name: "for a time".to_owned(),
        skip_bad: false,
        replace: false,
        lifetime: Some(HOUR),
        lifelines: None,
    };
    filter.import(b"198.51.100.1", &options, &mut |_| ()).expect("imported");
    filter.set_rule(&rule(Some(3_600))).expect("set");
    filter.note_bans(&[ban(&filter, 1)], &Lifelines::default()).expect("banned");
    drop(filter);
    fs::remove_file(directory.path().join("witness")).expect("it was there");
    (open(directory.path()), directory)
}

#[test]
fn what_can_be_read_is_in_force_and_what_operators_ask_for_is_refused() {
    let (filter, directory) = damaged();
    let before = files(directory.path());
    let held = ["192.0.2.1/32", "192.0.2.2/32", "198.51.100.1/32", "203.0.113.1/32"];
    assert_eq!(blocked(&filter), held);
    let problems = filter.problems();
    assert!(problems[0].contains("DAMAGED") && problems[0].contains("--accept-state"), "{problems:?}");
    assert_eq!(problems[1..], ["witness is missing: put it back"]);

    let one = [prefix("192.0.2.1/32")];
    let banned = [prefix("203.0.113.1/32")];
    let options = ImportOptions {
        name: "list".to_owned(),
        skip_bad: false,
        replace: true,
        lifetime: None,
        lifelines: None,
    };
    let limit = RuleChange { of: "packets".to_owned(), rate: Some(1), ..rule(None) };
    let limits_before = filter.limits();
    let signature: Signature = "tcp flags=syn window=0".parse().expect("a signature");
    // One is pinned since before. Nobody serves its owner: what asks for more would wait for ever.
    let mut detector = Detector::default();
    detector.pin("udp sport=7 len=28".parse().expect("a signature"), true, 1);
    let (_owner, detection) = Owner::new(detector);
    let outcomes: [(&str, Result<(), Refusal>); 13] = [
        ("add", filter.add(ListName::Block, &[prefix("192.0.2.9/32")], None, None, None).map(drop)),
        ("allow", filter.add(ListName::Allow, &one, None, None, None).map(drop)),
        ("remove", filter.remove(ListName::Block, &one).map(drop)),
        ("import", filter.import(b"192.0.2.9", &options, &mut |_| ()).map(drop)),
        ("flush", filter.flush(ListName::Block, None).map(drop)),
        ("flush an import", filter.flush(ListName::Block, Some("for a time")).map(drop)),
        ("limit", filter.set_rule(&limit).map(drop)),
        ("rule", filter.set_rule(&rule(None)).map(drop)),
        ("lift", filter.lift_bans(&banned).map(drop)),
        ("lift all", filter.lift_all_bans().map(drop)),
        ("keep", filter.keep_bans(&banned, None).map(drop)),
        ("pin", filter.pin_signature(signature, true, None, &detection).map(drop)),
        ("unpin", filter.unpin_signature(0, &detection).map(drop)),
    ];
    for (what, outcome) in outcomes {
        let Err(Refusal::Damaged(why)) = outcome else { panic!("{what}: {outcome:?}") };
        assert!(why.contains("witness is missing") && why.contains("--accept-state"), "{what}: {why}");
    }
    assert_eq!(blocked(&filter), held, "something was enforced, or not any more");
    assert_eq!(filter.limits(), limits_before);
    assert_eq!(filter.bans(None, 10).total, 1);
    assert!(filter.bypass(Some(HOUR)).expect("a bypass is no change of the state").is_some());
    assert_eq!(files(directory.path()), before, "something was written");
}

#[test]
fn what_happens_by_itself_goes_on_in_memory() {
    let (filter, directory) = damaged();
    let before = files(directory.path());
    let rule = RuleId::new("default", "source-rst");
    assert!(policy(&filter).rule(&rule).is_some(), "the rule is not in force");
    assert_eq!(filter.note_bans(&[ban(&filter, 2)], &Lifelines::default()).expect("banned"), 1);
    assert!(blocked(&filter).contains(&"203.0.113.2/32".to_owned()), "a new ban is not in force");
    filter.spare([[203, 0, 113, 2].into()].into(), &mut BTreeSet::new());
    assert!(
        !blocked(&filter).contains(&"203.0.113.2/32".to_owned()),
        "a ban of what the host lives by is in force"
    );
    let later = SystemTime::now() + 2 * HOUR;
    assert_eq!(filter.end_bans(later).expect("ended"), 1);
    assert_eq!(filter.expire(later).expect("expired"), 3, "an entry, an import, and a rule");
    assert_eq!(filter.expire(later).expect("nothing"), 0);
    assert_eq!(blocked(&filter), ["192.0.2.1/32"]);
    assert!(policy(&filter).rule(&rule).is_none(), "the rule is still in force");
    assert_eq!(files(directory.path()), before, "something was written");
}

#[test]
fn once_it_is_accepted_changes_are_taken_again() {
    let (filter, directory) = damaged();
    let held = blocked(&filter);
    drop(filter);
    let filter = open_as(directory.path(), true);
    assert_eq!(blocked(&filter), held);
    assert_eq!(filter.problems(), [""; 0]);
    filter.remove(ListName::Block, &[prefix("192.0.2.1/32")]).expect("removed");
    import(&filter, "198.51.100.9\n");
    drop(filter);
    let filter = open(directory.path());
    let expected = ["192.0.2.2/32", "198.51.100.1/32", "198.51.100.9/32", "203.0.113.1/32"];
    assert_eq!((blocked(&filter), filter.problems()), (expected.map(str::to_owned).to_vec(), Vec::new()));
}
