//! Whole ways: from what becomes of an incident to what a receiver gets.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread::sleep,
};

use floodwall_api::IncidentSeverity;

use self::server::{Behaviour, PATIENCE, Server};
use super::*;
use crate::written::NotifyTable;

mod alertmanager;
mod fastnetmon;
mod mail;
mod server;
mod smtp;
mod tls;

const OK: Behaviour = Behaviour::Answer(200, "");

fn target(text: &str) -> Target {
    let table: NotifyTable = toml::from_str(text).expect("TOML");
    table.target().expect("sound")
}

fn webhook(server: &Server, more: &str) -> Target {
    target(&format!("name = 'hook'\nkind = 'webhook'\nurl = 'http://{}/hook'\n{more}", server.address))
}

fn start(targets: Vec<Target>) -> Notifier {
    Notifier::start_with(targets, "edge1", None).expect("a thread")
}

fn incident() -> Incident {
    Incident { id: 7, key: "floodwall-0123456789abcdef".to_owned(), ..sample::incident(1_796_000_000_000) }
}

/// Waits until how a target fares is as it should be.
fn until(notifier: &Notifier, what: &str, holds: impl Fn(&NotifyReport) -> bool) -> NotifyReport {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = notifier.report().remove(0);
        if holds(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "{what}: {report:?}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_becomes_of_an_incident_is_told_in_order() {
    let server = Server::start(&[OK]);
    let notifier = start(vec![webhook(&server, "")]);
    let over = sample::over(incident());
    for (event, incident) in [
        (IncidentEvent::Began, incident()),
        (IncidentEvent::NeedsHuman, incident()),
        (IncidentEvent::Ended, over),
    ] {
        notifier.tell(&[(event, incident)]);
        let came = server.next();
        assert!(came.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", came.head);
        assert!(came.head.contains("content-type: application/json"), "{}", came.head);
        let document = came.json();
        assert_eq!(document["event"], event.name());
        assert_eq!((&document["host"], &document["incident"]["id"]), (&"edge1".into(), &7.into()));
        assert_eq!(document["incident"]["key"], "floodwall-0123456789abcdef");
    }
    let report = until(&notifier, "three are counted", |report| report.sent == 3);
    assert_eq!((report.failed, report.waiting, report.problem), (0, 0, None));
    assert!(report.last_sent.is_some() && notifier.problems().is_empty());
}

#[test]
fn what_fails_is_tried_again_and_the_receiver_says_how_long_it_wants_to_be_left_alone() {
    let behaviours =
        [Behaviour::Answer(500, ""), Behaviour::CutOff, Behaviour::Answer(429, "retry-after: 6\r\n"), OK];
    let server = Server::start(&behaviours);
    let notifier = start(vec![webhook(&server, "")]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let first = server.next();
    let report = until(&notifier, "it is told", |report| report.problem.is_some());
    assert!(report.problem.is_some_and(|problem| problem.contains("answers 500")));
    assert!(notifier.problems()[0].contains("NOTIFICATIONS BY hook ARE NOT TAKEN"));
    let (second, third) = (server.next(), server.next());
    until(&notifier, "it waits", |report| report.next_try_seconds > Some(3));
    let fourth = server.next();
    assert!(second.at - first.at >= Duration::from_millis(700), "{:?}", second.at - first.at);
    assert!(third.at - second.at >= Duration::from_millis(1_400), "it waits for longer each time");
    assert!(fourth.at - third.at >= Duration::from_secs(6), "{:?}", fourth.at - third.at);
    let report = until(&notifier, "it is taken", |report| report.sent == 1);
    assert_eq!((report.failed, report.problem), (0, None));
}

#[test]
fn what_is_refused_or_too_old_is_given_up() {
    let server = Server::start(&[Behaviour::Answer(400, ""), Behaviour::Answer(500, "")]);
    let notifier = start(vec![webhook(&server, "give-up-after = '2s'")]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let report = until(&notifier, "it is refused", |report| report.failed == 1);
    assert!(report.problem.is_some_and(|problem| problem.contains("answers 400")));
    server.next();
    assert!(server.is_quiet(Duration::from_secs(2)), "what is refused is not sent again");
    notifier.tell(&[(IncidentEvent::NeedsHuman, incident())]);
    let report = until(&notifier, "it is given up", |report| report.failed == 2);
    assert!(report.problem.is_some_and(|problem| problem.contains("given up, as it was tried for 2s")));
}

#[test]
fn one_that_hangs_holds_up_nobody_and_keeps_a_bounded_number_of_messages() {
    let (hangs, answers) = (Server::start(&[Behaviour::Hang]), Server::start(&[OK]));
    let others = webhook(&answers, "");
    let notifier = start(vec![webhook(&hangs, "timeout = '1s'"), Target { name: "other".into(), ..others }]);
    let began = Instant::now();
    for id in 0..500 {
        let incident = Incident { id, key: format!("floodwall-{id:016x}"), ..incident() };
        notifier
            .tell(&[(IncidentEvent::Began, incident.clone()), (IncidentEvent::Changed, incident.clone())]);
        notifier.update(&incident);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "telling took {:?}", began.elapsed());
    assert_eq!(answers.next().json()["event"], "began");
    let report = until(&notifier, "it is told", |report| report.problem.is_some());
    assert!(report.problem.is_some_and(|problem| problem.contains("no answer within 1s")));
    assert!(
        report.waiting <= 64 && report.left_out >= 900,
        "{} wait, {} left out",
        report.waiting,
        report.left_out
    );
    assert!(hangs.next().at.elapsed() < PATIENCE);
    // It ends at once, though a message is under way.
    let ends = Instant::now();
    drop(notifier);
    assert!(ends.elapsed() < Duration::from_millis(500));
}

#[test]
fn no_more_is_sent_in_a_minute_than_is_allowed() {
    let server = Server::start(&[OK]);
    let notifier = start(vec![webhook(&server, "per-minute = 2")]);
    for id in 0..5 {
        notifier
            .tell(&[(IncidentEvent::Began, Incident { key: format!("floodwall-{id:016x}"), ..incident() })]);
    }
    server.next();
    server.next();
    assert!(server.is_quiet(Duration::from_secs(2)));
    assert_eq!(until(&notifier, "two are sent", |report| report.sent == 2).sent, 2);
}

#[test]
fn secrets_are_sent_and_shown_by_nothing() {
    let server = Server::start(&[Behaviour::Answer(403, "")]);
    let directory = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, secret: &str| std::fs::write(directory.path().join(name), secret).expect("written");
    write("channel", &format!("http://{}/services/s3cret-path\n", server.address));
    write("token", "Bearer s3cret-token\n");
    write("pager", "s3cret-key\n");
    let targets = vec![
        target("name = 'chat'\nkind = 'slack'\nurl = { credential = 'channel' }"),
        webhook(&server, "authorization = { credential = 'token' }\ntemplate = '{{ title }}'"),
        target(&format!(
            "name = 'pager'\nkind = 'pagerduty'\nurl = 'http://{}/v2/enqueue'\nkey = {{ credential = 'pager' }}",
            server.address
        )),
    ];
    let notifier =
        Notifier::start_with(targets, "edge1", Some(directory.path().to_owned())).expect("a thread");
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let came = [server.next(), server.next(), server.next()];
    assert!(came.iter().any(|came| came.head.starts_with("POST /services/s3cret-path ")), "{came:?}");
    assert!(came.iter().any(|came| came.head.contains("authorization: Bearer s3cret-token")), "{came:?}");
    assert!(came.iter().any(|came| came.body.contains("s3cret-key")), "{came:?}");
    let deadline = Instant::now() + PATIENCE;
    while notifier.report().iter().any(|report| report.failed == 0) {
        assert!(Instant::now() < deadline, "{:?}", notifier.report());
        sleep(Duration::from_millis(20));
    }
    let told = format!("{:?} {:?} {}", notifier, notifier.problems(), serde_json::json!(notifier.report()));
    assert!(told.contains("answers 403") && !told.contains("s3cret"), "{told}");
}

#[test]
fn a_secret_that_is_missing_is_told_before_it_is_needed() {
    let notifier = start(vec![target("name = 'chat'\nkind = 'slack'\nurl = { file = '/nowhere/slack' }")]);
    let report = until(&notifier, "it is told", |report| report.problem.is_some());
    assert!(report.problem.is_some_and(|problem| problem.contains("/nowhere/slack")));
}

#[test]
fn an_alertmanager_hears_of_an_incident_of_an_earlier_run_and_of_its_end() {
    let server = Server::start(&[OK]);
    let text = format!(
        "name = 'am'\nkind = 'alertmanager'\nurl = 'http://{}'\nevents = ['needs-human']",
        server.address
    );
    let notifier = start(vec![target(&text)]);
    notifier.resume(&incident());
    let came = server.next();
    assert!(came.head.starts_with("POST /api/v2/alerts "), "{}", came.head);
    let began = came.json();
    notifier.tell(&[(IncidentEvent::Changed, incident())]);
    notifier.tell(&[(IncidentEvent::Ended, sample::over(incident()))]);
    let ended = server.next().json();
    assert_eq!(began[0]["labels"], ended[0]["labels"]);
    assert!(began[0]["endsAt"].as_str() > ended[0]["endsAt"].as_str(), "{began} {ended}");
}

/// A program that writes down what it was given.
fn script(directory: &Path, more: &str) -> PathBuf {
    let path = directory.join("told");
    let text = format!(
        "#!/bin/sh\ncat > {0}/stdin-$$\necho \"$#\" \"$@\" \"${{FLOODWALL_EVENT}}\" \"${{HOME:-nothing}}\" >> {0}/calls\n{more}\n",
        directory.display()
    );
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("may be run");
    path
}

fn calls(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn stdins(directory: &Path) -> Vec<String> {
    let files =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let stdin = files.filter(|path| path.display().to_string().contains("stdin-"));
    stdin.map(|path| std::fs::read_to_string(path).expect("read")).collect()
}

#[test]
fn a_script_of_fastnetmons_is_called_for_each_host_with_what_it_knows() {
    for (format, ban, unban) in [
        ("fastnetmon", "2 ban 192.0.2.10 began nothing", "2 unban 192.0.2.10 ended nothing"),
        (
            "fastnetmon-text",
            "4 192.0.2.10 incoming 100000 ban began nothing",
            "4 192.0.2.10 incoming 100000 unban ended nothing",
        ),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = script(directory.path(), "");
        let text =
            format!("name = 'fnm'\nkind = 'command'\npath = '{}'\nformat = '{format}'", path.display());
        let notifier = start(vec![target(&text)]);
        let mut attacked = incident();
        attacked.destinations.clear();
        notifier.tell(&[(IncidentEvent::Began, attacked.clone())]);
        notifier.update(&attacked);
        attacked.destinations = incident().destinations;
        attacked.destinations[0].prefix = "192.0.2.10/32".to_owned();
        notifier.update(&attacked);
        notifier.tell(&[(IncidentEvent::Changed, attacked.clone())]);
        notifier.tell(&[(IncidentEvent::Ended, sample::over(attacked))]);
        until(&notifier, "both calls are made", |report| report.sent == 2);
        assert_eq!(calls(directory.path()), [ban, unban]);
        let stdins = stdins(directory.path());
        assert_eq!(stdins.len(), 2);
        if format == "fastnetmon" {
            let documents = stdins.iter().map(|text| serde_json::from_str(text).expect("JSON"));
            let documents: Vec<serde_json::Value> = documents.collect();
            assert!(documents.iter().any(|one| one["action"] == "ban" && one["ip"] == "192.0.2.10"));
            assert!(documents.iter().all(|one| one["attack_details"]["attack_type"] == "syn_flood"));
        } else {
            assert!(stdins.iter().any(|text| text.starts_with("IP: 192.0.2.10\n")), "{stdins:?}");
            assert!(stdins.contains(&String::new()), "of the end there is nothing to read");
        }
    }
}

#[test]
fn a_command_that_fails_is_not_called_again_and_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = script(directory.path(), "echo no such room >&2\nexit 3");
    let text = format!("name = 'own'\nkind = 'command'\npath = '{}'", path.display());
    let notifier = start(vec![target(&text)]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let report = until(&notifier, "it fails", |report| report.failed == 1);
    let problem = report.problem.expect("it is told");
    assert!(problem.contains("exit status: 3") && problem.contains("no such room"), "{problem}");
    assert_eq!(calls(directory.path()), ["2 began 7 began nothing"]);
    let document: serde_json::Value = serde_json::from_str(&stdins(directory.path())[0]).expect("JSON");
    assert_eq!(document["event"], "began");
    // What others may write is not run with the daemon's rights.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).expect("set");
    notifier.tell(&[(IncidentEvent::NeedsHuman, incident())]);
    let report = until(&notifier, "it is not called", |report| report.failed == 2);
    assert!(report.problem.is_some_and(|problem| problem.contains("chmod go-w")));
    assert_eq!(calls(directory.path()).len(), 1);
}

#[test]
fn a_command_that_hangs_is_ended_with_all_that_it_has_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let late = directory.path().join("late");
    let path = script(directory.path(), &format!("(sleep 3; touch {}) &\nsleep 600", late.display()));
    let text = format!("name = 'own'\nkind = 'command'\npath = '{}'\ntimeout = '1s'", path.display());
    let notifier = start(vec![target(&text)]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let report = until(&notifier, "it is ended", |report| report.failed == 1);
    assert!(report.problem.is_some_and(|problem| problem.contains("no answer within 1s")));
    sleep(Duration::from_secs(4));
    assert!(!late.exists(), "what it has started goes on");
}

#[test]
fn mail_is_taken_by_a_server_and_refused_by_another() {
    let (address, letters) = smtp::start(None);
    let mail = |port: u16| {
        target(&format!(
            "name = 'mail'\nkind = 'mail'\nserver = '127.0.0.1'\nport = {port}\ntls = 'none'\n\
             from = 'floodwall <floodwall@example.net>'\nto = ['noc@example.net', 'boss@example.net']"
        ))
    };
    let notifier = start(vec![mail(address.port())]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let lines = letters.recv_timeout(PATIENCE).expect("a letter");
    for expected in [
        "MAIL FROM:<floodwall@example.net>",
        "RCPT TO:<boss@example.net>",
        "Subject: edge1: attack began: Incident 7: SYN flood on test",
        "Auto-Submitted: auto-generated",
        "On the host: floodwall incident show 7",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:#?}");
    }
    until(&notifier, "it is sent", |report| report.sent == 1);
    let (address, _letters) = smtp::start(Some("550 nobody of this name"));
    let notifier = start(vec![mail(address.port())]);
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    let report = until(&notifier, "it is refused", |report| report.failed == 1);
    assert!(report.problem.is_some_and(|problem| problem.contains("nobody of this name")));
}

#[tokio::test]
async fn a_test_says_what_became_of_it_and_waits_behind_nothing() {
    let server = Server::start(&[OK, OK, Behaviour::Hang]);
    let text =
        format!("name = 'am'\nkind = 'alertmanager'\nurl = 'http://{}'\ntimeout = '2s'", server.address);
    let notifier = Arc::new(start(vec![target(&text)]));
    assert_eq!(notifier.test("other").await, Err(Untested::NoSuchTarget));
    let tested = notifier.test("am").await.expect("it is tested");
    assert!(tested.taken, "{tested:?}");
    let (began, ended) = (server.next().json(), server.next().json());
    assert!(began[0]["annotations"]["summary"].as_str().is_some_and(|text| text.starts_with("TEST, ")));
    assert_eq!(began[0]["labels"], ended[0]["labels"]);
    // From now on nothing is answered.
    notifier.tell(&[(IncidentEvent::Began, Incident { severity: IncidentSeverity::Critical, ..incident() })]);
    let other = Arc::clone(&notifier);
    let hanging = tokio::spawn(async move { other.test("am").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(notifier.test("am").await, Err(Untested::Busy));
    let tested = hanging.await.expect("it ends").expect("it was tested");
    assert!(!tested.taken && tested.text.contains("no answer within 2s"), "{tested:?}");
    assert!((1_900..10_000).contains(&tested.took_ms), "{tested:?}");
}

#[test]
fn where_nobody_is_to_be_told_there_is_no_thread() {
    let notifier = start(Vec::new());
    notifier.tell(&[(IncidentEvent::Began, incident())]);
    assert!(notifier.runtime.is_none() && notifier.report().is_empty());
}
