//! What is answered where something is not there, not understood or damaged.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_understood_is_told_by_its_kind() {
    let served = served();
    let client = &served.client;
    assert_eq!(kind(client.get::<Value>("/v1/nonsense").await), FailureKind::NotFound);
    assert_eq!(kind(client.post::<Value>("/v1/status", &json!({})).await), FailureKind::Invalid);
    assert_eq!(
        kind(client.post::<Value>("/v1/block/add", &json!({ "prefix": 1 })).await),
        FailureKind::Invalid
    );
    assert_eq!(kind(client.get::<Value>("/v1/block?limit=many").await), FailureKind::Invalid);
    assert_eq!(
        kind(client.post::<Value>("/v1/attach", &json!({ "interface": "x0" })).await),
        FailureKind::Refused
    );
    assert_eq!(
        kind(client.post::<Value>("/v1/detach", &json!({ "interface": "e0" })).await),
        FailureKind::NotFound
    );
    let attached: Value = client.post("/v1/attach", &json!({ "interface": "e0" })).await.expect("attached");
    assert_eq!(attached["name"], "e0");
    let left: Value = client.post("/v1/detach", &json!({ "interface": "e0" })).await.expect("detached");
    assert_eq!(left["remaining"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_takes_no_change_and_lets_everything_pass_if_asked_to() {
    let served = served_with(|state| {
        std::fs::write(state.join("journal-7.jsonl"), "{\"change\":\"lift-all\"}\n").expect("written");
    });
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &add).await), FailureKind::StateDamaged);
    let bypass: Value = client.put("/v1/bypass", &json!({ "seconds": 60 })).await.expect("at all times");
    assert!(bypass["seconds"].as_f64().is_some_and(|left| left > 50.0));
    let status: Value = client.get("/v1/status").await.expect("a status");
    assert!(status["problems"][0].as_str().is_some_and(|problem| problem.contains("DAMAGED")), "{status}");
    assert!(served.directory.path().join("state/journal-7.jsonl").exists(), "it is left as it is");
}
