//! Interfaces on trial.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn interfaces_on_trial_are_written_down_before_they_are_touched() {
    let served = served();
    let client = &served.client;
    let attach = |name: &str| json!({ "interface": name });
    client.post::<Value>("/v1/attach", &attach("e0")).await.expect("attached");
    let last = client.post::<Value>("/v1/detach?confirm_within=60", &attach("e0")).await;
    assert_eq!(kind(last), FailureKind::Invalid, "the daemon would end");
    let tried: Value = client.post("/v1/attach?confirm_within=60", &attach("e1")).await.expect("attached");
    assert_eq!(tried["trial"]["command"], "attach e1");
    let refused = client.post::<Value>("/v1/attach?confirm_within=60", &attach("x0")).await;
    assert_eq!(kind(refused), FailureKind::Refused);
    assert_eq!(served.filter.trials().len(), 1, "what was not made waits for nobody");
    let tried: Value = client.post("/v1/detach?confirm_within=60", &attach("e0")).await.expect("detached");
    assert_eq!((&tried["remaining"], &tried["trial"]["number"]), (&json!(["e1"]), &json!(3)));
    let confirmed: Value = client.post("/v1/trial/confirm", &json!({})).await.expect("confirmed");
    assert_eq!(confirmed["trials"].as_array().map(Vec::len), Some(2));
}
