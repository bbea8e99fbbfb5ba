use super::*;
use crate::input::{Excess, Occurrence, Snapshot};

fn began() -> Occurrence {
    Occurrence::AttackBegan { service: "web".into(), excess: Excess::Openings, text: "began".into() }
}

fn now_ms() -> u64 {
    unix::millis(SystemTime::now())
}

fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_incident_goes_on_under_its_number_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let start = || ArchiveWriter::start(Some(directory.path()), Limits::default()).unwrap();
    let (writer, mut recorder) = start();
    recorder.record(now_ms(), began());
    writer.archive().put(recorder.take_changes());
    let path = directory.path().join(FILE);
    until(|| database::read(&path, 1).unwrap().0.is_some());
    // It is not ended, as one that is killed is not.
    std::mem::forget(writer);
    let (writer, mut recorder) = start();
    let open = recorder.open().expect("it goes on");
    assert_eq!((open.id, open.waves.len(), open.is_attacked()), (1, 1, true));
    recorder.record(now_ms(), began());
    writer.archive().put(recorder.take_changes());
    let report = writer.archive().report(1, POINTS).unwrap().expect("it is there");
    assert_eq!((report.incident.waves.len(), report.incident.is_attacked()), (1, true));
    assert_eq!(report.incident.warnings.len(), 1, "the gap is told: {:?}", report.incident.warnings);
    writer.end();
    assert_eq!(database::read(&path, 1).unwrap().0, Some(report.incident), "written at the end");
}

#[test]
fn without_a_directory_it_is_known_as_long_as_it_runs() {
    let (writer, mut recorder) = ArchiveWriter::start(None, Limits::default()).unwrap();
    recorder.record(now_ms(), began());
    let archive = writer.archive();
    (0..5).for_each(|second| {
        recorder.snapshot(&Snapshot { time_ms: now_ms() + second * 1_000, ..Snapshot::default() });
    });
    archive.put(recorder.take_changes());
    assert_eq!(archive.list(None, 10).len(), 1);
    assert!(archive.list(Some(1), 10).is_empty());
    let report = archive.report(1, POINTS).unwrap().unwrap();
    assert!(report.series.len() == 4 && report.incomplete.is_some(), "{report:?}");
    assert_eq!(archive.problem(), None, "it was to be so");
    assert_eq!(archive.report(2, POINTS).unwrap(), None);
}

#[test]
fn a_file_that_cannot_be_written_costs_what_has_no_room_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (writer, mut recorder) = ArchiveWriter::start(Some(directory.path()), Limits::default()).unwrap();
    let archive = writer.archive();
    // A table that is gone stands for a disk that takes nothing.
    let path = directory.path().join(FILE);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("ALTER TABLE second RENAME TO hidden").unwrap();
    recorder.record(now_ms(), began());
    let mut write = |seconds: std::ops::Range<u64>| {
        for second in seconds {
            recorder
                .snapshot(&Snapshot { time_ms: 1_796_000_000_000 + second * 1_000, ..Snapshot::default() });
        }
        archive.put(recorder.take_changes());
    };
    write(0..100);
    until(|| archive.problem().is_some());
    write(100..MAX_WAITING_SECONDS as u64 + 200);
    assert!(
        archive.problem().is_some_and(|problem| problem.contains("were lost")),
        "{:?}",
        archive.problem()
    );
    assert_eq!(archive.list(None, 1).len(), 1, "it is known all the same");
    other.execute_batch("ALTER TABLE hidden RENAME TO second").unwrap();
    until(|| {
        database::read(&path, 1).is_ok_and(|(incident, series)| incident.is_some() && !series.is_empty())
    });
    until(|| archive.problem().is_some_and(|problem| !problem.contains("cannot be written")));
    writer.end();
}

#[test]
fn a_report_has_as_many_points_as_are_asked_for() {
    let second = |time| IncidentSecond { time, span: 1, packets: 1, ..IncidentSecond::default() };
    let series: Vec<_> = (7..5_007).map(second).collect();
    let few = fitted(series.clone(), 600);
    assert!((300..=600).contains(&few.len()), "{}", few.len());
    assert_eq!(few.iter().map(|second| second.packets).sum::<u64>(), 5_000);
    assert_eq!(fitted(series, 0).iter().map(|second| second.packets).sum::<u64>(), 5_000);
}
