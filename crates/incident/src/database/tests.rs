use std::{collections::BTreeMap, path::Path};

use super::*;
use crate::{
    input::{Excess, Occurrence},
    recorder::Recorder,
};

/// An incident that began then, Unix s, and is over unless it is not.
fn kept(id: u64, began_s: u64, is_over: bool) -> StoredIncident {
    let mut recorder = Recorder::new(id, Vec::new(), 0);
    let began =
        Occurrence::AttackBegan { service: "web".into(), excess: Excess::Openings, text: "began".into() };
    recorder.record(began_s * 1_000, began);
    let text = "banned 1: 203.0.113.7/32 by web/source-syn".to_owned();
    recorder.record(began_s * 1_000 + 5, Occurrence::Bans { bans: 1, text });
    let mut kept = recorder.take_changes().incidents.remove(0);
    if is_over {
        kept.incident.phase = IncidentPhase::Resolved;
    }
    kept
}

fn second(time: u64) -> IncidentSecond {
    let reasons = BTreeMap::from([("clean".to_owned(), 700), ("signature".to_owned(), 123_456)]);
    IncidentSecond {
        time,
        span: 1,
        packets: 124_156,
        bytes: 7_449_360,
        dropped: 123_456,
        reasons,
        ..Default::default()
    }
}

fn frame(time_s: u64) -> Frame {
    let bytes = vec![7; 60];
    let by = time_s.is_multiple_of(2).then(|| "tcp flags=syn, of a test".to_owned());
    Frame { time_us: time_s * 1_000_000, length: 60, reason: "signature".into(), by, dropped: true, bytes }
}

fn batch(id: u64, began_s: u64, seconds: u64, is_over: bool) -> Batch {
    Batch {
        incidents: vec![kept(id, began_s, is_over)],
        seconds: (0..seconds).map(|at| (id, second(began_s + at))).collect(),
        frames: (0..seconds / 10).map(|at| (id, frame(began_s + at))).collect(),
    }
}

fn size(path: &Path) -> u64 {
    let name = path.file_name().unwrap().to_str().unwrap();
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap());
    let ours = files.filter(|entry| entry.file_name().to_str().unwrap().starts_with(name));
    ours.map(|entry| entry.metadata().unwrap().len()).sum()
}

#[test]
fn what_is_written_is_found_and_numbers_are_never_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("i.db");
    let (mut database, found) = Database::open(&path).unwrap();
    assert_eq!((found.next_id, found.incidents.len()), (1, 0));
    let written = batch(1, 1_000, 90, false);
    database.write(&written).unwrap();
    // As if it were killed.
    drop(database);
    let (mut database, found) = Database::open(&path).unwrap();
    assert_eq!((found.next_id, &found.incidents), (2, &written.incidents));
    let (incident, series) = read(&path, 1).unwrap();
    assert_eq!((incident.as_ref(), series.len()), (Some(&written.incidents[0].incident), 90));
    assert_eq!(frames(&path, 1).unwrap(), (0..9).map(|at| frame(1_000 + at)).collect::<Vec<_>>());
    database.remove(1).unwrap();
    assert_eq!(frames(&path, 1).unwrap(), []);
    drop(database);
    assert_eq!(Database::open(&path).unwrap().1.next_id, 2);
    assert_eq!(read(&path, 1).unwrap(), (None, vec![]));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// Ten minutes of an attack, written each second, with so many packets of the greatest length.
fn write_each_second(database: &mut Database, whole: Batch, packets: u64, limits: &Limits) {
    let (id, began) = (whole.incidents[0].incident.id, whole.seconds[0].1.time);
    let each = packets / 600;
    for second in whole.seconds {
        let at = second.1.time;
        let frames =
            (0..each).map(|number| (id, Frame { bytes: vec![number as u8; 128], ..frame(at) })).collect();
        // That of the last second is over.
        let mut incidents = whole.incidents.clone();
        if at < began + 599 {
            incidents[0].incident.phase = IncidentPhase::Monitoring;
        }
        database.write(&Batch { incidents, seconds: vec![second], frames }).unwrap();
        database.make_room(limits.bytes, &mut Vec::new()).unwrap();
    }
}

#[test]
fn ten_days_of_an_attack_an_hour_stay_within_the_size() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("i.db");
    let (mut database, _) = Database::open(&path).unwrap();
    // Writes are not waited for: this is about room.
    database.connection.pragma_update(None, "synchronous", "OFF").unwrap();
    let limits = Limits { bytes: 8 << 20, ..Limits::default() };
    let start = 1_796_000_000;
    for hour in 0..240 {
        let began = start + hour * 3_600;
        // Once a day as many packets as are ever kept.
        let packets = if hour % 24 == 0 { 30_000 } else { 3_000 };
        write_each_second(&mut database, batch(hour + 1, began, 600, true), packets, &limits);
        assert!(size(&path) <= limits.bytes, "{} bytes in hour {hour}", size(&path));
        database.tidy(began + 600, &limits).unwrap();
        assert!(size(&path) <= limits.bytes, "{} bytes after {hour} hours", size(&path));
    }
    let (incident, series) = read(&path, 240).unwrap();
    assert!(incident.is_some() && series.len() == 600, "the last is there in full: {}", series.len());
    assert_eq!(frames(&path, 240).unwrap().len(), 3_000, "with its packets");
    assert!(
        frames(&path, 217).unwrap().is_empty() && read(&path, 217).unwrap().0.is_some(),
        "evidence goes first"
    );
    let found = find(&database.connection).unwrap();
    assert!(found.incidents.len() > 20, "{} are left", found.incidents.len());
    let total: u64 = series.iter().map(|second| second.packets).sum();
    assert_eq!(total, 600 * 124_156);
}

#[test]
fn what_is_old_is_thinned_redacted_and_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("i.db");
    let (mut database, _) = Database::open(&path).unwrap();
    let began = 1_796_000_000;
    database.write(&batch(1, began, 3_600, true)).unwrap();
    let after = |days: u64| began + 3_600 + days * 86_400;
    let limits = Limits::default();
    for (days, most) in [(0, 3_600), (1, 361), (8, 61), (31, 7)] {
        database.tidy(after(days), &limits).unwrap();
        let series = read(&path, 1).unwrap().1;
        assert!(series.len() <= most, "{} after {days} days", series.len());
        assert_eq!(series.iter().map(|second| second.dropped).sum::<u64>(), 3_600 * 123_456);
    }
    let text = serde_json::to_string(&read(&path, 1).unwrap().0).unwrap();
    assert!(text.contains("203.0.113.0/24") && !text.contains("203.0.113.7"), "{text}");
    assert_eq!(frames(&path, 1).unwrap(), [], "packets hold addresses");
    let (gone, _) = database.tidy(after(366), &limits).unwrap();
    assert_eq!((gone, read(&path, 1).unwrap()), (vec![1], (None, vec![])));
}

#[test]
fn one_that_goes_on_for_ever_is_thinned_and_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("i.db");
    let (mut database, _) = Database::open(&path).unwrap();
    let limits = Limits { bytes: 4 << 20, ..Limits::default() };
    database.write(&batch(1, 1_796_000_000, 20_000, false)).unwrap();
    let (gone, _) = database.tidy(1_796_020_000, &limits).unwrap();
    let series = read(&path, 1).unwrap().1;
    assert!(gone.is_empty() && series.len() > 1_000, "{} points", series.len());
    assert!(database.used().unwrap() < limits.bytes);
    let free: i64 = database.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
    assert_eq!(free, 0, "what is not used any more is given back");
    assert_eq!(series.iter().map(|second| u64::from(second.span)).sum::<u64>(), 20_000);
}

#[test]
fn one_that_is_damaged_is_set_aside_and_one_of_a_later_format_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("i.db");
    std::fs::write(&path, b"this is no database at all, whatever its name says".repeat(100)).unwrap();
    let (database, found) = Database::open(&path).unwrap();
    assert_eq!(found.next_id, 1);
    assert!(directory.path().join("i.db.damaged").exists());
    database.connection.pragma_update(None, "user_version", 7).unwrap();
    drop(database);
    let error = format!("{:#}", Database::open(&path).unwrap_err());
    assert!(error.contains("format 7") && path.exists(), "{error}");
}
