//! What becomes of an address, and why.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn why_says_what_becomes_of_an_address_and_what_was_considered() {
    let served = served();
    let client = &served.client;
    let passes: Value = client.get("/v1/why?address=203.0.113.7").await.expect("an answer");
    assert_eq!(
        (&passes["outcome"], &passes["verdict"]),
        (&json!("passes"), &json!("203.0.113.7 passes as far as its address goes"))
    );
    assert_eq!((&passes["bans"], &passes["signatures"]), (&json!([]), &json!([])));
    assert_eq!((&passes["source"]["tracked"], &passes["lists"]["covering"]), (&json!(false), &json!([])));
    let limits = passes["source"]["limits"].as_array().expect("limits");
    let syn = limits.iter().find(|limit| limit["rule"] == "source-syn").expect("the limit of SYNs");
    assert_eq!(
        (&syn["rate"], &syn["left"], &syn["state"], &syn["from"]),
        (&json!(100), &json!(200), &json!("enforce"), &json!("default"))
    );
    let source: Value = client.get("/v1/source?address=203.0.113.7").await.expect("a source");
    assert_eq!(source["limits"], passes["source"]["limits"], "they are told of a source as well");

    for (text, monitor) in
        [("udp sport=7 len=28", false), ("tcp flags=syn window=0 new-sources", false), ("udp sport=9", true)]
    {
        let wanted = json!({ "text": text, "monitor": monitor });
        client.post::<Value>("/v1/signature/add", &wanted).await.expect("deployed");
    }
    let new: Value = client.get("/v1/why?address=203.0.113.7").await.expect("an answer");
    assert_eq!(new["verdict"], "203.0.113.7 passes as far as its address goes; 2 signatures drop by headers");
    let asked = "address=203.0.113.7&protocol=udp&port=7&to=192.0.2.10&to_port=53";
    let packet: Value = client.get(&format!("/v1/why?{asked}")).await.expect("an answer");
    let may_match = |number: usize| &packet["signatures"][number]["may_match"];
    assert_eq!([0, 1, 2].map(may_match), [true, false, false], "by its protocol and source port");
    assert_eq!(packet["packet"]["protocol"], "udp");
    let settings = &served.tables.settings[0];
    let key = source::Key::of(settings, Address::canonical([203, 0, 113, 7].into()));
    let set = source::set_of(&*served.tables, settings, key).expect("the table");
    source::make_known(source::visit(set, key, 0, 1).0);
    let known: Value = client.get("/v1/why?address=203.0.113.7").await.expect("an answer");
    assert_eq!(
        known["verdict"], "203.0.113.7 passes as far as its address goes; 1 signature drops by headers",
        "one is for new sources only"
    );
    let told = |field: &str| -> Vec<Value> {
        let signatures = known["signatures"].as_array().expect("signatures");
        signatures.iter().map(|signature| signature[field].clone()).collect()
    };
    assert_eq!(told("drops"), [true, true, false]);
    assert_eq!(told("new_sources_only"), [false, true, false]);
    assert_eq!(told("may_match"), [true, false, true]);
    assert_eq!(told("packets")[0], 7);

    let own: Value = client.get("/v1/why?address=192.0.2.254").await.expect("an answer");
    assert_eq!(own["spared"], json!(["no rule bans it: 192.0.2.254 is this host's default gateway"]));
    for nonsense in ["?address=nobody", "?address=203.0.113.0/24", "", "?address=203.0.113.7&more=1"] {
        assert_eq!(kind(client.get::<Value>(&format!("/v1/why{nonsense}")).await), FailureKind::Invalid);
    }
}
