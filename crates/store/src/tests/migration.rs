//! Format 1: what can be read of it is taken over all at once, and each kind of damage is told.

use super::*;

const SNAPSHOT: &str = "snapshot.jsonl";
const JOURNAL: &str = "journal-2.jsonl";
const LIST: &str = "import-1.list";
/// What the files of [`sound`] hold, one after the other.
const IN_SNAPSHOT: [&str; 2] = ["192.0.2.1/32", "192.0.2.2/32"];
const IN_JOURNAL: [&str; 2] = ["192.0.2.3/32", "192.0.2.4/32"];
const IN_LIST: [&str; 2] = ["list 198.51.100.1/32", "list 198.51.100.2/32"];

/// A directory as that format had it, with something in each kind of file.
fn sound() -> Files {
    let header = b"{\"version\":1,\"journal\":2}\n".to_vec();
    let snapshot = [header, line(&import("list")), line(&add(IN_SNAPSHOT[0])), line(&add(IN_SNAPSHOT[1]))];
    let journal = IN_JOURNAL.map(|text| line(&add(text)));
    let list = b"198.51.100.1/32\n198.51.100.2/32\n".to_vec();
    let files = [(SNAPSHOT, snapshot.concat()), (JOURNAL, journal.concat()), (LIST, list)];
    files.map(|(name, text)| (name.to_owned(), text)).into()
}

#[test]
fn it_is_taken_over_with_all_that_it_holds_and_set_aside() {
    let sound = sound();
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
    assert_sound(&sound, &held, "taken over");
    let directory = directory_of(&sound);
    drop(open(directory.path(), false));
    assert_eq!(set_aside(directory.path()), sound);
    let stone = String::from_utf8(files(directory.path())[SNAPSHOT].clone()).unwrap();
    assert!(stone.starts_with("{\"version\":2,"), "an earlier floodwall refuses it: {stone}");
}

#[test]
fn a_crash_while_it_is_taken_over_leaves_one_format_or_the_other() {
    let sound = sound();
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
    let directory = directory_of(&sound);
    drop(open(directory.path(), false));
    let after = files(directory.path());

    let half = with(&sound, "state-1.db.new", |text| *text = after[DATABASE][..5_000].to_vec());
    let made = with(&sound, DATABASE, |text| text.clone_from(&after[DATABASE]));
    let written = with(&made, "witness.new", |text| text.clone_from(&after[WITNESS]));
    let named = with(&made, WITNESS, |text| text.clone_from(&after[WITNESS]));
    let marked = with(&named, SNAPSHOT, |text| text.clone_from(&after[SNAPSHOT]));
    let removed = without(&marked, &[JOURNAL]);
    let stages = [
        ("half", &half),
        ("made", &made),
        ("written", &written),
        ("named", &named),
        ("marked", &marked),
        ("removed", &removed),
    ];
    for (stage, files) in stages {
        assert_sound(files, &held, stage);
    }
}

#[test]
fn what_stands_beside_a_database_is_not_taken_for_the_state_and_not_lost() {
    let directory = directory_of(&sound());
    drop(open(directory.path(), false));
    let mut old = sound();
    old.insert(JOURNAL.to_owned(), line(&add("192.0.2.77/32")));
    for (name, text) in &old {
        fs::write(directory.path().join(name), text).unwrap();
    }
    fs::remove_dir_all(
        fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap(),
    )
    .unwrap();
    let opened = open(directory.path(), false);
    assert_eq!(read(&opened), all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]));
    assert!(matches!(opened.kept, Kept::OnDisk(_)));
    assert_eq!(set_aside(directory.path()), old);
}

#[test]
fn a_journal_of_before_there_were_snapshots_from_the_start_is_whole() {
    let journal = IN_JOURNAL.map(|text| line(&add(text))).concat();
    let files = Files::from([("journal-0.jsonl".to_owned(), [&journal[..], b"{\"change\":\"a"].concat())]);
    assert_sound(&files, &IN_JOURNAL, "a journal 0");
    let journal = [&journal[..], &line(&import("list"))].concat();
    let files = with(&with(&files, "journal-0.jsonl", |text| *text = journal), LIST, |text| {
        *text = b"198.51.100.1/32\n198.51.100.2/32\n".to_vec();
    });
    assert_sound(&files, &all(&[&IN_JOURNAL, &IN_LIST]), "with an import");
    let later = with(&files, "journal-1.jsonl", |text| *text = line(&add("192.0.2.5/32")));
    let held = all(&[&IN_JOURNAL, &["192.0.2.5/32"], &IN_LIST]);
    assert_damaged(&later, &["journal-1.jsonl follows a later snapshot than there is"], &held);
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
    let damage = damaged_with(&opened)[0].clone();
    assert!(damage.starts_with("journal-2.jsonl cannot be read ("), "{damage}");
}

#[test]
fn a_snapshot_without_a_header_that_ends_in_the_middle_of_a_line_is_told_of_both() {
    let files = with(&sound(), SNAPSHOT, |text| {
        replace_line(text, 1, b"?");
        text.truncate(text.len() - 3);
    });
    let held = all(&[&IN_SNAPSHOT[..1], &IN_JOURNAL, &IN_LIST]);
    assert_damaged(&files, &["snapshot.jsonl", "snapshot.jsonl line 4"], &held);
}
