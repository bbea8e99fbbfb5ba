//! Runs a program of the operator's.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use floodwall_units::one_line;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, Uid},
};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Sender, fastnetmon};
use crate::{failure::Failure, message::Message};

/// The program's search path, as it does not inherit the daemon's environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Bytes of the program's standard error that are read, and most of it that is quoted.
const MAX_STDERR: u64 = 4_096;
const QUOTED: usize = 200;

/// The arguments and the standard input that the program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// floodwall's own: JSON on standard input; the event and the number of the incident as arguments.
    Floodwall,
    /// FastNetMon's: its JSON on standard input; `ban` or `unban` and the host as arguments.
    Fastnetmon,
    /// FastNetMon's older one: text on standard input; host, direction, packets/s, `ban` or `unban` as arguments.
    FastnetmonText,
}

/// Runs a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

/// The process group of a running program. Dropping it kills the program and everything that it has started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails if no process of the group is left.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Command {
    pub(super) const fn is_per_host(&self) -> bool {
        matches!(self.format, Format::Fastnetmon | Format::FastnetmonText)
    }

    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let (arguments, input) = self.arguments_and_input(message, &sender.host);
        let path = self.path.clone();
        let checking = tokio::task::spawn_blocking(move || check(&path));
        checking
            .await
            .map_err(|_| Failure::again("looking at the command failed"))?
            .map_err(Failure::refused)?;
        let mut child = tokio::process::Command::new(&self.path)
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("FLOODWALL_EVENT", message.event.name())
            .env("FLOODWALL_INCIDENT", message.incident.id.to_string())
            .env("FLOODWALL_KEY", message.key())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.spawn_failure(&error))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let mut group = Group(group);
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let write_input = async {
            // A program that does not read its input closes it, which is not an error.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let read_stderr = async {
            let mut bytes = Vec::new();
            if let Some(stderr) = stderr {
                let mut stderr = stderr.take(MAX_STDERR);
                let _ = stderr.read_to_end(&mut bytes).await;
            }
            bytes
        };
        let exit = async {
            let status = child.wait().await;
            group.0 = None;
            status
        };
        // A process that the program has started may keep its standard error open after it has exited.
        let pipes = async { tokio::join!(write_input, read_stderr).1 };
        tokio::pin!(pipes, exit);
        let (status, stderr) = tokio::select! {
            status = &mut exit => {
                let rest = tokio::time::timeout(std::time::Duration::from_millis(200), pipes).await;
                (status, rest.unwrap_or_default())
            }
            stderr = &mut pipes => (exit.await, stderr),
        };
        let status = status
            .map_err(|error| Failure::refused(format!("waiting for {}: {error}", self.path.display())))?;
        if status.success() {
            return Ok(());
        }
        let text = one_line(&String::from_utf8_lossy(&stderr), QUOTED);
        let colon = if text.is_empty() { "" } else { ": " };
        // It is not retried, as it might then do something twice.
        Err(Failure::refused(format!("{} has failed ({status}){colon}{}", self.path.display(), text)))
    }

    fn arguments_and_input(&self, message: &Message, host: &str) -> (Vec<String>, String) {
        let address = message.address.unwrap_or(IpAddr::from([0; 4]));
        match self.format {
            Format::Floodwall => {
                let arguments = vec![message.event.name().to_owned(), message.incident.id.to_string()];
                (arguments, message.document(host).to_string())
            }
            Format::Fastnetmon => {
                let document = fastnetmon::document(message, address).to_string();
                (fastnetmon::json_arguments(message, address), document)
            }
            Format::FastnetmonText => {
                (fastnetmon::text_arguments(message, address), fastnetmon::text(message, address))
            }
        }
    }

    fn spawn_failure(&self, error: &io::Error) -> Failure {
        let text = format!("calling {}: {error}", self.path.display());
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Failure::refused(text),
            _ => Failure::again(text),
        }
    }
}

/// Refuses a program that other users could replace, as it runs with the daemon's privileges.
fn check(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| format!("looking at the command {}: {error}", path.display()))?;
    let is_ours = metadata.uid() == 0 || metadata.uid() == Uid::effective().as_raw();
    if !is_ours || metadata.mode() & 0o022 != 0 {
        return Err(format!(
            "{} is not called, as others than root may write it: chown root, chmod go-w",
            path.display()
        ));
    }
    Ok(())
}
