//! The dashboard that is shipped, asked of a real Prometheus that scrapes a real daemon during a flood.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use floodwall_lab::{
    child::ends_with_us,
    or_skip,
    skip::{require_root, require_service},
};
use floodwall_tests::{
    business::{LESSER_FLOOD, flooded, listen},
    protected::Protected,
};
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_floodwall-under-test");
/// A service with a probe, whose port is that of the flood, beside what metrics need.
const CONFIGURATION: &str = "[metrics]\nlisten = \"127.0.0.1:9101\"\n[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [8080]\n\
                             probe = \"tcp://192.0.2.10:8080\"\n";
const PORT: u16 = 9090;
/// What imports hold is looked at once a minute.
const PATIENCE: Duration = Duration::from_secs(100);
/// A cable of the lab has no speed that a share of it could be told of.
const OF_LINKS_WITH_A_SPEED: &str = "floodwall_link_used_ratio";

/// A Prometheus; it ends when dropped.
struct Prometheus {
    child: Child,
    directory: TempDir,
}

impl Prometheus {
    /// Starts one with what is shipped for it, except that it scrapes each second.
    fn start(host: &Protected, program: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/monitoring");
        let configuration = fs::read_to_string(format!("{shipped}/prometheus.yml"))?;
        let quick = configuration.replace("_interval: 5s", "_interval: 1s");
        ensure!(quick != configuration, "the intervals are other ones");
        fs::write(directory.path().join("prometheus.yml"), quick)?;
        fs::copy(format!("{shipped}/alerts.yml"), directory.path().join("alerts.yml"))?;
        let log = fs::File::create(directory.path().join("log"))?;
        let mut command = host.lab.inside.namespace().command(program);
        command.arg(format!("--config.file={}", directory.path().join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{PORT}"));
        let child =
            ends_with_us(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { child, directory })
    }

    /// The result of a query; `None` while it does not answer.
    fn ask(&self, host: &Protected, query: &str) -> anyhow::Result<Option<Value>> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let request = format!("GET /api/v1/query?query={escaped} HTTP/1.0\r\nhost: x\r\n\r\n");
        let Ok(answer) = host.http(PORT, &request) else { return Ok(None) };
        let Some((head, body)) = answer.split_once("\r\n\r\n").filter(|_| !answer.contains(" 503 ")) else {
            return Ok(None);
        };
        let answer: Value = serde_json::from_str(body).with_context(|| format!("{head}\n{body}"))?;
        ensure!(answer["status"] == "success", "{query}: {answer}");
        Ok(Some(answer["data"]["result"].clone()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The queries of the dashboard's panels, with its variables filled in.
fn queries() -> anyhow::Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(include_str!("../../examples/monitoring/grafana.json"))?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let asked = targets.filter_map(|target| target["expr"].as_str());
    let filled = |text: &str| text.replace("$__rate_interval", "10s").replace("$instance", ".*");
    Ok(asked.map(filled).collect())
}

/// Numbers of samples in the result of a query.
fn values(result: &Value) -> Vec<f64> {
    let samples = result.as_array().into_iter().flatten();
    samples.filter_map(|sample| sample["value"][1].as_str()?.parse().ok()).collect()
}

#[test]
fn every_query_of_the_dashboard_has_an_answer_during_a_flood() -> anyhow::Result<()> {
    or_skip!(require_root());
    let program = or_skip!(require_service("prometheus"));
    let host = Protected::start_as_configured("prometheus", BINARY, CONFIGURATION)?;
    let _listener = listen(&host)?;
    let list = host.file("list.txt");
    fs::write(&list, "203.0.113.0/24\n")?;
    host.ok(&["block", "import", &list.display().to_string(), "--name", "list"])?;
    let prometheus = Prometheus::start(&host, &program)?;
    let flood = flooded(&host, LESSER_FLOOD, PATIENCE + Duration::from_secs(30))?;
    let mut left = queries()?;
    ensure!(left.len() > 20, "{left:?}");
    left.retain(|query| !query.contains(OF_LINKS_WITH_A_SPEED));
    let deadline = Instant::now() + PATIENCE;
    while !left.is_empty() {
        // What the control socket takes is known once it is asked.
        host.ok(&["status"])?;
        let mut without = Vec::new();
        for query in left {
            let result = prometheus.ask(&host, &query)?;
            // Of a quantile of nothing there is an answer, which is not a number.
            if !result.is_some_and(|result| values(&result).iter().any(|value| value.is_finite())) {
                without.push(query);
            }
        }
        left = without;
        assert!(Instant::now() < deadline, "no answers to {left:#?}\n{}\n{}", host.log(), prometheus.log());
        sleep(Duration::from_millis(500));
    }
    // The figures are those of what was sent.
    let rate = "sum(rate(floodwall_packets_total{verdict=\"drop\"}[10s]))";
    let dropped = values(&prometheus.ask(&host, rate)?.context("no answer")?);
    let [dropped] = dropped[..] else { anyhow::bail!("{dropped:?}") };
    assert!(dropped > f64::from(LESSER_FLOOD) / 4.0 && dropped < f64::from(LESSER_FLOOD) * 2.0, "{dropped}");
    let up = prometheus.ask(&host, "up{job=\"floodwall\"}")?.context("no answer")?;
    assert_eq!(values(&up), [1.0]);
    drop(flood);
    Ok(())
}
