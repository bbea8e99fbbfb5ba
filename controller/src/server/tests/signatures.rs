//! Signatures by hand.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_in_force_when_it_is_answered_and_out_when_it_is_dropped() {
    let served = served();
    let client = &served.client;
    let wanted = json!({ "text": "udp sport=7 len=28", "monitor": false });
    let report: Value = client.post("/v1/signature/add", &wanted).await.expect("deployed");
    assert_eq!(
        (&report["pinned"], &report["enforced"], &report["packets"]),
        (&json!(true), &json!(true), &json!(7))
    );
    assert_ne!(served.tables.settings[0].signatures.load(), 0);
    let list: Value = client.get("/v1/signature").await.expect("a list");
    assert_eq!((&list["attack"], list["signatures"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    assert_eq!(
        kind(client.post::<Value>("/v1/signature/drop", &json!({ "number": 9 })).await),
        FailureKind::NotFound
    );
    let number = json!({ "number": report["number"] });
    client.post::<Value>("/v1/signature/drop", &number).await.expect("dropped");
    assert_eq!(served.tables.settings[0].signatures.load(), 0);
    let nonsense = json!({ "text": "udp sport=x", "monitor": false });
    assert_eq!(kind(client.post::<Value>("/v1/signature/add", &nonsense).await), FailureKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_on_trial_or_for_a_time_is_taken_back_and_one_that_takes_all_is_forced() {
    let served = served();
    let Served { client, filter, tables, .. } = &served;
    let in_force = || tables.settings[0].signatures.load() != 0;
    let wanted = json!({ "text": "udp sport=7 len=28", "monitor": false });
    let tried: Value = client.post("/v1/signature/add?confirm_within=60", &wanted).await.expect("deployed");
    assert_eq!((&tried["trial"]["number"], in_force()), (&json!(1), true), "{tried}");
    let waiting: Value = client.get("/v1/trial").await.expect("a list");
    assert_eq!(waiting["trials"][0], tried["trial"]);
    let number = filter.trials()[0].number;
    assert!(filter.undo_trial(number).expect("undone"));
    assert!(!in_force());
    client.post::<Value>("/v1/signature/add", &wanted).await.expect("deployed");
    let monitor = json!({ "text": "udp sport=7 len=28", "monitor": true });
    client.post::<Value>("/v1/signature/add?confirm_within=60", &monitor).await.expect("deployed");
    assert!(filter.undo_trial(number + 1).expect("undone"));
    let list: Value = client.get("/v1/signature").await.expect("a list");
    assert_eq!(list["signatures"][0]["enforced"], true, "as it was before: {list}");

    let brief = json!({ "text": "udp sport=9 len=28", "seconds": 60 });
    let report: Value = client.post("/v1/signature/add", &brief).await.expect("deployed");
    let expires = report["expires"].as_u64().expect("a time");
    let late = std::time::UNIX_EPOCH + Duration::from_secs(expires);
    assert_eq!(filter.expire(late).expect("taken back"), 1);
    let list: Value = client.get("/v1/signature").await.expect("a list");
    assert_eq!(list["signatures"].as_array().map(Vec::len), Some(1), "{list}");

    for text in ["tcp", "len=0-65535"] {
        let all = json!({ "text": text });
        assert_eq!(
            kind(client.post::<Value>("/v1/signature/add", &all).await),
            FailureKind::Refused,
            "{text}"
        );
    }
    assert_eq!(
        kind(client.post::<Value>("/v1/trial/confirm", &json!({ "number": 9 })).await),
        FailureKind::NotFound
    );
}
