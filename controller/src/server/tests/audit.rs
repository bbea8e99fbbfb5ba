//! The log of who has asked for what.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_written_down_who_has_asked_for_what_and_what_became_of_it() {
    let served = served();
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"], "note": "spam" });
    client.post::<Value>("/v1/block/add", &add).await.expect("added");
    let own = json!({ "prefixes": ["192.0.2.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &own).await), FailureKind::Refused);
    client.get::<Value>("/v1/block").await.expect("a question");
    assert_eq!(kind(client.post::<Value>("/v1/none/sense", &own).await), FailureKind::NotFound);
    let list = Upload::new(&b"198.51.100.7\n"[..], |_| ());
    let mut lines = client.upload::<Value>("/v1/block/import?name=list", list).await.expect("an import");
    while lines.next().await.expect("a line").is_some() {}

    let deadline = Instant::now() + PATIENCE;
    // Each is on disk a moment after its answer at the latest.
    let page: Value = loop {
        let page: Value = client.get("/v1/audit").await.expect("a page");
        if page["entries"].as_array().expect("entries").len() >= 3 {
            break page;
        }
        assert!(Instant::now() < deadline, "{page}");
    };
    let told: Vec<_> = page["entries"].as_array().expect("entries").iter().collect();
    let words = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(told.len(), 3, "{page}");
    for (number, entry) in (1..).zip(&told) {
        let (uid, pid) = (nix::unistd::getuid().as_raw(), std::process::id());
        assert_eq!(
            (&entry["number"], &entry["uid"], &entry["pid"]),
            (&json!(number), &json!(uid), &json!(pid))
        );
    }
    assert_eq!((words(told[0], "command"), words(told[0], "result")), ("block add".into(), "done".into()));
    assert!(words(told[0], "request").contains("203.0.113.0/24"), "{page}");
    assert!(
        words(told[1], "result").starts_with("refused: ") && words(told[1], "result").contains("--force")
    );
    assert_eq!(words(told[2], "result"), "done: 1 added, 0 removed");
    let latest: Value = client.get("/v1/audit?limit=1&before=3").await.expect("a page");
    assert_eq!((&latest["entries"][0]["number"], &latest["entries"][1]), (&json!(2), &Value::Null));
    assert_eq!(latest["lost"], 0);
}
