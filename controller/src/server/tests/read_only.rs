//! A socket whose clients may only look.

use super::*;
use crate::server::serve_read_only;

/// A client of a second socket of the server, whose clients may only look.
fn onlooker(served: &Served) -> Client {
    let socket = served.directory.path().join("looking");
    let listener = UnixListener::bind(&socket).expect("a socket");
    tokio::spawn(serve_read_only(listener, served.context.clone(), std::future::pending()));
    Client::new(socket).with_patience(PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_sees_everything_and_changes_nothing() {
    let served = served();
    let onlooker = onlooker(&served);
    let added = json!({ "prefixes": ["203.0.113.0/24"] });
    served.client.post::<Value>("/v1/block/add", &added).await.expect("added");
    let page: Value = onlooker.get("/v1/block").await.expect("a page");
    assert_eq!(page["total"], 1);
    let status: Value = onlooker.get("/v1/status").await.expect("a status");
    assert_eq!(status["block"]["ipv4"], 1);
    for route in ROUTES {
        let path = path::of_list(route.path, ListName::Block);
        let outcome = match route.method {
            Method::Get => continue,
            Method::Post => onlooker.post::<Value>(&path, &json!({})).await,
            Method::Put => onlooker.put::<Value>(&path, &json!({})).await,
        };
        assert_eq!(kind(outcome), FailureKind::Denied, "{path}");
    }
    let removed = onlooker.post::<Value>("/v1/block/remove", &added).await;
    let ClientError::Failed(failure) = removed.expect_err("refused") else { panic!("no failure") };
    assert!(failure.message.contains("may only look"), "{}", failure.message);
    let page: Value = served.client.get("/v1/block").await.expect("a page");
    assert_eq!(page["total"], 1, "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_of_those_who_may_only_look_leave_room_for_the_others() {
    let served = served();
    let onlookers = served.context.bounds.of_onlookers();
    assert!(onlookers.connections >= 2 && onlookers.connections <= served.context.bounds.connections / 4);
}
