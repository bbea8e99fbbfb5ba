//! Many imports at once, and who wants what of it.

use std::collections::BTreeSet;

use super::{blocked, filter, open, prefix, write_older};
use crate::{Filter, ImportOptions};
use floodwall_api::ListName;
use floodwall_store::records::Origin;
use floodwall_tables::prefixes::List;

fn import(filter: &Filter, name: &str, text: &str, replace: bool) {
    let options =
        ImportOptions { name: name.to_owned(), skip_bad: false, replace, lifetime: None, lifelines: None };
    filter.import(text.as_bytes(), &options, &mut |_| ()).expect("a sound list");
}

/// Who wants a prefix.
fn wants(filter: &Filter, text: &str) -> Vec<String> {
    let listed = filter.table.lock().get(List::Block, prefix(text)).map(|listed| listed.owner);
    listed.map_or(Vec::new(), |owners| filter.origins(owners).iter().map(Origin::to_string).collect())
}

/// More than there were bits for, once.
const MANY: u32 = 40;

#[test]
fn as_many_imports_as_anybody_has_are_kept_apart() {
    let (filter, directory) = filter();
    // Each has a prefix of its own, one that all have, and one that every third has.
    let text = |number: u32| {
        let third = if number.is_multiple_of(3) { "198.51.100.3\n" } else { "" };
        format!("192.0.2.{number}\n198.51.100.1\n{third}")
    };
    (1..=MANY).for_each(|number| import(&filter, &format!("list {number}"), &text(number), false));
    filter.add(ListName::Block, &[prefix("198.51.100.1/32")], None, None, None).expect("added");
    let check = |filter: &Filter, imports: &BTreeSet<u32>| {
        let all: Vec<_> = imports.iter().map(|number| format!("import-{number}")).collect();
        let mut with_hand = vec!["manual".to_owned()];
        with_hand.extend(all);
        assert_eq!(wants(filter, "198.51.100.1/32"), with_hand);
        let third = imports.iter().filter(|number| number.is_multiple_of(3));
        let third: Vec<_> = third.map(|number| format!("import-{number}")).collect();
        assert_eq!(wants(filter, "198.51.100.3/32"), third);
        for number in 1..=MANY {
            let own = if imports.contains(&number) { vec![format!("import-{number}")] } else { vec![] };
            assert_eq!(wants(filter, &format!("192.0.2.{number}/32")), own);
        }
    };
    let mut imports: BTreeSet<u32> = (1..=MANY).collect();
    check(&filter, &imports);
    for number in [1, 20, MANY].into_iter().chain((3..39).step_by(3)) {
        let own =
            u64::from(filter.flush(ListName::Block, Some(&format!("list {number}"))).expect("flushed") > 0);
        assert_eq!(own, 1, "its own prefix leaves");
        imports.remove(&number);
        check(&filter, &imports);
    }
    // What two sets of owners were made of is not in use any more.
    filter.table.lock().forget_sets();
    check(&filter, &imports);
    drop(filter);
    let filter = open(directory.path());
    check(&filter, &imports);
    import(&filter, "list 39", "203.0.113.9", true);
    imports.remove(&39);
    assert_eq!(wants(&filter, "198.51.100.3/32"), Vec::<String>::new(), "nobody else wanted it");
    assert_eq!(wants(&filter, "203.0.113.9/32"), ["import-39"]);
    check(&filter, &imports);
    filter.remove(ListName::Block, &[prefix("198.51.100.1/32")]).expect("removed");
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(wants(&filter, "198.51.100.1/32"), Vec::<String>::new(), "what was removed stays away");
    assert_eq!(wants(&filter, "203.0.113.9/32"), ["import-39"]);
}

#[test]
fn sets_of_owners_that_come_and_go_do_not_pile_up() {
    let (filter, _directory) = filter();
    // Each has another half of the prefixes: nearly every prefix is wanted by a set of its own.
    let half = |number: u32| -> String {
        let wanted =
            (0..1_500_u32).filter(|host| host.wrapping_mul(0x9e37_79b1).rotate_left(number) & 1 == 1);
        wanted.map(|host| format!("198.18.{}.{}\n", host >> 8, host & 255)).collect()
    };
    for round in 0..2 {
        (1..=20).for_each(|number| import(&filter, &format!("list {number}"), &half(number), true));
        assert!(filter.sets.len() < 10_000, "{} sets in round {round}", filter.sets.len());
    }
    filter.flush(ListName::Block, None).expect("flushed");
    filter.table.lock().forget_sets();
    assert_eq!(filter.sets.len(), 64);
}

#[test]
fn what_an_older_version_has_written_of_imports_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut changes: Vec<String> = (1..=30)
        .map(|number| format!(r#"{{"change":"import","origin":{number},"name":"list {number}","since":1}}"#))
        .collect();
    // Bits of imports, the lowest of which stands for the first: all of them, and two.
    for (last, imports) in [(1, 2_147_483_646_u32), (2, 1_073_741_826)] {
        changes.push(format!(
            r#"{{"change":"remove","list":"block","prefix":"192.0.2.{last}/32","imports":{imports}}}"#
        ));
    }
    let changes: Vec<_> = changes.iter().map(String::as_str).collect();
    let lists: Vec<_> = (1..=30).map(|number| (number, "192.0.2.1/32\n192.0.2.2/32\n")).collect();
    write_older(directory.path(), &changes, &lists);
    for start in ["the first", "the next"] {
        let filter = open(directory.path());
        assert_eq!(filter.problems(), [""; 0], "{start}");
        assert_eq!(blocked(&filter), ["192.0.2.2/32"], "{start}");
        let expected: Vec<_> = (2..30).map(|number| format!("import-{number}")).collect();
        assert_eq!(wants(&filter, "192.0.2.2/32"), expected, "{start}");
    }
}

#[test]
fn what_imports_hold_is_told_of_each() {
    let (filter, _directory) = filter();
    assert!(filter.imports().is_empty());
    filter.add(ListName::Block, &[prefix("203.0.113.0/24")], None, None, None).expect("added");
    assert!(filter.imports().is_empty(), "what is listed by hand is no import");
    let many: String = (0..9_000).map(|n| format!("10.{}.{}.0/24\n", n / 250, n % 250)).collect();
    import(&filter, "large", &many, false);
    import(&filter, "small", "10.0.0.0/24\n2001:db8::/32\n", false);
    let told: Vec<_> = filter
        .imports()
        .into_iter()
        .map(|traffic| (traffic.import, traffic.prefixes, traffic.packets))
        .collect();
    assert_eq!(told, [("large".to_owned(), 9_000, 0), ("small".to_owned(), 2, 0)]);
}
