//! Everything at one moment.

use floodwall_metrics::{Format, expose};

use super::*;
use crate::api::Overview;

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_holds_together_and_is_what_metrics_are_made_of() {
    let served = served();
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"] });
    let _: Value = client.post("/v1/block/add", &add).await.expect("added");
    let overview: Overview = client.get(path::OVERVIEW).await.expect("an overview");
    let default = &overview.services[0];
    assert_eq!((default.service.as_str(), default.packets, default.dropped), ("default", 9, 2));
    assert!(!default.attacked && !overview.signatures.attack && overview.incidents.is_empty());
    assert_eq!(overview.status.block.ipv4, 1);
    assert!(overview.rules.iter().any(|rule| rule.service == "default"));
    assert_eq!((overview.bans, overview.bypass.seconds), (0, None));
    assert!(overview.sources.capacity >= 1_024 && overview.sources.used == 0.0);

    let meters = Arc::clone(&served.meters);
    let page = expose(Arc::new(overview), meters, Format::Text).expect("a page");
    for line in [
        "floodwall_service_packets_total{service=\"default\"} 9",
        "floodwall_listed_prefixes{list=\"block\",family=\"ipv4\"} 1.0",
        "floodwall_task_restarts_total{task=\"links\"} 1",
        "floodwall_request_duration_seconds_count{kind=\"change\"} 1",
        "floodwall_request_duration_seconds_count{kind=\"read\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "there is no {line} in\n{page}");
    }
}
