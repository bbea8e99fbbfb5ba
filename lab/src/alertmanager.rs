//! A Prometheus Alertmanager in a namespace.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{child::ends_with_us, namespace::Namespace, skip::require_service};

const PROGRAM: &str = "prometheus-alertmanager";
/// It listens there, in its namespace.
const ADDRESS: &str = "127.0.0.1:9093";
/// It answers within this, or something is wrong.
const START: Duration = Duration::from_secs(20);
/// Notifies its receiver at once of a new alert, and within a second of its end.
const ROUTE: &str =
    "route: {receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n";
/// Debian has compiled the place of its templates in. Empty ones do, whether its package is installed or not.
const TEMPLATES: &str = "prometheus/alertmanager";
/// Mounts the directory `$1` over `/usr/share`, for this process alone.
const START_WITH_TEMPLATES: &str =
    "mount -t overlay overlay -o lowerdir=\"$1\":/usr/share /usr/share && shift && exec \"$@\"";

/// A running Alertmanager; killed when it is dropped.
#[derive(Debug)]
pub struct Alertmanager {
    namespace: Namespace,
    home: TempDir,
    child: Child,
}

impl Alertmanager {
    /// Starts one in a namespace. `hook` is told of each alert's beginning and end.
    ///
    /// # Errors
    /// The reason for a skip when it cannot be had, or does not start.
    pub fn start(namespace: &Namespace, hook: Option<SocketAddr>) -> Result<Self, String> {
        let program = require_service(PROGRAM)?;
        let reason =
            |error: &dyn std::fmt::Display| format!("needs {PROGRAM}, which does not start: {error}");
        let home = tempfile::tempdir().map_err(|error| reason(&error))?;
        let receiver = hook.map_or_else(
            || "{name: test}".to_owned(),
            |address| {
                format!(
                    "{{name: test, webhook_configs: [{{url: 'http://{address}/', send_resolved: true}}]}}"
                )
            },
        );
        let configuration = home.path().join("alertmanager.yml");
        fs::write(&configuration, format!("{ROUTE}receivers: [{receiver}]\n"))
            .map_err(|error| reason(&error))?;
        let log = File::create(home.path().join("log")).map_err(|error| reason(&error))?;
        let share = home.path().join("share");
        let templates = share.join(TEMPLATES);
        fs::create_dir_all(&templates).map_err(|error| reason(&error))?;
        for template in ["default.tmpl", "email.tmpl"] {
            fs::write(templates.join(template), "").map_err(|error| reason(&error))?;
        }
        let mut command = namespace.command("unshare");
        command.args(["--mount", "sh", "-c", START_WITH_TEMPLATES, "sh"]).arg(share).arg(program);
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.path={}", home.path().join("data").display()));
        // It belongs to no cluster.
        command.args(["--cluster.listen-address=", &format!("--web.listen-address={ADDRESS}")]);
        let child = ends_with_us(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.map_err(|error| reason(&error))?;
        let mut alertmanager = Self { namespace: namespace.clone(), home, child };
        let deadline = Instant::now() + START;
        while alertmanager.alerts().is_err() {
            if Instant::now() > deadline || !matches!(alertmanager.child.try_wait(), Ok(None)) {
                let log = fs::read_to_string(alertmanager.home.path().join("log")).unwrap_or_default();
                return Err(reason(&log.lines().last().unwrap_or("it does not answer")));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(alertmanager)
    }

    /// Its URL, for those in the namespace.
    pub fn url(&self) -> String {
        format!("http://{ADDRESS}")
    }

    /// The alerts that are firing, in JSON as it answers.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn alerts(&self) -> Result<String, String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(ADDRESS)?;
            stream.set_read_timeout(Some(START))?;
            stream.write_all(b"GET /api/v2/alerts?active=true HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let asked = self.namespace.enter(ask).map_err(|error| format!("{error:#}"))?;
        let answer = asked.map_err(|error| format!("asking for alerts: {error}"))?;
        match answer.split_once("\r\n\r\n") {
            Some((head, alerts)) if head.contains(" 200 ") => Ok(alerts.to_owned()),
            _ => Err(format!("it answers {answer}")),
        }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It has taken the place of the shell. It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
