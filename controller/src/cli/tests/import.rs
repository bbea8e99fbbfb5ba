//! `floodwall block import`.

use std::fs;

use serde_json::{Value, json};

use super::{command, failed, printed};
use crate::{
    cli::exit::{Kind, Stop},
    client::fake::{Server, chunks},
};

fn import(answer: &str) -> Server {
    let progress = r#"{"progress":{"stage":"sorting","done":1,"total":2}}"#;
    Server::of_routes(&[("POST /v1/block/import?", chunks(&[progress, "\n", answer, "\n"], true))])
}

const REPORT: &str = r#"{"lines":2,"added":1,"duplicate":0,"refused":1,"removed":0,"problems":
    [{"line":2,"text":"x","message":"no IP address or prefix"}],"milliseconds":10}"#;

#[tokio::test]
async fn import_sends_the_file_and_shows_the_report() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("my list.txt.gz");
    fs::write(&file, "192.0.2.1\nx\n").unwrap();
    let file = file.to_str().unwrap();
    let report = REPORT.replace('\n', " ");
    let server = import(&format!(r#"{{"done":{report}}}"#));
    let arguments = ["block", "import", file, "--skip-bad", "--for", "1d"];
    assert_eq!(
        printed(&server, &arguments).await,
        "my list is in force: 2 lines in 0.01 s\n           1 added\n           0 duplicate\n           1 refused\n  \
         line 2: x: no IP address or prefix\n"
    );
    let (line, body) = server.request();
    assert_eq!(
        line,
        "POST /v1/block/import?name=my%20list&skip_bad=true&replace=false&force=false&seconds=86400 HTTP/1.1"
    );
    assert_eq!(body, "C\r\n192.0.2.1\nx\n\r\n0\r\n\r\n");
    let out = printed(&server, &[&arguments, ["--json", "--replace"].as_slice()].concat()).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["refused"], 1);
}

#[tokio::test]
async fn a_list_that_is_refused_shows_its_lines_and_fails() {
    let report = REPORT.replace('\n', " ");
    let failure = r#"{"kind":"bad-list","message":"1 line refused; nothing was imported (--skip-bad imports the rest)"}"#;
    let server = import(&format!(r#"{{"failed":{{"failure":{failure},"report":{report}}}}}"#));
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = file.path().to_str().unwrap();
    let (out, outcome) = command(&server.socket, &["block", "import", file, "--name", "n"]).await;
    assert_eq!(out, "n is not imported: 1 of 2 lines refused\n  line 2: x: no IP address or prefix\n");
    assert_eq!(failed(outcome).0.code(), 5);

    let (out, outcome) = command(&server.socket, &["block", "import", file, "--json"]).await;
    assert_eq!(out, "", "the failure's document holds the report");
    let Err(Stop::Failed(failed)) = outcome else { panic!("{outcome:?}") };
    let document = serde_json::to_value(&failed).unwrap();
    assert_eq!((&document["failure"]["kind"], &document["report"]["lines"]), (&json!("bad-list"), &json!(2)));
}

#[tokio::test]
async fn an_import_that_ends_without_a_word_is_a_failure() {
    let server = Server::of_routes(&[("POST /v1/block/import?", chunks(&[], true))]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, outcome) = command(&server.socket, &["block", "import", file.path().to_str().unwrap()]).await;
    assert_eq!(failed(outcome).0, Kind::Internal);
    let (_, outcome) = command(&server.socket, &["block", "import", "/nonexistent/list"]).await;
    assert_eq!(failed(outcome).0, Kind::Invalid);
    let (_, outcome) = command(&server.socket, &["block", "import", "/"]).await;
    assert_eq!(failed(outcome), (Kind::Invalid, "/ is a directory".into()));
}
