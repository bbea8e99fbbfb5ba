//! The exposition as a scraper sees it, and what is shipped to use it: documentation, alerts, dashboard.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use floodwall_api::client::fake::attacked;
use floodwall_lab::skip::{or_skip, require_service};
use floodwall_listen::Listener;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use super::*;

/// The page that documents every metric.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
/// Enclose the table that is generated from the code.
const BEGIN: &str =
    "<!-- The table is made of the code: UPDATE_METRICS=1 cargo test -p floodwall-metrics -->\n";
const END: &str = "<!-- End of the table. -->\n";

fn meters() -> Arc<Meters> {
    let meters = Meters::default();
    meters.samples_read(3, Duration::from_millis(30));
    meters.answered(Request::Read, Duration::from_micros(700));
    meters.answered(Request::Change, Duration::from_millis(3));
    Arc::new(meters)
}

fn exposed(format: Format) -> String {
    expose(Arc::new(attacked(10)), meters(), format).unwrap()
}

/// Names and labels of all series.
fn series(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn figures_are_those_of_the_overview() {
    let page = exposed(Format::Text);
    for line in [
        "floodwall_build_info{version=\"0.1.0\"} 1",
        "floodwall_interface_up{interface=\"eth0\",mode=\"native\"} 1.0",
        "floodwall_packets_total{verdict=\"drop\",reason=\"signature\"} 1000000",
        "floodwall_bytes_total{verdict=\"pass\",reason=\"clean\"} 600000",
        "floodwall_would_drop_packets_total{reason=\"out-of-state\",sources=\"other\"} 7",
        "floodwall_would_drop_packets_total{reason=\"blocked\",sources=\"known\"} 0",
        "floodwall_rule_packets_total{service=\"default\",rule=\"source-packets\"} 11",
        "floodwall_service_dropped_packets_total{service=\"web\"} 1000000",
        "floodwall_service_attacked{service=\"default\"} 0.0",
        "floodwall_rule_bans_total{service=\"web\",rule=\"source-syn\"} 2",
        "floodwall_incidents_open{severity=\"warning\"} 1.0",
        "floodwall_signatures{action=\"drop\"} 1.0",
        "floodwall_listed_prefixes{list=\"block\",family=\"ipv6\"} 1.0",
        "floodwall_sources_used_ratio 0.25",
        "floodwall_import_prefixes{import=\"drop\"} 1500.0",
        "floodwall_import_hits{import=\"drop\"} 77.0",
        "floodwall_table_used_ratio{table=\"prefix nodes\"} 0.125",
        "floodwall_drop_events_suppressed_total 998000",
        "floodwall_detection_lag_seconds_bucket{le=\"0.05\"} 1",
        "floodwall_detection_lag_seconds_bucket{le=\"0.025\"} 0",
        "floodwall_request_duration_seconds_count{kind=\"change\"} 1",
        "floodwall_probe_success{service=\"dns\"} 0.0",
        "floodwall_probe_duration_seconds{service=\"web\"} 0.012",
        "floodwall_task_restarts_total{task=\"links\"} 2",
        "floodwall_link_used_ratio{interface=\"eth0\",direction=\"in\"} 0.5",
        "floodwall_backlog_dropped_packets_total 3",
    ] {
        assert!(page.lines().any(|found| found == line), "there is no {line} in\n{page}");
    }
    assert!(!page.contains("service=\"web\",rule=\"source-packets\""), "what is shared is told once");
}

#[test]
fn openmetrics_has_its_units_and_its_end() {
    let page = exposed(Format::OpenMetrics);
    assert!(page.contains("# UNIT floodwall_bytes bytes\n") && page.ends_with("# EOF\n"), "{page}");
    assert!(page.contains("# TYPE floodwall_packets counter\n"), "{page}");
    assert!(exposed(Format::Text).contains("# TYPE floodwall_packets_total counter\n"));
}

#[test]
fn every_family_is_exposed_once_and_no_other() {
    let page = exposed(Format::Text);
    let told: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let told: Vec<_> = told.iter().filter_map(|line| line.split(' ').next()).collect();
    let wanted: Vec<_> = FAMILIES.iter().map(|family| family.name()).collect();
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{told:?}");
    assert_eq!(
        told.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>(),
        wanted.into_iter().collect()
    );
}

#[test]
fn the_number_of_series_does_not_depend_on_the_traffic() {
    let of = |seconds| {
        let mut overview = attacked(seconds);
        for number in 0..seconds {
            let mut signature = overview.signatures.signatures[0].clone();
            signature.text = format!("udp sport={number}");
            overview.signatures.signatures.push(signature);
            let mut incident = overview.incidents[0].clone();
            incident.sources.prefixes[0].prefix = format!("198.51.{number}.0/24");
            overview.incidents.push(incident);
        }
        if seconds > 1 {
            let out_of_state = &mut overview.status.would_drop[0];
            (out_of_state.reason, out_of_state.known_packets) = ("blocked".to_owned(), 9);
        }
        overview.bans = seconds * 1_000;
        series(&expose(Arc::new(overview), meters(), Format::Text).unwrap())
    };
    assert_eq!(of(1), of(200));
    assert!(of(200).iter().all(|series| !series.contains("198.51") && !series.contains("203.0")));
}

/// The table of the documentation: a row for each family.
fn rows() -> String {
    let row = |family: &&Family| {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let kind = format!("{:?}", family.kind).to_lowercase();
        format!("| `{}` | {kind} | {labels} | {} |\n", family.name(), family.help)
    };
    let head = "| metric | type | labels | what it says |\n|---|---|---|---|\n";
    head.to_owned() + &FAMILIES.iter().map(row).collect::<String>()
}

#[test]
fn the_page_of_the_documentation_names_each_with_its_labels_and_no_other() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_METRICS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}\n{}{END}{after}", rows())).unwrap();
    } else {
        assert!(
            table.trim() == rows().trim(),
            "docs/metrics.md tells of others: UPDATE_METRICS=1 writes it anew"
        );
    }
}

/// Runs `promtool`, and returns what it prints: `Err` if it exits with a failure.
fn run(promtool: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(promtool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(told) } else { Err(told) }
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let promtool = or_skip!(require_service("promtool"));
    let told = run(&promtool, &["check", "metrics"], &exposed(Format::Text)).unwrap();
    assert_eq!(told.trim(), "");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules_that_are_shipped() {
    let promtool = or_skip!(require_service("promtool"));
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/monitoring");
    run(&promtool, &["check", "rules", &format!("{directory}/alerts.yml")], "").unwrap();
    run(&promtool, &["test", "rules", &format!("{directory}/alerts.test.yml")], "").unwrap();
    run(&promtool, &["check", "config", "--syntax-only", &format!("{directory}/prometheus.yml")], "")
        .unwrap();
}

/// The queries of the dashboard's panels, with its variables filled in.
fn dashboard_queries() -> Vec<String> {
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../examples/monitoring/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let filled = |text: &str| text.replace("$__rate_interval", "1m").replace("$instance", ".*");
    targets.map(|target| filled(target["expr"].as_str().unwrap())).collect()
}

#[test]
fn promtool_accepts_the_queries_of_the_dashboard() {
    let promtool = or_skip!(require_service("promtool"));
    let asked = dashboard_queries();
    assert!(asked.len() > 20 && asked.iter().all(|expression| !expression.contains('$')), "{asked:?}");
    let rules: Vec<_> = (0..)
        .zip(&asked)
        .map(|(number, expression)| serde_json::json!({"record": format!("panel:{number}"), "expr": expression}))
        .collect();
    let groups = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), groups.to_string()).unwrap();
    run(&promtool, &["check", "rules", file.path().to_str().unwrap()], "").unwrap();
}

#[test]
fn alerts_and_dashboard_use_only_metrics_that_exist() {
    let mut names: BTreeSet<String> = FAMILIES.iter().map(|family| family.name()).collect();
    for family in FAMILIES.iter().filter(|family| family.kind == Kind::Histogram) {
        names.extend(["_bucket", "_sum", "_count"].map(|end| family.name() + end));
    }
    for (file, text) in [
        ("alerts.yml", include_str!("../../../examples/monitoring/alerts.yml")),
        ("grafana.json", include_str!("../../../examples/monitoring/grafana.json")),
    ] {
        let word = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            text[..end].to_owned()
        };
        let asked: BTreeSet<_> = text.match_indices("floodwall_").map(|(at, _)| word(&text[at..])).collect();
        assert!(asked.len() > 8, "{file} asks for {asked:?}");
        for name in asked {
            assert!(names.contains(&name), "{file} asks for {name}, which there is not");
        }
    }
}

/// Sends a request, and reads the whole answer.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer))
        .await
        .expect("it is hung up on")
        .unwrap();
    answer
}

/// Serves metrics; returns the address, and how often an overview was taken.
async fn served(listen: &str) -> (std::net::SocketAddr, Arc<AtomicU64>) {
    let listener = Listener::bind(&listen.parse().unwrap()).await.unwrap();
    let address = listener.local_address().unwrap_or(([0; 4], 0).into());
    let looks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&looks);
    let look = move || {
        let look = counted.fetch_add(1, Ordering::Relaxed);
        async move { if look < 5 { Ok(attacked(look)) } else { Err("the counters are gone".to_owned()) } }
    };
    tokio::spawn(serve(listener, look, meters()));
    (address, looks)
}

#[tokio::test]
async fn it_is_read_and_nothing_else() {
    let (address, looks) = served("127.0.0.1:0").await;
    let connect = || async move { TcpStream::connect(address).await.unwrap() };
    let text = ask(connect().await, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(
        text.contains("content-type: text/plain; version=0.0.4") && text.contains("\nfloodwall_attack 1")
    );
    let accepts = "GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text\r\n\r\n";
    let open = ask(connect().await, accepts).await;
    assert!(open.contains("content-type: application/openmetrics-text") && open.ends_with("# EOF\n"));
    assert_eq!(looks.load(Ordering::Relaxed), 1, "who asks soon after is told the same");
    let head = ask(connect().await, "HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        let refused = ask(connect().await, &request).await;
        assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD"), "{refused}");
    }
    let nothing = ask(connect().await, "GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(nothing.starts_with("HTTP/1.1 404 ") && nothing.contains("/metrics"), "{nothing}");
}

#[tokio::test]
async fn metrics_are_read_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("metrics.sock");
    let listen = format!("unix:{}", path.display());
    let (_, _) = served(&listen).await;
    let stream = UnixStream::connect(&path).await.unwrap();
    assert!(ask(stream, "GET /metrics HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 OK"));
}

#[tokio::test]
async fn idle_connections_are_closed_in_time_and_a_failed_reading_is_reported() {
    let (address, _) = served("127.0.0.1:0").await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut failed = false;
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while tokio::time::Instant::now() < until && !failed {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let mut answer = String::new();
        _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        _ = stream.read_to_string(&mut answer).await;
        failed = answer.starts_with("HTTP/1.1 500 ") && answer.contains("the counters are gone");
    }
    assert!(failed, "idle connections make room, and the sixth reading fails");
}
