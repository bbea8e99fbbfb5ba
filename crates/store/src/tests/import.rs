//! Imports of many prefixes.

use super::*;

#[test]
fn a_list_of_many_parts_of_both_families_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    let mut list: Vec<String> = (0..20_000).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect();
    list.extend((0..5_000).map(|n| format!("2001:db8:{n:x}::/48")));
    let list: Vec<_> = list.iter().map(String::as_str).collect();
    save_list(&mut store, &mut records, &list);
    drop(store);
    let opened = open(directory.path(), false);
    let read = &opened.lists[&Origin::import(1).unwrap()];
    assert!(
        read.iter().copied().eq(list.iter().map(|text| prefix(text))),
        "{} of {}",
        read.len(),
        list.len()
    );
    let (store, _) = self::store(opened);
    assert_eq!(store.load_import(Origin::import(1).unwrap()).unwrap().len(), list.len());
}

#[test]
fn an_empty_list_is_a_list() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    save_list(&mut store, &mut records, &[]);
    drop(store);
    let opened = open(directory.path(), false);
    assert_eq!(damaged_with(&opened), [""; 0]);
    assert_eq!(opened.lists[&Origin::import(1).unwrap()], []);
}
