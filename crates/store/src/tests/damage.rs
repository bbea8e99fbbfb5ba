//! Each kind of damage, and what is told of it. That none goes unseen is for `faults`.

use rusqlite::Connection;

use super::*;
use crate::{
    DamageReport,
    damage_report::{Damage, Flaw},
};

/// What the state of [`sound`] holds.
const HELD: [&str; 6] = [
    "192.0.2.1/32",
    "192.0.2.2/32",
    "192.0.2.3/32",
    "192.0.2.4/32",
    "list 198.51.100.1/32",
    "list 198.51.100.2/32",
];

/// A directory with a copy of all, an import, and changes since, the daemon of which was stopped.
fn sound() -> Files {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    keep(&mut store, &mut records, &["192.0.2.1/32", "192.0.2.2/32"].map(add));
    save_list(&mut store, &mut records, &["198.51.100.1/32", "198.51.100.2/32"]);
    store.confirm_import(Origin::import(1).unwrap());
    store.snapshot(&records).unwrap();
    keep(&mut store, &mut records, &[add("192.0.2.3/32")]);
    keep(&mut store, &mut records, &[add("192.0.2.4/32")]);
    drop(store);
    let files = files(directory.path());
    assert_eq!(files.keys().collect::<Vec<_>>(), [STONE, DATABASE, WITNESS]);
    files
}

/// The files, with the database changed by SQL.
fn with_sql(before: &Files, sql: &str) -> Files {
    let directory = directory_of(before);
    let connection = Connection::open(directory.path().join(DATABASE)).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql} changes nothing");
    connection.close().unwrap();
    with(before, DATABASE, |text| *text = fs::read(directory.path().join(DATABASE)).unwrap())
}

#[test]
fn nothing_that_is_sound_is_changed_by_accepting_it() {
    let sound = sound();
    let directory = directory_of(&sound);
    drop(open(directory.path(), true));
    let after = files(directory.path());
    assert_eq!((&after[DATABASE], &after[WITNESS]), (&sound[DATABASE], &sound[WITNESS]));
    assert!(fs::read_dir(directory.path()).unwrap().all(|entry| entry.unwrap().path().is_file()));
}

#[test]
fn files_that_are_missing_or_empty() {
    let sound = sound();
    assert_damaged(&without(&sound, &[WITNESS]), &["witness is missing"], &HELD);
    assert_damaged(&with(&sound, WITNESS, Vec::clear), &["witness is empty"], &HELD);
    assert_damaged(&without(&sound, &[DATABASE]), &["state-1.db is missing"], &[]);
    assert_damaged(&with(&sound, DATABASE, Vec::clear), &["state-1.db is empty"], &[]);
    let directory = directory_of(&without(&sound, &[DATABASE, WITNESS]));
    let told = damaged_with(&open(directory.path(), false));
    assert_eq!(told, ["witness is missing", "state-1.db is missing"]);
    assert_sound(&without(&sound, &[STONE]), &HELD, "what is only for earlier versions");
}

#[test]
fn a_record_that_is_changed_or_gone_costs_no_other() {
    let sound = sound();
    let last = "(SELECT max(seq) FROM record)";
    let change = |what: &str| format!("UPDATE record SET {what} WHERE seq = {last} - 1");
    let held: Vec<_> = HELD.into_iter().filter(|held| *held != "192.0.2.3/32").collect();
    for what in [
        "body = CAST(replace(body, '192.0.2.3', '192.0.2.5') AS BLOB)",
        "sum = x'00'",
        "batch = batch + 1",
        "kind = 2",
        "body = x'00ff'",
    ] {
        let files = with_sql(&sound, &change(what));
        assert_damaged(&files, &["record 11 of state-1.db is not as it was written"], &held);
    }
    let files = with_sql(&sound, &change("link = zeroblob(16)"));
    let told = [11, 12].map(|record| format!("record {record} of state-1.db is not the one that followed"));
    assert_damaged(&files, &told.each_ref().map(String::as_str), &HELD);
    let files = with_sql(&sound, &format!("DELETE FROM record WHERE seq = {last} - 1"));
    assert_damaged(&files, &["record 11 of state-1.db is missing"], &held);
    let files = with_sql(&sound, &format!("DELETE FROM record WHERE seq = {last}"));
    assert_damaged(&files, &["record 12 of state-1.db is missing"], &[&HELD[..3], &HELD[4..]].concat());
    let files = with_sql(&sound, "DELETE FROM record WHERE seq = (SELECT min(seq) FROM record)");
    assert_damaged(&files, &["record 6 of state-1.db is missing"], &HELD);
}

#[test]
fn a_list_of_which_prefixes_are_lost() {
    let sound = sound();
    let told = "of the 2 prefixes of import list in state-1.db 0 can be read";
    for sql in ["UPDATE part SET body = x'0400'", "UPDATE part SET sum = zeroblob(16)", "DELETE FROM part"] {
        assert_damaged(&with_sql(&sound, sql), &[told], &HELD[..4]);
    }
    let files = with_sql(&sound, "DELETE FROM record WHERE body LIKE '%import%' OR kind = 2");
    let recovered = ["recovered-1 198.51.100.1/32", "recovered-1 198.51.100.2/32"];
    let told =
        ["record 7 of state-1.db is missing", "record 10 of", "list 4 of state-1.db is of an import that"];
    assert_damaged(&files, &told, &[&HELD[..4], &recovered].concat());
}

#[test]
fn files_of_another_time_or_another_state() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    keep(&mut store, &mut records, &[add("192.0.2.1/32")]);
    drop(store);
    let earlier = files(directory.path());
    let (mut store, mut records) = self::store(open(directory.path(), false));
    for last in 2..6 {
        keep(&mut store, &mut records, &[add(&format!("192.0.2.{last}/32"))]);
    }
    drop(store);
    let later = files(directory.path());
    let of = |files: &Files, name: &str| files[name].clone();
    let old = with(&later, DATABASE, |text| *text = of(&earlier, DATABASE));
    assert_damaged(&old, &["records 3 to 6 of state-1.db are missing"], &["192.0.2.1/32"]);
    let old = with(&later, WITNESS, |text| *text = of(&earlier, WITNESS));
    let all: Vec<_> = (1..6).map(|last| format!("192.0.2.{last}/32")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_damaged(&old, &["witness tells of an earlier time than the database does"], &all);
    let other = with(&later, DATABASE, |text| *text = of(&sound(), DATABASE));
    let directory = directory_of(&other);
    let told = damaged_with(&open(directory.path(), false));
    assert!(
        told.iter().any(|told| told.contains("is not the database that the witness tells of")),
        "{told:?}"
    );
    // A whole directory of an earlier time is as sound as it was.
    assert_sound(&earlier, &["192.0.2.1/32"], "a copy");
}

#[test]
fn a_file_that_the_system_does_not_give_out() {
    let directory = directory_of(&without(&sound(), &[WITNESS]));
    fs::create_dir(directory.path().join(WITNESS)).unwrap();
    let opened = open(directory.path(), false);
    assert_eq!(read(&opened), HELD);
    let damage = damaged_with(&opened);
    assert!(damage[0].starts_with("witness cannot be read ("), "{damage:?}");
}

#[test]
fn a_damaged_directory_is_held_by_one_daemon_like_any_other() {
    let directory = directory_of(&without(&sound(), &[DATABASE]));
    let _holder = open(directory.path(), false);
    let error = Store::open(directory.path(), true).err().expect("it is held").to_string();
    assert!(error.contains("another floodwall uses the state directory"), "{error}");
}

#[test]
fn another_versions_format_stops_the_start() {
    let newer = Files::from([(STONE.to_owned(), b"{\"version\":3,\"tree\":\"x\"}\n".to_vec())]);
    let directory = directory_of(&newer);
    for accept in [false, true] {
        let error = Store::open(directory.path(), accept).err().expect("it is not understood").to_string();
        assert!(error.contains("is of format 3"), "{error}");
        assert_eq!(files(directory.path()), newer);
    }
}

#[test]
fn a_directory_that_is_removed_or_replaced_takes_no_more_changes() {
    let above = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (above.path().join("state"), above.path().join("elsewhere"));
    let (mut store, mut records) = store(open(&path, false));
    keep(&mut store, &mut records, &[add("192.0.2.1/32")]);
    let mut refused = |what: &str| {
        for _ in 0..2 {
            let error = format!("{:#}", store.append(&[add("192.0.2.2/32")]).expect_err(what));
            assert!(error.contains("is not the one that floodwall has opened"), "{what}: {error}");
        }
        assert!(store.snapshot(&records).is_err(), "{what}");
    };
    fs::rename(&path, &elsewhere).unwrap();
    refused("it is gone");
    fs::create_dir(&path).unwrap();
    for name in [WITNESS, DATABASE, LOG] {
        fs::copy(elsewhere.join(name), path.join(name)).unwrap();
    }
    refused("another one is there");
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    keep(&mut store, &mut records, &[add("192.0.2.3/32")]);
    for name in [DATABASE, LOG, WITNESS] {
        fs::rename(path.join(name), path.join("x")).unwrap();
        assert!(store.append(&[add("192.0.2.4/32")]).is_err(), "{name} is gone");
        fs::rename(path.join("x"), path.join(name)).unwrap();
    }
    drop(store);
    let opened = open(&path, false);
    assert_eq!(damaged_with(&opened), [""; 0]);
    assert_eq!(read(&opened), ["192.0.2.1/32", "192.0.2.3/32"]);
}

#[test]
fn a_report_names_the_first_and_counts_the_others() {
    let damaged = |names: &[&str]| {
        let damage = names.iter().map(|name| Damage { file: (*name).to_owned(), flaw: Flaw::Empty });
        DamageReport { directory: "/somewhere".into(), damage: damage.collect() }.to_string()
    };
    assert!(damaged(&["one"]).contains("/somewhere is damaged: one is empty. Stop"), "{}", damaged(&["one"]));
    let two = damaged(&["one", "two"]);
    assert!(two.contains("one is empty; `floodwall status` names 1 more. Stop"), "{two}");
}

#[test]
fn a_first_database_without_a_witness_is_a_beginning_only_while_it_is_alone_and_empty() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), false));
    let first = without(&files(directory.path()), &[WITNESS]);
    assert_eq!(damaged_with(&open(directory_of(&without(&first, &[STONE])).path(), false)), [""; 0]);
    // What is made after the witness is there.
    assert_eq!(damaged_with(&open(directory_of(&first).path(), false)).len(), 1);
    let (mut store, mut records) = store(open(directory.path(), false));
    for number in 1..4 {
        keep(&mut store, &mut records, &[add(&format!("192.0.2.{number}/32"))]);
    }
    let used = without(&files(directory.path()), &[WITNESS, STONE]);
    assert_eq!(damaged_with(&open(directory_of(&used).path(), false)).len(), 1, "it holds something");
}
