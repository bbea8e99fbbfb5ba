//! The first start, and what crashes leave: nothing is damaged.

use super::*;

/// Prefixes that were kept one after the other, and the files after each, as a daemon that is killed leaves them.
fn stages() -> Vec<Files> {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    let mut stages = vec![files(directory.path())];
    for last in 1..=4 {
        keep(&mut store, &mut records, &[add(&format!("192.0.2.{last}/32"))]);
        stages.push(files(directory.path()));
    }
    store.snapshot(&records).unwrap();
    stages.push(files(directory.path()));
    stages
}

fn held(count: usize) -> Vec<String> {
    (1..=count).map(|last| format!("192.0.2.{last}/32")).collect()
}

fn assert_holds(files: &Files, count: usize, what: &str) {
    let held = held(count);
    let held: Vec<_> = held.iter().map(String::as_str).collect();
    assert_sound(files, &held, what);
}

#[test]
fn the_first_start_makes_a_database_and_a_witness() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory.path().join("state"), false));
    let files = files(&directory.path().join("state"));
    assert_eq!(files.keys().collect::<Vec<_>>(), [STONE, DATABASE, WITNESS]);
    assert_holds(&files, 0, "nothing");
    assert_holds(&Files::new(), 0, "before anything");
    // Each of the files comes after the one before.
    for made in [&[][..], &[DATABASE], &[DATABASE, WITNESS]] {
        let files: Files = files
            .iter()
            .filter(|(name, _)| made.contains(&name.as_str()))
            .map(|(n, t)| (n.clone(), t.clone()))
            .collect();
        let directory = directory_of(&files);
        let opened = open(directory.path(), false);
        assert_eq!(damaged_with(&opened), [""; 0], "{made:?}");
    }
}

#[test]
fn a_daemon_that_is_killed_leaves_what_was_acknowledged() {
    for (count, files) in stages().iter().enumerate() {
        assert_holds(files, count.min(4), "killed");
    }
}

#[test]
fn a_crash_before_the_witness_says_so_leaves_a_change_that_was_not_acknowledged() {
    let stages = stages();
    for (count, [before, after]) in stages.array_windows().enumerate() {
        let unsaid = with(after, WITNESS, |text| text.clone_from(&before[WITNESS]));
        assert_holds(&unsaid, (count + 1).min(4), "the witness was not written");
        let torn = with(after, WITNESS, |text| {
            let changed = (0..text.len()).find(|at| text[*at] != before[WITNESS][*at]).unwrap();
            text[changed] = b'?';
        });
        assert_holds(&torn, (count + 1).min(4), "half of the witness was written");
    }
    let late = with(&stages[4], WITNESS, |text| text.clone_from(&stages[2][WITNESS]));
    let directory = directory_of(&late);
    let told = damaged_with(&open(directory.path(), false));
    assert_eq!(told, ["witness tells of an earlier time than the database does"], "two changes are no crash");
}

#[test]
fn a_crash_while_a_change_is_written_leaves_the_state_before() {
    let stages = stages();
    let (before, after) = (&stages[3], &stages[4]);
    for length in (before[LOG].len()..after[LOG].len()).step_by(37) {
        let torn = with(before, LOG, |text| text.extend(&after[LOG][text.len()..length]));
        let directory = directory_of(&torn);
        let opened = open(directory.path(), false);
        assert_eq!((damaged_with(&opened), read(&opened)), (Vec::new(), held(3)), "{length}");
    }
}

#[test]
fn what_is_taken_back_is_not_there_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    keep(&mut store, &mut records, &[add("192.0.2.1/32")]);
    store.append(&[add("192.0.2.2/32"), add("192.0.2.3/32")]).unwrap();
    let written = files(directory.path());
    store.retract().unwrap();
    let after = files(directory.path());
    assert_holds(&after, 1, "taken back");
    let half = with(&written, WITNESS, |text| text.clone_from(&after[WITNESS]));
    assert_holds(&half, 3, "a crash in between: it was written, and not answered");
    keep(&mut store, &mut records, &[add("192.0.2.2/32")]);
    assert_holds(&files(directory.path()), 2, "another one takes its place");
}

#[test]
fn an_import_is_there_or_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    let origin = Origin::import(1).unwrap();
    let start = files(directory.path());
    save_list(&mut store, &mut records, &["198.51.100.1/32"]);
    let one = ["list 198.51.100.1/32"];
    assert_sound(&files(directory.path()), &one, "not confirmed");
    store.confirm_import(origin);
    let before = files(directory.path());
    assert_sound(&before, &one, "confirmed");
    save_list(&mut store, &mut records, &["198.51.100.2/32", "198.51.100.3/32"]);
    let two = ["list 198.51.100.2/32", "list 198.51.100.3/32"];
    let after = files(directory.path());
    assert_sound(&after, &two, "replaced");
    let unsaid = with(&after, WITNESS, |text| text.clone_from(&before[WITNESS]));
    assert_sound(&unsaid, &two, "replaced, and not acknowledged");
    assert_eq!(store.load_import(origin).unwrap().len(), 2);
    store.retract_import(origin).unwrap();
    assert_eq!(store.load_import(origin).unwrap(), [prefix("198.51.100.1/32")]);
    assert_sound(&files(directory.path()), &one, "taken back");
    assert_sound(&start, &[], "before");
    save_list(&mut store, &mut records, &["198.51.100.4/32"]);
    store.confirm_import(origin);
    store.snapshot(&records).unwrap();
    assert_sound(&files(directory.path()), &["list 198.51.100.4/32"], "copied");
}

#[test]
fn a_crash_while_damage_is_accepted_leaves_it_damaged_or_accepted() {
    let before = with(&stages()[4], LOG, |text| text.truncate(text.len() - 100));
    let directory = directory_of(&before);
    drop(open(directory.path(), true));
    let after = files(directory.path());
    const NEXT: &str = "state-2.db";

    let half = with(&before, "state-2.db.new", |text| *text = after[NEXT][..5_000].to_vec());
    let made = with(&before, NEXT, |text| text.clone_from(&after[NEXT]));
    let written = with(&made, "witness.new", |text| text.clone_from(&after[WITNESS]));
    let named = with(&made, WITNESS, |text| text.clone_from(&after[WITNESS]));
    for files in [&half, &made, &written] {
        let held = held(3);
        let held: Vec<_> = held.iter().map(String::as_str).collect();
        assert_damaged(files, &["record 5 of state-1.db is missing"], &held);
    }
    assert_holds(&named, 3, "the witness names it");
    assert_holds(&after, 3, "after");
}

#[test]
fn all_is_written_anew_once_there_are_many_records_since() {
    let directory = quick_directory();
    let (mut store, mut records) = store(open(directory.path(), false));
    let many = |from: u32, count: u32| -> Vec<_> {
        (from..from + count)
            .map(|n| add(&format!("10.{}.{}.{}/32", n >> 16, (n >> 8) & 255, n & 255)))
            .collect()
    };
    keep(&mut store, &mut records, &many(0, 9_990));
    assert!(!store.wants_snapshot());
    keep(&mut store, &mut records, &many(9_990, 20));
    assert!(store.wants_snapshot(), "more than ten thousand");
    store.snapshot(&records).unwrap();
    assert!(!store.wants_snapshot());
    // As many again as there are, which are more than ten thousand now.
    keep(&mut store, &mut records, &many(20_000, 10_000));
    assert!(!store.wants_snapshot());
    keep(&mut store, &mut records, &many(40_000, 20));
    assert!(store.wants_snapshot());
}

#[test]
fn a_change_that_could_not_be_written_is_known_until_all_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    assert!(!store.is_behind() && !store.wants_snapshot());
    records.apply(&add("192.0.2.1/32"));
    store.fell_behind();
    assert!(store.is_behind() && store.wants_snapshot());
    store.snapshot(&records).unwrap();
    assert!(!store.is_behind() && !store.wants_snapshot());
    drop(store);
    assert_eq!(read(&open(directory.path(), false)), ["192.0.2.1/32"]);
}
