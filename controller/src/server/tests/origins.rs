//! What is named as a network stands for its prefixes, and follows the database.

use super::*;

async fn post(served: &Served, list: ListName, what: &str, request: Value) -> Result<Value, ClientError> {
    served.client.post(&path::of_list(what, list), &request).await
}

/// The prefixes of a list.
fn listed(served: &Served, list: ListName) -> Vec<String> {
    served.filter.page(list, None, 100).entries.into_iter().map(|entry| entry.prefix).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_blocked_by_its_number_and_leaves_as_a_whole() {
    let served = served();
    let added =
        post(&served, ListName::Block, path::ADD, json!({"prefixes": ["asn:64500"]})).await.expect("added");
    assert_eq!(added["added"], json!(["asn:64500 (2 prefixes)"]));
    assert_eq!(listed(&served, ListName::Block), ["198.51.100.0/24", "2001:db8:7::/48"]);
    let again =
        post(&served, ListName::Block, path::ADD, json!({"prefixes": ["AS:64500"]})).await.expect("there");
    assert_eq!((&again["added"], &again["updated"]), (&json!([]), &json!(["asn:64500 (2 prefixes)"])));
    let why: Value = served.client.get("/v1/why?address=198.51.100.7").await.expect("an answer");
    assert_eq!((&why["outcome"], &why["source"]["origin"]), (&json!("blocked"), &json!({"asn": 64_500})));
    let removed = post(&served, ListName::Block, path::REMOVE, json!({"prefixes": ["asn:64500"]})).await;
    assert_eq!(removed.expect("removed")["removed"], 2);
    assert_eq!(listed(&served, ListName::Block), Vec::<String>::new());
    let gone = post(&served, ListName::Block, path::REMOVE, json!({"prefixes": ["asn:64500"]})).await;
    assert_eq!(kind(gone), FailureKind::NotFound);

    let allowed = post(&served, ListName::Allow, path::ADD, json!({"prefixes": ["asn:64501"]})).await;
    assert_eq!(allowed.expect("allowed")["added"], json!(["asn:64501 (1 prefixes)"]));
    assert_eq!(listed(&served, ListName::Allow), ["203.0.113.0/24"]);
    let removed = post(&served, ListName::Allow, path::REMOVE, json!({"prefixes": ["asn:64501"]})).await;
    assert_eq!(removed.expect("removed")["removed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_prefixes_or_would_cut_off_the_host_is_refused() {
    let served = served();
    for (request, expected, says) in [
        (json!({"prefixes": ["asn:64999"]}), FailureKind::NotFound, "has no prefix in"),
        (json!({"prefixes": ["country:DE"]}), FailureKind::Invalid, "`country = \"/path\"`"),
        (json!({"prefixes": ["asn:x"]}), FailureKind::Invalid, "is no number"),
        (
            json!({"prefixes": ["cdn:none"]}),
            FailureKind::Invalid,
            "floodwall allow import FILE --as cdn:none",
        ),
        (json!({"prefixes": ["asn:64500", "10.0.0.0/8"]}), FailureKind::Invalid, "commands of their own"),
        (
            json!({"prefixes": ["asn:64500"], "only_while_attacked": true}),
            FailureKind::Invalid,
            "only countries",
        ),
        (json!({"prefixes": ["asn:64500", "asn:64502"]}), FailureKind::Refused, "own address 192.0.2.1"),
    ] {
        let outcome = post(&served, ListName::Block, path::ADD, request.clone()).await;
        let Err(ClientError::Failed(failure)) = outcome else { panic!("{request}: {outcome:?}") };
        assert!(failure.kind == expected && failure.message.contains(says), "{request}: {failure:?}");
    }
    let forced = json!({"prefixes": ["asn:64502"], "force": true});
    post(&served, ListName::Block, path::ADD, forced).await.expect("it is meant so");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_follow_the_database() {
    let served = served();
    for (list, network) in [(ListName::Block, "asn:64500"), (ListName::Allow, "asn:64501")] {
        post(&served, list, path::ADD, json!({"prefixes": [network]})).await.expect("added");
    }
    let networks = "198.51.100.0 25 64500\n203.0.113.0 25 64501\n192.0.2.0 24 64500";
    std::fs::write(served.directory.path().join("networks.txt"), networks).expect("written");
    let origins = &served.context.origins;
    assert!(!origins.refresh() && origins.refresh(), "it has changed, and is whole");
    let lifelines = Lifelines { own: vec![OWN], ..Lifelines::default() };
    let failed = crate::origin_lists::follow(&served.filter, origins, &lifelines, false, |_| true);
    assert!(failed.is_empty(), "{failed:?}");
    // What would cut off the host is left out by itself.
    assert_eq!(listed(&served, ListName::Block), ["198.51.100.0/25"]);
    assert_eq!(listed(&served, ListName::Allow), ["203.0.113.0/25"]);
}

async fn refused(served: &Served, list: ListName, request: Value) -> String {
    match post(served, list, path::ADD, request.clone()).await {
        Err(ClientError::Failed(failure)) => failure.message,
        other => panic!("{request}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ranges_of_a_cdn_are_allowed_by_its_name_and_follow_its_file() {
    let served = served();
    let added = post(&served, ListName::Allow, path::ADD, json!({"prefixes": ["cdn:edge"]})).await;
    assert_eq!(added.expect("added")["added"], json!(["cdn:edge (2 prefixes)"]));
    assert_eq!(listed(&served, ListName::Allow), ["198.51.100.0/25", "2001:db8:9::/48"]);
    let entry = served.filter.page(ListName::Allow, None, 1).entries.remove(0);
    assert_eq!(entry.note.as_deref(), Some("cdn:edge"));
    let by_hand = json!({"prefixes": ["203.0.113.0/24"], "as": "cdn:edge"});
    let said = refused(&served, ListName::Allow, by_hand).await;
    assert!(said.contains("`floodwall allow add cdn:edge` allows them"), "{said}");

    let origins = &served.context.origins;
    let write =
        |text: &str| std::fs::write(served.directory.path().join("ranges.json"), text).expect("written");
    let lifelines = Lifelines::default();
    write(r#"{"addresses": []}"#);
    assert!(!origins.refresh() && !origins.refresh(), "one that is empty is not taken");
    assert!(origins.problems().join("").contains("holds no range; what was read before holds"));
    write(r#"{"addresses": ["198.51.100.0/26", "203.0.113.0/24"]}"#);
    assert!(!origins.refresh() && origins.refresh(), "it has changed, and is whole");
    let failed = crate::origin_lists::follow(&served.filter, origins, &lifelines, false, |_| true);
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(listed(&served, ListName::Allow), ["198.51.100.0/26", "203.0.113.0/24"]);
    let removed = post(&served, ListName::Allow, path::REMOVE, json!({"prefixes": ["cdn:edge"]})).await;
    assert_eq!(removed.expect("removed")["removed"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_are_named_by_hand_stay_until_they_are_replaced() {
    let served = served();
    let add = |prefixes: &[&str], replace: bool| {
        let request = json!({"prefixes": prefixes, "as": "cdn:crawler", "replace": replace});
        post(&served, ListName::Allow, path::ADD, request)
    };
    post(&served, ListName::Allow, path::ADD, json!({"prefixes": ["192.0.2.0/24"]})).await.expect("allowed");
    add(&["198.51.100.0/24"], false).await.expect("allowed");
    add(&["203.0.113.0/24"], false).await.expect("allowed");
    assert_eq!(listed(&served, ListName::Allow), ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]);
    let lifelines = Lifelines::default();
    let failed =
        crate::origin_lists::follow(&served.filter, &served.context.origins, &lifelines, false, |_| true);
    assert!(failed.is_empty(), "no file tells of them: {failed:?}");
    let replaced = add(&["203.0.113.0/24", "2001:db8::/48"], true).await.expect("replaced");
    assert_eq!(replaced["added"], json!(["2001:db8::/48"]));
    assert_eq!(listed(&served, ListName::Allow), ["192.0.2.0/24", "203.0.113.0/24", "2001:db8::/48"]);
    let removed = post(&served, ListName::Allow, path::REMOVE, json!({"prefixes": ["cdn:crawler"]})).await;
    assert_eq!(removed.expect("removed")["removed"], 2);
    assert_eq!(listed(&served, ListName::Allow), ["192.0.2.0/24"], "what has another note stays");

    for (list, request, says) in [
        (ListName::Block, json!({"prefixes": ["192.0.2.0/24"], "as": "cdn:x"}), "block import --name"),
        (ListName::Allow, json!({"prefixes": ["192.0.2.0/24"], "as": "asn:1"}), "named cdn:NAME"),
        (ListName::Allow, json!({"prefixes": ["192.0.2.0/24"], "as": "cdn:a b"}), "is no name of ranges"),
        (ListName::Allow, json!({"prefixes": ["16.0.0.0/5"], "as": "cdn:x"}), "more IPv4 addresses"),
        (ListName::Allow, json!({"prefixes": ["192.0.2.0/24"], "as": "cdn:x", "note": "n"}), "by their name"),
        (ListName::Allow, json!({"prefixes": ["192.0.2.0/24"], "replace": true}), "only ranges of a name"),
        (ListName::Allow, json!({"prefixes": [], "as": "cdn:x", "replace": true}), "no prefix was named"),
    ] {
        let said = refused(&served, list, request.clone()).await;
        assert!(said.contains(says), "{request}: {said}");
    }
}
