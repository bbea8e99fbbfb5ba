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
    let older =
        directory_of(&[("snapshot.jsonl".to_owned(), b"{\"version\":1,\"journal\":1}\n".to_vec())].into());
    assert_eq!(check(older.path()).unwrap().format, 1);
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(check(nothing.path()).unwrap().format, 0);
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0, "something was made");
    assert!(check(&nothing.path().join("x")).is_err());
}

#[test]
fn what_a_daemon_uses_is_read_through_a_copy_and_not_changed() {
    let directory = state();
    let (mut store, mut records) = store(open(directory.path(), false));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let text = std::thread::scope(|threads| {
        threads.spawn(|| {
            let addresses = (0..8_u8).flat_map(|high| (0..=255_u8).map(move |low| (high, low)));
            for (high, low) in addresses {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                keep(&mut store, &mut records, &[add(&format!("203.0.{high}.{low}/32"))]);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let mut least = 2;
        let mut text = Vec::new();
        for _ in 0..10 {
            let account = check(directory.path()).unwrap();
            assert!(account.damage.is_empty(), "{:?}", account.damage);
            assert!(account.entries >= least, "{} entries after {least}", account.entries);
            least = account.entries;
            text.clear();
            assert!(export(directory.path(), &mut text).unwrap().damage.is_empty());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(least > 2, "nothing was written meanwhile");
        text
    });
    assert!(text.len() > 200);
    for refused in [repair(directory.path()).unwrap_err(), {
        let file = directory.path().join("text");
        fs::write(&file, &text).unwrap();
        import(directory.path(), fs::File::open(&file).unwrap(), true).unwrap_err()
    }] {
        assert!(format!("{refused:#}").contains("another floodwall uses"), "{refused:#}");
    }
}

#[test]
fn damage_to_what_a_daemon_uses_is_seen_in_the_copy() {
    let directory = state();
    let _held = open(directory.path(), false);
    fs::write(directory.path().join(WITNESS), b"").unwrap();
    assert!(!check(directory.path()).unwrap().damage.is_empty());
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
