//! `floodwall state`, on directories that no daemon uses.

use std::fs;

use super::*;
use crate::{
    api::ListName,
    store::{Kept, Store, records::Change},
};

/// A state with an entry.
fn state() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let Kept::OnDisk(mut store) = Store::open(directory.path(), false).unwrap().kept else {
        panic!("damaged")
    };
    let prefix = "192.0.2.1/32".parse().unwrap();
    let add = Change::Add { list: ListName::Block, prefix, since: 1, expires: None, note: None };
    store.append(&[add]).unwrap();
    directory
}

/// As [`command`], without a daemon.
async fn state_command(verb: &[&str], directory: &Path) -> (String, Result<Done, Stop>) {
    let directory = directory.to_str().unwrap();
    command(Path::new("/nonexistent"), &[&["state"], verb, &["--state-dir", directory]].concat()).await
}

#[tokio::test]
async fn a_state_is_checked_and_repaired_without_a_daemon() {
    let directory = state();
    let (said, outcome) = state_command(&["check"], directory.path()).await;
    assert_eq!(outcome.unwrap(), Done::Plain);
    assert!(said.contains(": sound, of format 2; 1 entries, 0 imports"), "{said}");

    fs::remove_file(directory.path().join("witness")).unwrap();
    let (said, outcome) = state_command(&["check"], directory.path()).await;
    assert_eq!(outcome.unwrap().code(), 13);
    assert!(said.starts_with("DAMAGED: witness is missing: ") && said.contains("state repair"), "{said}");
    let (said, outcome) = state_command(&["check", "--json"], directory.path()).await;
    assert_eq!(outcome.unwrap().code(), 13);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["entries"], &said["damage"][0]["what"]), (&json!(1), &json!("witness is missing")));

    let (said, outcome) = state_command(&["repair", "--json"], directory.path()).await;
    assert_eq!(outcome.unwrap(), Done::Plain);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["now"]["entries"], &said["now"]["damage"]), (&json!(1), &json!([])));
    assert!(Path::new(said["set_aside"].as_str().unwrap()).join("state-1.db").exists(), "{said}");
    let (said, outcome) = state_command(&["repair"], directory.path()).await;
    assert_eq!(outcome.unwrap(), Done::Plain);
    assert!(
        said.contains(": sound, of format 2; 1 entries") && !said.contains("files as they were"),
        "{said}"
    );
}

#[tokio::test]
async fn a_state_goes_elsewhere_as_text() {
    let (from, to) = (state(), tempfile::tempdir().unwrap());
    let (text, outcome) = state_command(&["export"], from.path()).await;
    assert_eq!(outcome.unwrap(), Done::Plain);
    let file = to.path().join("text");
    fs::write(&file, &text).unwrap();
    let (file, into) = (file.to_str().unwrap(), to.path().join("state"));
    assert_eq!(state_command(&["import", file], &into).await.1.unwrap(), Done::Plain);
    let (again, _) = state_command(&["export"], &into).await;
    assert_eq!(again, text);

    let (kind, said) = failed(state_command(&["import", file], &into).await.1);
    assert!(kind == Kind::Refused && said.contains("--replace"), "{said}");
    let (said, outcome) = state_command(&["import", file, "--replace"], &into).await;
    assert_eq!(outcome.unwrap(), Done::Plain);
    assert!(said.contains("the files as they were are in "), "{said}");
    fs::write(file, &text[..text.len() / 2]).unwrap();
    let (kind, said) = failed(state_command(&["import", file, "--replace"], &into).await.1);
    assert!(kind == Kind::Invalid && said.contains("reading the text"), "{said}");
    let (kind, said) = failed(state_command(&["import", "/nonexistent"], &into).await.1);
    assert!(kind == Kind::Invalid && said.contains("opening /nonexistent"), "{said}");
}

#[tokio::test]
async fn a_directory_that_is_in_use_or_not_there_is_told() {
    let directory = state();
    let held = Store::open(directory.path(), false).unwrap();
    for verb in ["check", "repair", "export"] {
        let (kind, said) = failed(state_command(&[verb], &directory.path().join("x")).await.1);
        assert!(kind == Kind::NotFound && said.contains("there is no directory"), "{verb}: {said}");
    }
    let (kind, said) = failed(state_command(&["repair"], directory.path()).await.1);
    assert!(kind == Kind::Refused && said.contains("another floodwall uses the state"), "{said}");
    for verb in ["check", "export"] {
        let (_, ended) = state_command(&[verb], directory.path()).await;
        assert!(matches!(ended, Ok(Done::Plain)), "{verb}: {ended:?}");
    }
    drop(held);
}
