//! What is done by hand, while no daemon holds the directory.

use super::*;
use crate::{check, export, import, repair};

fn state() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    keep(&mut store, &mut records, &[add("192.0.2.1/32")]);
    save_list(&mut store, &mut records, &["198.51.100.1/32", "198.51.100.2/32"]);
    keep(&mut store, &mut records, &[add("192.0.2.2/32")]);
    directory
}

const HELD: [&str; 4] = ["192.0.2.1/32", "192.0.2.2/32", "list 198.51.100.1/32", "list 198.51.100.2/32"];

#[test]
fn a_check_says_what_there_is_and_changes_nothing() {
    let directory = state();
    let before = files(directory.path());
    let account = check(directory.path()).unwrap();
    assert_eq!((account.format, account.entries, account.imports, account.prefixes), (2, 2, 1, 2));
    assert!(account.damage.is_empty());
    assert_eq!(files(directory.path()), before);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(check(nothing.path()).unwrap().format, 0);
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0, "something was made");
    assert!(check(&nothing.path().join("x")).is_err());
    let _held = open(directory.path(), false);
    assert!(format!("{:#}", check(directory.path()).unwrap_err()).contains("another floodwall uses"));
}

#[test]
fn a_repair_keeps_what_can_be_read_and_the_originals() {
    let directory = state();
    let sound = repair(directory.path()).unwrap();
    assert!(sound.set_aside.is_none() && sound.before.is_empty());
    fs::remove_file(directory.path().join(WITNESS)).unwrap();
    let before = files(directory.path());
    assert_eq!(check(directory.path()).unwrap().damage[0].what, "witness is missing");
    assert_eq!(files(directory.path()), before);
    let repaired = repair(directory.path()).unwrap();
    assert_eq!(repaired.before.len(), 1);
    assert!(repaired.now.damage.is_empty());
    assert_eq!(self::files(&repaired.set_aside.unwrap())[DATABASE], before[DATABASE]);
    assert_eq!(read(&open(directory.path(), false)), HELD);
}

#[test]
fn what_is_exported_can_be_imported_elsewhere_once() {
    let (from, to) = (state(), tempfile::tempdir().unwrap());
    let text = to.path().join("text");
    assert!(export(from.path(), &mut fs::File::create(&text).unwrap()).unwrap().damage.is_empty());
    let into = to.path().join("state");
    let open_text = || fs::File::open(&text).unwrap();
    assert!(!import(&into, open_text(), false).unwrap().incomplete);
    assert_eq!(read(&open(&into, false)), HELD);
    let refused = format!("{:#}", import(&into, open_text(), false).unwrap_err());
    assert!(refused.contains("holds a state already"), "{refused}");
    let replaced = import(&into, open_text(), true).unwrap();
    assert!(replaced.set_aside.is_some());
    assert_eq!(read(&open(&into, false)), HELD);
    // One of a state that is damaged says so.
    fs::remove_file(from.path().join(WITNESS)).unwrap();
    assert_eq!(export(from.path(), &mut fs::File::create(&text).unwrap()).unwrap().damage.len(), 1);
    assert!(import(&into, open_text(), true).unwrap().incomplete);
    assert_eq!(read(&open(&into, false)), HELD);
    // A text that is not whole changes nothing.
    let before = files(&into);
    let whole = fs::read(&text).unwrap();
    fs::write(&text, &whole[..whole.len() - 2]).unwrap();
    assert!(import(&into, open_text(), true).is_err());
    assert_eq!(files(&into), before);
}
