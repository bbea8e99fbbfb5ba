//! Prefixes of the lists: added, removed, tested, and those that would cut off the host.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_come_and_go_and_what_would_cut_off_the_host_is_refused() {
    let served = served();
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"], "note": "spam" });
    let added: Value = client.post("/v1/block/add", &add).await.expect("added");
    assert_eq!(added["added"], json!(["203.0.113.0/24"]));
    let found: Value = client.get("/v1/block/test?address=203.0.113.7").await.expect("found");
    assert_eq!((&found["decided_by"], &found["prefix"]), (&json!("block"), &json!("203.0.113.0/24")));
    let page: Value = client.get("/v1/block").await.expect("a page");
    assert_eq!((&page["total"], &page["entries"][0]["note"]), (&json!(1), &json!("spam")));

    let own = json!({ "prefixes": ["192.0.2.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &own).await), FailureKind::Refused);
    let nonsense = json!({ "prefixes": ["192.0.2.0/99"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &nonsense).await), FailureKind::Invalid);
    let absent = json!({ "prefixes": ["198.51.100.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/remove", &absent).await), FailureKind::NotFound);
    let many = json!({ "prefixes": (0..2_000).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect::<Vec<_>>() });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &many).await), FailureKind::Full);
    let status: Value = client.get("/v1/status").await.expect("a status");
    assert_eq!(status["block"], json!({ "ipv4": 1, "ipv6": 0 }), "what was refused is not listed");
    let removed: Value =
        client.post("/v1/block/remove", &json!({ "prefixes": ["203.0.113.0/24"] })).await.expect("removed");
    assert_eq!(removed["removed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_blocked_is_told_of_until_it_is_allowed() {
    let served = served();
    let client = &served.client;
    let warnings = async || {
        let status: Value = client.get("/v1/status").await.expect("a status");
        let warnings = status["warnings"].as_array().cloned().unwrap_or_default();
        warnings
            .iter()
            .filter(|warning| warning.as_str().is_some_and(|warning| warning.contains("gateway")))
            .count()
    };
    assert_eq!(warnings().await, 0);
    let forced = json!({ "prefixes": ["192.0.2.128/25"], "force": true });
    client.post::<Value>("/v1/block/add", &forced).await.expect("forced");
    assert_eq!(warnings().await, 1);
    let allowed = json!({ "prefixes": [GATEWAY.to_string()] });
    client.post::<Value>("/v1/allow/add", &allowed).await.expect("allowed");
    assert_eq!(warnings().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_list_says_what_else_decides() {
    let served = served();
    let client = &served.client;
    let found: Value = client.get("/v1/block/test?address=203.0.113.7").await.expect("an answer");
    assert_eq!((&found["decided_by"], &found["outcome"]), (&json!(null), &json!("passes")));
    let rules = found["rules"].as_array().expect("rules").len();
    assert!(rules >= 7, "the defaults: {found}");
    let add = json!({ "prefixes": ["203.0.113.0/24"], "note": "spam" });
    client.post::<Value>("/v1/block/add", &add).await.expect("added");
    let found: Value = client.get("/v1/allow/test?address=203.0.113.7").await.expect("an answer");
    assert_eq!(
        (&found["decided_by"], &found["prefix"], &found["outcome"]),
        (&json!("block"), &json!("203.0.113.0/24"), &json!("blocked"))
    );
    assert_eq!(
        found["verdict"],
        "203.0.113.7 is blocked: 203.0.113.0/24 is on the blocklist (by hand, “spam”)"
    );
    assert_eq!(found["covering"][0]["wanted_by"], json!(["hand"]));
    client.put::<Value>("/v1/bypass", &json!({ "seconds": 60 })).await.expect("for a minute");
    let found: Value = client.get("/v1/block/test?address=203.0.113.7").await.expect("an answer");
    assert_eq!((&found["decided_by"], &found["outcome"]), (&json!("block"), &json!("bypassed")));
}
