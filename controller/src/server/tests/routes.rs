//! The table of routes.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_table_is_served_and_no_other_method() {
    let served = served();
    for route in ROUTES {
        let path = path::of_list(route.path, ListName::Block);
        // What it says does not matter here, but that somebody is there to say it.
        let answer = match route.method {
            // A stream has no end.
            Method::Get if route.path == path::EVENTS => continue,
            Method::Get => served.client.get::<Value>(&path).await,
            Method::Post => served.client.post(&path, &json!(0)).await,
            Method::Put => served.client.put(&path, &json!(0)).await,
        };
        if let Err(ClientError::Failed(failure)) = answer {
            let nobody =
                failure.message.starts_with("there is no /v1") || failure.message.contains("does not take");
            assert!(!nobody, "{} {path}: {failure:?}", route.method.name());
        }
        let is_there = |method| ROUTES.iter().any(|other| other.path == route.path && other.method == method);
        if !is_there(Method::Put) {
            let refused = served.client.put::<Value>(&path, &json!(0)).await;
            assert!(
                matches!(refused, Err(ClientError::Failed(failure)) if failure.message.contains("does not take PUT"))
            );
        }
    }
    let described: Value = served.client.get(path::OPENAPI).await.expect("a description");
    assert_eq!(described, openapi::document());
}
