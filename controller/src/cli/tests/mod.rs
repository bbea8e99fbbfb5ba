//! Whole commands, from the command line to the output, against daemons made up.

mod import;
mod state;
mod watch;

use std::{io, path::Path};

use clap::{CommandFactory as _, Parser as _};
use serde_json::{Value, json};

use super::*;
use crate::client::fake::{Server, chunks, response};

/// Carries out a command; what it printed, and how it ended.
async fn command(socket: &Path, arguments: &[&str]) -> (String, Result<Done, Stop>) {
    let cli = Cli::try_parse_from([&["floodwall"], arguments].concat()).unwrap();
    let Some(Verb::Ask(ask)) = cli.verb else { panic!("run is not asked") };
    let mut out = Vec::new();
    let mut session = Session::of_test(socket, cli.json, &mut out);
    let outcome = ask.apply(&mut session).await;
    drop(session);
    (String::from_utf8(out).unwrap(), outcome)
}

/// What a command printed that was carried out.
async fn printed(server: &Server, arguments: &[&str]) -> String {
    let (out, outcome) = command(&server.socket, arguments).await;
    assert_eq!(outcome.unwrap(), Done::Plain);
    out
}

fn failed(outcome: Result<Done, Stop>) -> (Kind, String) {
    match outcome {
        Err(Stop::Failed(failed)) => (failed.kind(), failed.message().to_owned()),
        other => panic!("{other:?}"),
    }
}

/// What clap says of a line that it refuses, and the exit code.
fn refused(line: &str) -> (String, i32) {
    match Cli::try_parse_from(line.split_whitespace()) {
        Ok(cli) => panic!("{cli:?}"),
        Err(error) => (wrong(&error.render().to_string()), error.exit_code()),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn mistakes_are_found_before_anybody_is_asked() {
    assert_eq!(
        refused("floodwall block add 192.0.2.1 203.0.113.7/24"),
        ("invalid value '203.0.113.7/24' for '<PREFIX>...': host bits set; meant 203.0.113.0/24?".into(), 2)
    );
    assert_eq!(
        refused("floodwall block add 192.0.2.1 --for 10").0,
        "invalid value '10' for '--for <DURATION>': which unit? Meant 10s, 10m, 10h or 10d?"
    );
    assert_eq!(
        refused("floodwall block test 192.0.2.0/24").0,
        "invalid value '192.0.2.0/24' for '<ADDR>': a prefix, where one address is wanted; meant 192.0.2.0?"
    );
    assert_eq!(
        refused("floodwall block add").0,
        "the following required arguments were not provided:\n  <PREFIX>..."
    );
    for line in [
        "floodwall block add ::ffff:192.0.2.1",
        "floodwall allow rm 010.0.0.1",
        "floodwall allow import x",
        "floodwall limit set bytes 5/s",
        "floodwall limit set syn 5/m",
        "floodwall detach ../x",
        "floodwall status extra",
        "floodwall block list --limit 0",
    ] {
        assert_eq!(refused(line).1, 2, "{line}");
    }
}

#[tokio::test]
async fn add_sends_what_was_said() {
    let server = Server::of_routes(&[(
        "POST /v1/block/add ",
        response("200 OK", r#"{"added":["192.0.2.1/32"],"updated":["2001:db8::/32"]}"#),
    )]);
    let arguments = ["block", "add", "192.0.2.1", "2001:DB8::/32", "--for", "1h30m", "--note", "why \"so\""];
    assert_eq!(
        printed(&server, &arguments).await,
        "blocked 192.0.2.1/32 for 1h 30m\n2001:db8::/32 was blocked already; now blocked for 1h 30m\n"
    );
    let sent: Value = serde_json::from_str(&server.request().1).unwrap();
    assert_eq!(
        sent,
        json!({"prefixes": ["192.0.2.1/32", "2001:db8::/32"], "seconds": 5400, "note": "why \"so\"", "force": false})
    );
    let out = printed(&server, &["block", "add", "192.0.2.1", "--json", "--force"]).await;
    assert_eq!(out, "{\"added\":[\"192.0.2.1/32\"],\"updated\":[\"2001:db8::/32\"]}\n");
}

#[tokio::test]
async fn refusals_keep_their_kind() {
    let refusal =
        r#"{"kind":"refused","message":"192.0.2.0/24 holds this host's address; --force to do it anyway"}"#;
    let server = Server::of_routes(&[("POST /v1/block/add ", response("409 Conflict", refusal))]);
    let (out, outcome) = command(&server.socket, &["block", "add", "192.0.2.0/24"]).await;
    let (kind, message) = failed(outcome);
    assert_eq!((out.as_str(), kind, kind.code()), ("", Kind::Refused, 4));
    assert_eq!(message, "192.0.2.0/24 holds this host's address; --force to do it anyway");
    let (_, outcome) = command(&server.socket, &["allow", "rm", "192.0.2.0/24"]).await;
    assert_eq!(failed(outcome).0, Kind::NotFound);
    let (_, outcome) = command(Path::new("/nonexistent/s"), &["status"]).await;
    let (kind, message) = failed(outcome);
    assert_eq!(kind.code(), 7);
    assert!(message.starts_with("is floodwall running?"), "{message}");
}

const PAGES: [(&str, &str); 2] = [
    (
        "GET /v1/block?after=192.0.2.1%2F32&limit=",
        r#"{"entries":[{"prefix":"2001:db8::/32","hits":0,"since":0,"import":"drop"}],"total":2}"#,
    ),
    (
        "GET /v1/block?limit=",
        r#"{"entries":[{"prefix":"192.0.2.1/32","hits":5,"since":0}],"next":"192.0.2.1/32","total":2}"#,
    ),
];

fn pages() -> Server {
    Server::of_routes(&PAGES.map(|(start, body)| (start, response("200 OK", body))))
}

#[tokio::test]
async fn lists_are_paged_through() {
    let server = pages();
    let out = printed(&server, &["block", "list"]).await;
    let lines: Vec<_> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["PREFIX", "PACKETS", "LISTED", "EXPIRES", "IMPORT", "NOTE"]);
    assert_eq!(
        (lines[1][0], lines[1][1], lines[2][0], lines[2].last()),
        ("192.0.2.1/32", "5", "2001:db8::/32", Some(&"drop"))
    );
    assert_eq!(out.lines().last(), Some("2 prefixes in the blocklist"));

    let out = printed(&server, &["block", "list", "--limit", "1"]).await;
    assert_eq!(out.lines().last(), Some("the first 1 of 2 in the blocklist"));

    let out = printed(&server, &["--json", "block", "list"]).await;
    let entries: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((entries.len(), &entries[1]["import"]), (2, &json!("drop")));

    let empty = Server::of_routes(&[("GET /v1/allow?", response("200 OK", r#"{"entries":[],"total":0}"#))]);
    assert_eq!(printed(&empty, &["allow", "list"]).await, "the allowlist is empty\n");
    assert_eq!(printed(&empty, &["allow", "list", "--json"]).await, "");
}

#[tokio::test]
async fn a_daemon_that_turns_in_circles_is_left() {
    let (start, body) = PAGES[1];
    let server = Server::of_routes(&[(&start[..14], response("200 OK", body))]);
    let (_, outcome) = command(&server.socket, &["block", "export"]).await;
    assert_eq!(failed(outcome).0, Kind::Internal);
}

#[tokio::test]
async fn export_prints_what_import_reads() {
    let server = pages();
    assert_eq!(printed(&server, &["block", "export"]).await, "192.0.2.1/32\n2001:db8::/32\n");
    assert_eq!(printed(&server, &["block", "export", "--json"]).await.lines().count(), 2);
}

/// Somebody who reads nothing.
struct Closed;

impl io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn output_that_nobody_reads_ends_the_command_quietly() {
    let server = pages();
    let cli = Cli::try_parse_from(["floodwall", "block", "list"]).unwrap();
    let Some(Verb::Ask(ask)) = cli.verb else { panic!("list is not run") };
    let mut out = Vec::new();
    let mut session = Session::of_test(&server.socket, false, &mut out);
    session.out = Box::new(Closed);
    assert!(matches!(ask.apply(&mut session).await, Err(Stop::Closed)));
}

#[tokio::test]
async fn test_ends_with_the_answer_if_asked_to() {
    let answer = |decided: &str| {
        response(
            "200 OK",
            &format!(r#"{{"address":"::1","decided_by":{decided},"prefix":null,"why":"so","covering":[]}}"#),
        )
    };
    let server = Server::of_routes(&[
        ("GET /v1/block/test?address=192.0.2.1 ", answer("\"block\"")),
        ("GET /v1/block/test?address=192.0.2.2 ", answer("\"allow\"")),
        ("GET /v1/allow/test?address=192.0.2.2 ", answer("\"allow\"")),
        ("GET /v1/block/test?address=%3A%3A1 ", answer("null")),
    ]);
    for (list, address, code) in [
        ("block", "192.0.2.1", 0),
        ("block", "192.0.2.2", 10),
        ("allow", "192.0.2.2", 0),
        ("block", "::1", 11),
    ] {
        let (_, outcome) = command(&server.socket, &[list, "test", address, "--exit-code"]).await;
        assert_eq!(outcome.unwrap().code(), code, "{list} {address}");
        printed(&server, &[list, "test", address]).await;
    }
}

#[tokio::test]
async fn why_asks_of_one_address_and_says_the_verdict_first() {
    let report = r#"{"address":"2001:db8::7","outcome":"blocked","verdict":"2001:db8::7 is blocked: so","problems":[],
        "lists":{"decided_by":"block","prefix":"2001:db8::/32","why":"so","covering":[{"list":"block","wanted_by":["hand"],
        "prefix":"2001:db8::/32","hits":5,"since":0}]},"spared":[],"checks":[],"signatures":[],"bans":[],
        "source":{"source":"2001:db8::/64","tracked":false,"known":false,"packets":0,"bytes":0,"syns":0,"packet_tokens":null,
        "syn_tokens":null,"idle_seconds":null,"banned_seconds":null},"rules":[],"attacked":[]}"#;
    let server = Server::of_routes(&[("GET /v1/why?address=2001%3Adb8%3A%3A7 ", response("200 OK", report))]);
    let out = printed(&server, &["why", "2001:db8::7"]).await;
    assert!(
        out.starts_with("2001:db8::7 is blocked: so\nsource     new: nothing is known of it\nlists      block 2001:db8::/32, 5 "),
        "{out}"
    );
    let out = printed(&server, &["why", "2001:db8::7", "--all"]).await;
    assert!(out.contains("so\nlists\n  block 2001:db8::/32, 5 packets, listed "), "{out}");
    let out = printed(&server, &["--json", "why", "2001:db8::7"]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["outcome"], "blocked");
    assert_eq!(
        refused("floodwall why 192.0.2.0/24").0,
        "invalid value '192.0.2.0/24' for '<ADDR>...': a prefix, where one address is wanted; meant 192.0.2.0?"
    );
    assert_eq!(refused("floodwall why nobody").1, 2);
    assert_eq!(refused("floodwall why").1, 2);
}

#[tokio::test]
async fn flush_wants_to_be_meant() {
    let server = Server::of_routes(&[("POST /v1/block/flush ", response("200 OK", r#"{"removed":3}"#))]);
    let (_, outcome) = command(&server.socket, &["block", "flush", "--name", "ipsum"]).await;
    let (kind, message) = failed(outcome);
    assert_eq!(kind, Kind::Refused);
    assert_eq!(
        message,
        "this removes every prefix that the import ipsum brought; say --yes if that is meant"
    );
    assert!(server.requests.try_recv().is_err(), "nothing was asked");
    let out = printed(&server, &["block", "flush", "--name", "ipsum", "--yes"]).await;
    assert_eq!(out, "removed 3 prefixes from the blocklist\n");
    assert_eq!(server.request().1, r#"{"name":"ipsum"}"#);
}

#[tokio::test]
async fn events_end_after_as_many_as_were_wanted() {
    let event = r#"{"kind":"drop","time_ms":0,"reason":"blocked","interface":"eth0","source":null,"destination":null,"protocol":0,
        "source_port":0,"destination_port":0,"tcp_flags":0,"length":60,"untold":0}"#;
    let event = format!("{}\n", event.replace('\n', " "));
    // A stream that breaks is an error only to one who wanted more.
    let server = Server::of_routes(&[("GET /v1/events ", chunks(&[&event, &event, &event], false))]);
    let out = printed(&server, &["events", "--count", "2"]).await;
    assert_eq!(out, "00:00:00.000 eth0 blocked ? > ? protocol 0 60 B\n".repeat(2));
    let (out, outcome) = command(&server.socket, &["events", "--json"]).await;
    assert_eq!((out.lines().count(), failed(outcome).0), (3, Kind::Internal));
}

#[tokio::test]
async fn limits_and_detach() {
    let rules = r#"{"rules":[{"service":"default","rule":"source-packets","number":null,"shared":true,"per":"source",
        "of":"packets","rate":5000,"burst":5000,"then":"limit","state":"enforce","in_use":true,"text":"","packets":0,
        "bytes":0,"bans":0,"explanation":[]}]}"#;
    let server = Server::of_routes(&[
        ("PUT /v1/rule ", response("200 OK", r#"{"rules":[]}"#)),
        ("GET /v1/rule ", response("200 OK", rules)),
        ("POST /v1/detach ", response("200 OK", r#"{"remaining":["eth1"]}"#)),
    ]);
    let out = printed(&server, &["limit", "set", "packets", "5k/s", "--for", "10m"]).await;
    assert_eq!(out, "packets  5,000/s, burst 5,000\nsyn      off\n");
    let sent: Value = serde_json::from_str(&server.request().1).unwrap();
    assert_eq!(
        sent,
        json!({"service": "default", "of": "packets", "per": "source", "rate": 5000, "mode": "enforce",
            "seconds": 600, "reset": false})
    );
    assert!(server.request().0.starts_with("GET /v1/rule "), "what holds then is asked for");
    let out = printed(&server, &["--json", "limit", "reset", "syn"]).await;
    assert_eq!(out, "{\"packets\":{\"rate\":5000,\"burst\":5000},\"syn\":null,\"only_count\":[]}\n");
    let sent: Value = serde_json::from_str(&server.request().1).unwrap();
    assert_eq!(sent, json!({"service": "default", "of": "syn", "per": "source", "reset": true}));
    drop(server.request());
    assert_eq!(
        printed(&server, &["detach", "eth0"]).await,
        "eth0 is not filtered any more; still filtered: eth1\n"
    );
    assert_eq!(server.request().1, r#"{"interface":"eth0"}"#);
}

#[tokio::test]
async fn without_a_daemon_detach_looks_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let bpffs = directory.path().to_str().unwrap();
    let (_, outcome) = command(&directory.path().join("s"), &["detach", "eth0", "--bpffs", bpffs]).await;
    let (kind, message) = failed(outcome);
    assert_eq!(kind, Kind::NotFound);
    assert!(message.starts_with("no daemon answers, and without one: eth0 is not protected"), "{message}");
}

#[tokio::test]
async fn completions_and_manual_know_every_command() {
    for arguments in [["completions", "bash"].as_slice(), &["completions", "zsh"], &["man"]] {
        let (out, _) = command(Path::new("/"), arguments).await;
        for verb in ["status", "block", "allow", "limit", "source", "why", "events", "detach", "run"] {
            assert!(out.contains(verb), "{arguments:?} lacks {verb}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    command(Path::new("/"), &["man", "--dir", directory.path().to_str().unwrap()]).await.1.unwrap();
    assert!(directory.path().join("floodwall-block-import.8").exists());
}
