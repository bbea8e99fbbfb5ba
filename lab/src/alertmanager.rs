//! A Prometheus Alertmanager in a namespace, from Debian's package, which is unpacked and not installed.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{fetched, namespace::Namespace};

const PACKAGE: &str = "prometheus-alertmanager";
/// It listens there, in its namespace.
const ADDRESS: &str = "127.0.0.1:9093";
/// It answers within this, or something is wrong.
const START: Duration = Duration::from_secs(20);
/// Notifies its receiver at once of a new alert, and within a second of its end.
const ROUTE: &str =
    "route: {receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n";
/// Mounts the directory `$1` over `/usr/share`, for this process alone, as Debian has compiled the place of its templates in.
const START_WITH_TEMPLATES: &str =
    "mount -t overlay overlay -o lowerdir=\"$1\":/usr/share /usr/share && shift && exec \"$@\"";

/// A running Alertmanager; killed when it is dropped.
#[derive(Debug)]
pub struct Alertmanager {
    namespace: Namespace,
    package: PathBuf,
    home: TempDir,
    child: Child,
}

impl Alertmanager {
    /// Starts one in a namespace. `hook` is told of each alert's beginning and end.
    ///
    /// # Errors
    /// The reason for a skip when it cannot be had, or does not start.
    pub fn start(namespace: &Namespace, hook: Option<SocketAddr>) -> Result<Self, String> {
        let package = fetched::debian_package(PACKAGE)?;
        let reason =
            |error: &dyn std::fmt::Display| format!("needs {PACKAGE}, which does not start: {error}");
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
        let mut command = namespace.command("unshare");
        command.args(["--mount", "sh", "-c", START_WITH_TEMPLATES, "sh"]).arg(package.join("usr/share"));
        command.arg(package.join("usr/bin").join(PACKAGE));
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.path={}", home.path().join("data").display()));
        // It belongs to no cluster.
        command.args(["--cluster.listen-address=", &format!("--web.listen-address={ADDRESS}")]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.map_err(|error| reason(&error))?;
        let mut alertmanager = Self { namespace: namespace.clone(), package, home, child };
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

    /// The alerts that are firing, as its own tool prints them in JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn alerts(&self) -> Result<String, String> {
        let mut query: Command = self.namespace.command(self.package.join("usr/bin/amtool"));
        query.arg(format!("--alertmanager.url={}", self.url())).args(["alert", "query", "--output=json"]);
        let output = query.output().map_err(|error| format!("amtool: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
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
