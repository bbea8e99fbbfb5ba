//! What each change makes of what is known, and what a copy of it leads to.

use floodwall_api::ListName;
use floodwall_policy::RuleId;
use floodwall_tables::Prefix;

use super::*;

const ONE: &str = "192.0.2.0/24";
const OTHER: &str = "2001:db8::/32";

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn origin(number: u16) -> Origin {
    Origin::import(number).expect("a number of an import")
}

/// Changes, as they stand on disk.
fn changes(lines: &[&str]) -> Vec<Change> {
    lines.iter().map(|line| serde_json::from_str(line).expect("a change")).collect()
}

fn known(lines: &[&str]) -> Records {
    let mut records = Records::default();
    changes(lines).iter().for_each(|change| records.apply(change));
    records
}

fn lines(changes: impl IntoIterator<Item = Change>) -> Vec<String> {
    changes.into_iter().map(|change| serde_json::to_string(&change).expect("JSON")).collect()
}

const BLOCK: &str =
    r#"{"change":"add","list":"block","prefix":"192.0.2.0/24","since":1,"expires":50,"note":"spam"}"#;
const ALLOW: &str = r#"{"change":"add","list":"allow","prefix":"2001:db8::/32","since":2,"expires":60}"#;
const IMPORT: &str = r#"{"change":"import","origin":1,"name":"feodo","since":3,"expires":40}"#;
const ANOTHER: &str = r#"{"change":"import","origin":2,"name":"drop","since":3}"#;
const WITHHELD: &str = r#"{"change":"remove","list":"block","prefix":"198.51.100.0/24","imports":[1,2]}"#;
const SIGNATURE: &str = r#"{"change":"signature","text":"ttl=7","enforced":false,"expires":30}"#;
const BAN: &str =
    r#"{"change":"ban","prefix":"203.0.113.7/32","since":1,"until":900,"forget":999,"count":2}"#;
const RULE: &str = r#"{"change":"set-rule","service":"web","rule":"syn","per":"source","of":"syn","mode":"monitor","expires":20}"#;
const HELD: &str = r#"{"change":"hold-configuration","refused":"old","text":"new"}"#;
const TRIAL: &str = r#"{"change":"trial","number":4,"since":5,"until":65,"command":"block add","undo":[]}"#;

/// One of each, in the order of a copy.
const ALL: [&str; 10] = [IMPORT, ANOTHER, WITHHELD, ALLOW, BLOCK, SIGNATURE, BAN, RULE, HELD, TRIAL];

#[test]
fn a_copy_holds_all_that_is_known_and_leads_to_the_same() {
    let copied = lines(known(&ALL).changes());
    assert_eq!(copied, lines(changes(&ALL)));
    let texts: Vec<_> = copied.iter().map(String::as_str).collect();
    assert_eq!(lines(known(&texts).changes()), copied);
}

#[test]
fn what_was_said_is_told() {
    let records = known(&ALL);
    let note = NoteRecord { since: 1, expires: Some(50), note: Some("spam".to_owned()) };
    assert_eq!(records.note(ListName::Block, prefix(ONE)), Some(&note));
    assert_eq!(records.note(ListName::Allow, prefix(ONE)), None, "of the other list");
    let noted: Vec<_> = records.noted().collect();
    assert_eq!(noted, [(ListName::Allow, prefix(OTHER)), (ListName::Block, prefix(ONE))]);
    let import = ImportRecord { name: "feodo".to_owned(), since: 3, expires: Some(40) };
    assert_eq!((records.import(origin(1)), records.import(origin(3))), (Some(&import), None));
    assert_eq!(records.imports().map(|(origin, _)| origin).collect::<Vec<_>>(), [origin(1), origin(2)]);
    assert_eq!((records.origin_of("drop"), records.origin_of("else")), (Some(origin(2)), None));
    assert_eq!((records.free_origin(), known(&[ANOTHER]).free_origin()), (Some(origin(3)), Some(origin(1))));
    assert_eq!(records.signatures().collect::<Vec<_>>(), [("ttl=7", false)]);
    let signature = SignatureRecord { enforced: false, expires: Some(30) };
    assert_eq!((records.signature("ttl=7"), records.signature("ttl=8")), (Some(signature), None));
    assert_eq!(records.overrides().keys().collect::<Vec<_>>(), [&RuleId::new("web", "syn")]);
    assert_eq!(records.trials().get(4).map(|trial| trial.until), Some(65));
    assert_eq!(records.bans.len(), 1);
}

#[test]
fn what_has_expired_is_taken_back_at_its_time_and_no_sooner() {
    let mut records = known(&ALL);
    assert_eq!(records.next_expiry(), Some(20));
    assert_eq!(lines(records.expired(19)), [""; 0]);
    let taken_back = [
        r#"{"change":"reset-rule","service":"web","rule":"syn"}"#,
        r#"{"change":"forget-signature","text":"ttl=7"}"#,
        r#"{"change":"forget","origin":1}"#,
        r#"{"change":"remove","list":"block","prefix":"192.0.2.0/24"}"#,
        r#"{"change":"remove","list":"allow","prefix":"2001:db8::/32"}"#,
    ];
    assert_eq!(lines(records.expired(20)), taken_back[..1]);
    assert_eq!(lines(records.expired(60)), taken_back);
    records.expired(60).iter().for_each(|change| records.apply(change));
    assert_eq!((records.next_expiry(), records.expired(u64::MAX)), (None, Vec::new()));
    assert_eq!((records.noted().count(), records.signatures().count(), records.overrides().len()), (0, 0, 0));
    assert_eq!(records.imports().map(|(origin, _)| origin).collect::<Vec<_>>(), [origin(2)]);
}

#[test]
fn what_is_said_again_holds_in_place_of_what_was_said_before() {
    // Each once with a time, and then without one.
    let again = |first: &str| {
        let timeless: Vec<_> = changes(&[first])
            .into_iter()
            .map(|mut change| {
                match &mut change {
                    Change::Add { expires, .. }
                    | Change::Import { expires, .. }
                    | Change::Signature { expires, .. }
                    | Change::SetRule { expires, .. } => *expires = None,
                    other => panic!("{other:?} has no end"),
                }
                change
            })
            .collect();
        let mut records = known(&[first]);
        assert!(records.next_expiry().is_some(), "{first}");
        timeless.iter().for_each(|change| records.apply(change));
        assert_eq!((records.next_expiry(), lines(records.changes())), (None, lines(timeless)), "{first}");
    };
    [BLOCK, ALLOW, IMPORT, SIGNATURE, RULE].into_iter().for_each(again);
}

#[test]
fn a_prefix_stays_away_for_the_imports_that_it_was_taken_from() {
    let withheld = prefix("198.51.100.0/24");
    let mut records = known(&[IMPORT, ANOTHER, WITHHELD]);
    let is_withheld =
        |records: &Records| [1, 2, 3].map(|number| records.is_withheld(origin(number), withheld));
    assert_eq!(is_withheld(&records), [true, true, false]);
    assert!(!records.is_withheld(origin(1), prefix(ONE)), "another prefix");
    let back = r#"{"change":"return","prefix":"198.51.100.0/24","imports":[1]}"#;
    changes(&[back]).iter().for_each(|change| records.apply(change));
    assert_eq!(is_withheld(&records), [false, true, false]);
    records.apply(&Change::Forget { origin: origin(2) });
    assert_eq!(is_withheld(&records), [false; 3]);
    assert_eq!(lines(records.changes()), [IMPORT], "of what is gone nothing is left");
}

#[test]
fn a_list_that_is_emptied_leaves_the_other_and_all_else() {
    let emptied = |list: ListName| {
        let mut records = known(&ALL);
        records.apply(&Change::Flush { list });
        records
    };
    let without = |gone: &[&str]| -> Vec<String> {
        ALL.into_iter().filter(|line| !gone.contains(line)).map(str::to_owned).collect()
    };
    let allow = emptied(ListName::Allow);
    assert_eq!((lines(allow.changes()), allow.expired(u64::MAX).len()), (without(&[ALLOW]), 4));
    let block = emptied(ListName::Block);
    let gone = without(&[BLOCK, IMPORT, ANOTHER, WITHHELD, BAN]);
    assert_eq!((lines(block.changes()), block.expired(u64::MAX).len()), (gone, 3));
}

#[test]
fn bans_are_lifted_one_by_one_or_all() {
    let another = BAN.replace("203.0.113.7", "203.0.113.8");
    let left =
        |lift: &str| known(&[BAN, &another, lift]).bans.all().map(|(prefix, _)| prefix).collect::<Vec<_>>();
    assert_eq!(left(r#"{"change":"lift","prefix":"203.0.113.7/32"}"#), [prefix("203.0.113.8/32")]);
    assert_eq!(left(r#"{"change":"lift-all"}"#), []);
}
