//! The first start, and what crashes leave: nothing is damaged.

use super::*;

#[test]
fn the_first_start_makes_a_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory.path().join("state"), false));
    let files = files(&directory.path().join("state"));
    let expected = [("journal-1.jsonl", &b""[..]), (SNAPSHOT, b"{\"version\":1,\"journal\":1}\n")];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_vec()));
    assert_eq!(files, Files::from(expected));
    assert_damaged(&without(&files, &[SNAPSHOT]), &["snapshot.jsonl is missing"], &[]);
    assert_damaged(&without(&files, &["journal-1.jsonl"]), &["journal-1.jsonl is missing"], &[]);
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
fn a_crash_while_a_snapshot_is_made_loses_nothing() {
    // An ordinary snapshot, the first one, and the first one over a journal of an earlier version.
    let ordinary = sound();
    let journal = IN_JOURNAL.map(|text| line(&add(text))).concat();
    let earlier = Files::from([("journal-0.jsonl".to_owned(), journal)]);
    let first = Files::from([("journal-0.jsonl".to_owned(), Vec::new())]);
    let everything = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
    let cases = [(ordinary, 2, everything), (earlier, 0, IN_JOURNAL.to_vec()), (first, 0, Vec::new())];
    for (before, number, held) in cases {
        let directory = directory_of(&before);
        let (mut store, records) = store(open(directory.path(), false));
        if number > 0 {
            store.snapshot(&records).unwrap();
        }
        drop(store);
        let after = files(directory.path());
        let next = format!("journal-{}.jsonl", number + 1);
        assert_eq!(after[&next], b"");
        let new = "snapshot.jsonl.new";
        let whole = &after[SNAPSHOT];

        let made = with(&before, &next, Vec::clear);
        let half = with(&made, new, |text| *text = whole[..whole.len() / 2].to_vec());
        let written = with(&made, new, |text| text.clone_from(whole));
        let renamed = with(&made, SNAPSHOT, |text| text.clone_from(whole));
        assert_sound(&before, &held, "before");
        assert_sound(&made, &held, "the journal is there");
        assert_sound(&half, &held, "the snapshot is being written");
        assert_sound(&written, &held, "the snapshot is written");
        assert_sound(&renamed, &held, "the snapshot is in its place");
        assert_sound(&after, &held, "after");
    }
    assert_sound(&Files::new(), &[], "before anything");
}

#[test]
fn a_crash_while_an_import_is_saved_leaves_one_list_or_the_other() {
    let before = sound();
    let directory = directory_of(&before);
    let (mut store, mut records) = store(open(directory.path(), false));
    save_list(&mut store, &mut records, &["198.51.100.3/32"]);
    drop(store);
    let after = files(directory.path());
    let old = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &IN_LIST]);
    let new = all(&[&IN_SNAPSHOT, &IN_JOURNAL, &["list 198.51.100.3/32"]]);

    let linked = with(&before, "import-1.list.before", |text| text.clone_from(&before[LIST]));
    let half = with(&linked, "import-1.list.new", |text| *text = after[LIST][..5].to_vec());
    let renamed = with(&linked, LIST, |text| text.clone_from(&after[LIST]));
    let torn = with(&renamed, JOURNAL, |text| text.extend(b"{\"change\":\"im"));
    let appended = with(&renamed, JOURNAL, |text| text.clone_from(&after[JOURNAL]));
    assert_sound(&linked, &old, "the old list has two names");
    assert_sound(&half, &old, "the list is being written");
    assert_sound(&renamed, &new, "the list is in its place");
    assert_sound(&torn, &new, "the line is being written");
    assert_sound(&appended, &new, "the line is written");
    // One that is new, and was not answered.
    let other = with(&before, "import-2.list", |text| *text = b"203.0.113.1/32\n".to_vec());
    assert_sound(&other, &old, "a list that nothing tells of");
}

#[test]
fn a_crash_while_damage_is_accepted_leaves_it_damaged_or_accepted() {
    let before = with(&with(&sound(), JOURNAL, |text| replace_line(text, 1, b"?")), LIST, |text| {
        replace_line(text, 1, b"?");
    });
    let held = all(&[&IN_SNAPSHOT, &IN_JOURNAL[1..], &IN_LIST[1..]]);
    let directory = directory_of(&before);
    drop(open(directory.path(), true));
    let after = files(directory.path());

    let cleaned = with(&before, LIST, |text| text.clone_from(&after[LIST]));
    let made = with(&cleaned, "journal-3.jsonl", Vec::clear);
    let written = with(&made, "snapshot.jsonl.new", |text| text.clone_from(&after[SNAPSHOT]));
    let renamed = with(&made, SNAPSHOT, |text| text.clone_from(&after[SNAPSHOT]));
    for files in [&cleaned, &made, &written] {
        assert_damaged(files, &["journal-2.jsonl line 1 cannot be read ("], &held);
    }
    assert_sound(&renamed, &held, "the snapshot is in its place");
    assert_sound(&after, &held, "after");
}
