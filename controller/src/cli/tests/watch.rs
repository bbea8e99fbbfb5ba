//! What is looked at again and again.

use super::*;
use crate::client::fake::attacked;

fn server() -> Server {
    let status = serde_json::to_string(&attacked(10).status).unwrap();
    Server::of_routes(&[("GET /v1/status ", response("200 OK", &status))])
}

#[tokio::test]
async fn a_status_comes_again_and_again_a_document_a_line() {
    let server = server();
    let out = printed(&server, &["status", "--watch", "--count", "2", "--json"]).await;
    let pids: Vec<_> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["pid"].clone()).collect();
    assert_eq!(pids, [42, 42]);
    let out = printed(&server, &["status", "--watch", "--count", "1"]).await;
    assert!(
        out.contains("eth0 (native)") && !out.contains('\x1b'),
        "who writes to a file wants no screen: {out}"
    );
}

#[tokio::test]
async fn what_is_not_there_at_first_is_not_waited_for_and_options_of_watching_need_it() {
    let (_, outcome) = command(Path::new("/nonexistent/s"), &["status", "--watch"]).await;
    assert_eq!(failed(outcome).0, Kind::Unreachable);
    assert!(refused("floodwall status --interval 2s").0.contains("--watch"));
    assert!(refused("floodwall status --watch --interval 2").0.contains("which unit?"));
}

#[tokio::test]
async fn a_view_needs_a_terminal() {
    let (_, outcome) = command(&server().socket, &["top"]).await;
    let (kind, message) = failed(outcome);
    assert!(kind == Kind::Invalid && message.contains("needs a terminal"), "{message}");
}
