//! Whatever is cut, flipped, deleted, emptied or exchanged is seen, or changes nothing of what is read back.
//!
//! That something changes nothing is held against the whole of what is read, not guessed. It holds of: bytes of the
//! database that no row lies in (free pages, gaps in pages, fields of its header that SQLite recomputes); of its write-ahead
//! log, what has been brought into the database already, and what comes after the last commit; one of the witness's two
//! slots; the file that is only for earlier versions; the lock.

use super::*;

/// How many random faults are tried.
const TRIES: u64 = 2_500;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A state of many kinds of records, as a daemon that was killed leaves it (`killed`), or as one that was stopped does.
fn state(killed: bool) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut records) = store(open(directory.path(), false));
    for number in 0..120 {
        keep(&mut store, &mut records, &[add(&format!("192.0.2.{number}/32"))]);
        if number == 40 {
            let list: Vec<_> = (0..4_200).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect();
            let list: Vec<_> = list.iter().map(String::as_str).collect();
            save_list(&mut store, &mut records, &list);
            store.confirm_import(Origin::import(1).unwrap());
        }
        if number == 60 {
            store.snapshot(&records).unwrap();
        }
    }
    let killed_one = files(directory.path());
    drop(store);
    if killed { killed_one } else { files(directory.path()) }
}

/// What became of a fault.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Seen,
    WithoutEffect,
}

/// Opens the directory: either damage is told and no file is changed, or all is read as it was.
fn outcome(files: &Files, expected: &[String], what: &dyn std::fmt::Display) -> Outcome {
    let directory = directory_of(files);
    let opened = match Store::open(directory.path(), false) {
        Ok(opened) => opened,
        // A later format, as far as can be told; nothing is enforced, and it is said.
        Err(_) => return Outcome::Seen,
    };
    let told = damaged_with(&opened);
    if told.is_empty() {
        assert!(read(&opened) == expected, "{what} went unseen");
        return Outcome::WithoutEffect;
    }
    let all: std::collections::BTreeSet<_> = expected.iter().cloned().collect();
    let more: Vec<_> = read(&opened)
        .into_iter()
        .filter(|read| !all.contains(read) && !read.starts_with("recovered-"))
        .collect();
    assert!(more.is_empty(), "{what}: {more:?} was never there");
    drop(opened);
    assert!(&self::files(directory.path()) == files, "{what}: a damaged directory was changed");
    Outcome::Seen
}

fn expected(files: &Files) -> Vec<String> {
    let directory = directory_of(files);
    let opened = open(directory.path(), false);
    assert_eq!(damaged_with(&opened), [""; 0]);
    read(&opened)
}

#[test]
fn random_faults_are_all_seen() {
    let seed = std::env::var("FLOODWALL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    println!("FLOODWALL_SEED={seed}");
    let states = [state(true), state(false)];
    let all = [expected(&states[0]), expected(&states[1])];
    let earlier = {
        let directory = directory_of(&states[1]);
        let (mut store, mut records) = store(open(directory.path(), false));
        keep(&mut store, &mut records, &[add("203.0.113.1/32")]);
        drop(store);
        files(directory.path())
    };
    let mut random = Random(seed);
    let (mut seen, mut without) = (0_u64, 0_u64);
    for round in 0..TRIES {
        let which = random.below(2);
        let mut files = states[which].clone();
        let names: Vec<String> = files.keys().cloned().collect();
        let name = names[random.below(names.len())].clone();
        let length = files[&name].len();
        let at = random.below(length);
        let bytes = files.get_mut(&name).unwrap();
        let fault = match random.below(10) {
            0 | 1 if length > 0 => {
                bytes.truncate(at);
                format!("cut at {at}")
            }
            2 if length >= 8_192 => {
                let (one, other) =
                    (random.below(length / 4_096) * 4_096, random.below(length / 4_096) * 4_096);
                for offset in 0..4_096 {
                    bytes.swap(one + offset, other + offset);
                }
                format!("pages at {one} and {other} exchanged")
            }
            3 if length > 0 => {
                let end = (at + 1 + random.below(5_000)).min(length);
                bytes[at..end].fill(0);
                format!("zeroes from {at} to {end}")
            }
            4 => {
                let other = names[random.below(names.len())].clone();
                let (a, b) = (files[&name].clone(), files[&other].clone());
                files.insert(name.clone(), b);
                files.insert(other.clone(), a);
                format!("exchanged with {other}")
            }
            5 if which == 0 => {
                let from = earlier.get(&name).cloned().unwrap_or_default();
                files.insert(name.clone(), from);
                "that of another time".to_owned()
            }
            _ if length > 0 => {
                let bit = random.below(8);
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at} flipped")
            }
            _ => continue,
        };
        let what = format!("FLOODWALL_SEED={seed} round {round}: {name} ({length} bytes): {fault}");
        match outcome(&files, &all[which], &what) {
            Outcome::Seen => seen += 1,
            Outcome::WithoutEffect => without += 1,
        }
    }
    println!("{seen} faults seen, {without} without effect, 0 silent");
    assert!(seen > TRIES / 3, "only {seen} of {TRIES} were seen");
}

#[test]
fn every_boundary_of_every_file_is_one_at_which_a_cut_is_seen() {
    for killed in [true, false] {
        let files = state(killed);
        let all = expected(&files);
        for (name, bytes) in &files {
            let frames = if name == LOG { 4_096 + 24 } else { 2_048 };
            let start = if name == LOG { 32 } else { 0 };
            for length in (start..bytes.len()).step_by(frames).flat_map(|at| [at, at + 1]) {
                let cut = with(&files, name, |bytes| bytes.truncate(length));
                outcome(&cut, &all, &format_args!("{name} cut to {length} of {}", bytes.len()));
            }
            outcome(&without(&files, &[name]), &all, &format_args!("{name} deleted"));
            outcome(&with(&files, name, Vec::clear), &all, &format_args!("{name} emptied"));
        }
    }
}

#[test]
fn every_record_that_is_changed_deleted_or_exchanged_is_seen() {
    let files = state(false);
    let all = expected(&files);
    let directory = directory_of(&files);
    let path = directory.path().join(DATABASE);
    let numbers: Vec<i64> = {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let mut query = connection.prepare("SELECT seq FROM record").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert!(numbers.len() > 60, "{numbers:?}");
    let with_sql = |sql: &str| {
        fs::write(&path, &files[DATABASE]).unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
        with(&files, DATABASE, |bytes| *bytes = fs::read(&path).unwrap())
    };
    for seq in numbers {
        for sql in [
            format!("DELETE FROM record WHERE seq = {seq}"),
            format!("DELETE FROM record WHERE seq >= {seq}"),
            format!("UPDATE record SET body = CAST(body || ' ' AS BLOB) WHERE seq = {seq}"),
            format!("UPDATE record SET link = zeroblob(16) WHERE seq = {seq}"),
            format!(
                "UPDATE record SET seq = -1 WHERE seq = {seq}; UPDATE record SET seq = {seq} WHERE seq = {seq} + 1; UPDATE record SET seq = {seq} + 1 WHERE seq = -1"
            ),
        ] {
            assert_eq!(outcome(&with_sql(&sql), &all, &sql), Outcome::Seen, "{sql}");
        }
    }
}
