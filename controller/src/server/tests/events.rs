//! The stream of events.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_hears_what_has_changed_and_who_has_changed_it() {
    let served = served();
    let mut events = served.client.lines::<Value>("/v1/events").await.expect("a stream");
    let add = json!({ "prefixes": ["203.0.113.0/24"] });
    // The stream begins when its answer does.
    served.client.post::<Value>("/v1/block/add", &add).await.expect("added");
    let mut heard = BTreeMap::new();
    while heard.len() < 2 {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("told");
        let event = event.expect("a line").expect("more");
        heard.insert(event["kind"].to_string(), event["text"].to_string());
    }
    assert!(heard["\"list\""].contains("blocklist: 1 added"), "{heard:?}");
    let who = format!("uid {}", nix::unistd::getuid());
    assert!(heard["\"command\""].contains(&who) && heard["\"command\""].contains("block add"), "{heard:?}");
}
