//! Each kind of damage.

use super::*;

#[test]
fn nothing_that_is_sound_is_changed_by_accepting_it() {
    let sound = sound();
    let directory = directory_of(&sound);
    drop(open(directory.path(), true));
    assert_eq!(files(directory.path()), sound);
    assert!(fs::read_dir(directory.path()).unwrap().all(|entry| entry.unwrap().path().is_file()));
}

#[test]
fn files_that_are_missing() {
    let sound = sound();
    let unclaimed =
        "import-1.list is of an import that nothing tells of; it is taken for one named recovered-1";
    let recovered = ["recovered-1 198.51.100.1/32", "recovered-1 198.51.100.2/32"];
    assert_damaged(
        &without(&sound, &[SNAPSHOT]),
        &["snapshot.jsonl is missing", unclaimed],
        &all(&[&IN_JOURNAL, &recovered]),
    );
    assert_damaged(
        &without(&sound, &[SNAPSHOT, JOURNAL]),
        &["snapshot.jsonl is missing", unclaimed],
        &recovered,
    );
    assert_damaged(
        &without(&sound, &[JOURNAL]),
        &["journal-2.jsonl is missing"],
        &all(&[&IN_SNAPSHOT, &IN_LIST]),
    );
    assert_damaged(
        &without(&sound, &[LIST]),
        &["import-1.list is missing"],
        &all(&[&IN_SNAPSHOT, &IN_JOURNAL]),
    );
}

#[test]
fn a_list_that_was_taken_back_is_not_taken_for_one_that_is_wanted() {
    for gone in
        [Change::Forget { origin: Origin::import(1).unwrap() }, Change::Flush { list: ListName::Block }]
    {
        let files = with(&without(&sound(), &[SNAPSHOT]), JOURNAL, |text| *text = line(&gone));
        assert_damaged(&files, &["snapshot.jsonl is missing"], &[]);
    }
}

#[test]
fn snapshots_whose_beginning_is_gone() {
    let sound = sound();
    let empty = with(&without(&sound, &[LIST]), SNAPSHOT, Vec::clear);
    assert_damaged(&empty, &["snapshot.jsonl is empty"], &IN_JOURNAL);
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
    for header in [&b"{\"version\":1}"[..], b"\xff\0", b""] {
        let files = with(&sound, SNAPSHOT, |text| replace_line(text, 1, header));
        assert_damaged(&files, &["snapshot.jsonl does not say which journal follows it ("], &held);
    }
    let lost =
        with(&sound, SNAPSHOT, |text| drop(text.drain(..=text.iter().position(|b| *b == b'\n').unwrap())));
    assert_damaged(&lost, &["snapshot.jsonl does not say which journal follows it ("], &held);
    let cut = with(&without(&sound, &[LIST]), SNAPSHOT, |text| text.truncate(10));
    assert_damaged(&cut, &["snapshot.jsonl does not say which journal follows it ("], &IN_JOURNAL);
}

#[test]
fn lines_that_cannot_be_read() {
    let sound = sound();
    let held = |without: usize| {
        let mut held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
        held.remove(without);
        held
    };
    // The snapshot begins with the header and the import.
    for bad in [&b"not a change"[..], b"{\"change\":\"dance\"}", b"{\"change\":\"add\"}", b"\xff", b""] {
        let files = with(&sound, SNAPSHOT, |text| replace_line(text, 3, bad));
        assert_damaged(&files, &["snapshot.jsonl line 3 cannot be read ("], &held(0));
        let files = with(&sound, JOURNAL, |text| replace_line(text, 1, bad));
        assert_damaged(&files, &["journal-2.jsonl line 1 cannot be read ("], &held(2));
        let files = with(&sound, LIST, |text| replace_line(text, 2, bad));
        assert_damaged(&files, &["import-1.list line 2 cannot be read ("], &held(5));
    }
    let files = with(&sound, JOURNAL, |text| *text = b"?\ntwo\n".to_vec());
    let told = "journal-2.jsonl line 1 cannot be read (expected value), and 1 more of its lines";
    assert_damaged(&files, &[told], &all(&[&IN_SNAPSHOT, &IN_LIST]));
    let several = with(&with(&sound, JOURNAL, |text| replace_line(text, 2, b"?")), LIST, |text| {
        replace_line(text, 1, b"?");
    });
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL[..1], &IN_LIST[1..]]);
    assert_damaged(&several, &["journal-2.jsonl line 2 cannot", "import-1.list line 1 cannot"], &held);
}

#[test]
fn an_import_with_a_number_that_there_is_not_is_no_change() {
    for number in ["0", "4097", "60000"] {
        let bad = format!("{{\"change\":\"import\",\"origin\":{number},\"name\":\"x\",\"since\":1}}");
        let files = with(&sound(), JOURNAL, |text| text.extend([bad.as_bytes(), b"\n"].concat()));
        let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
        assert_damaged(
            &files,
            &["journal-2.jsonl line 3 cannot be read (imports have the numbers 1 to 4096"],
            &held,
        );
    }
}

#[test]
fn only_a_journal_may_end_in_the_middle_of_a_line() {
    let sound = sound();
    let cut = |name| with(&sound, name, |text| text.truncate(text.len() - 1));
    assert_sound(
        &cut(JOURNAL),
        &all(&[&IN_SNAPSHOT, &IN_JOURNAL[..1], &IN_LIST]),
        "its last line was not answered",
    );
    let held = all(&[&IN_SNAPSHOT[..1], &IN_JOURNAL, &IN_LIST]);
    assert_damaged(&cut(SNAPSHOT), &["snapshot.jsonl line 4 cannot be read (it is cut off)"], &held);
    // As 198.51.100.2/3 it would be half of the Internet.
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST[..1]]);
    assert_damaged(&cut(LIST), &["import-1.list line 2 cannot be read (it is cut off)"], &held);
    // Where something else is damaged, not even that line is cut off.
    let files = with(&cut(JOURNAL), SNAPSHOT, |text| replace_line(text, 3, b"?"));
    let held = all(&[&IN_SNAPSHOT[1..], &IN_JOURNAL[..1], &IN_LIST]);
    assert_damaged(&files, &["snapshot.jsonl line 3 cannot"], &held);
}

#[test]
fn an_older_snapshot_that_was_put_back() {
    let sound = sound();
    let files = with(&sound, "journal-3.jsonl", |text| *text = line(&add("192.0.2.5/32")));
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &["192.0.2.5/32"], &IN_LIST]);
    assert_damaged(&files, &["journal-3.jsonl follows a later snapshot than there is"], &held);
    let gap = without(&files, &[JOURNAL]);
    let held = all(&[&IN_SNAPSHOT, &["192.0.2.5/32"], &IN_LIST]);
    let told = ["journal-2.jsonl is missing", "journal-3.jsonl follows a later snapshot than there is"];
    assert_damaged(&gap, &told, &held);
}

#[test]
fn a_file_that_the_system_does_not_give_out() {
    let directory = directory_of(&without(&sound(), &[JOURNAL]));
    fs::create_dir(directory.path().join(JOURNAL)).unwrap();
    let opened = open(directory.path(), false);
    assert_eq!(read(&opened), all(&[&IN_SNAPSHOT, &IN_LIST]));
    let damage = damaged(opened).report().damage[0].to_string();
    assert!(damage.starts_with("journal-2.jsonl cannot be read ("), "{damage}");
}

#[test]
fn a_damaged_directory_is_held_by_one_daemon_like_any_other() {
    let directory = directory_of(&without(&sound(), &[JOURNAL]));
    let _holder = open(directory.path(), false);
    let error = Store::open(directory.path(), true).err().expect("it is held").to_string();
    assert!(error.contains("another floodwall uses the state directory"), "{error}");
}

#[test]
fn another_versions_format_stops_the_start() {
    let files = with(&sound(), SNAPSHOT, |text| replace_line(text, 1, b"{\"version\":2,\"tree\":\"x\"}"));
    let directory = directory_of(&files);
    for accept in [false, true] {
        let error = Store::open(directory.path(), accept).err().expect("it is not understood").to_string();
        assert!(error.contains("is of format 2"), "{error}");
        assert_eq!(self::files(directory.path()), files);
    }
}
