//! A command: a program of the operator's is called.

use std::{
    io::{self, ErrorKind},
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, Uid},
};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Sender, fastnetmon};
use crate::{failure::Failure, message::Message};

/// What a command finds its programs by: the daemon's own environment is not for it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Bytes of what it says on standard error that are read, and characters that are told.
const READ: u64 = 4_096;
const TOLD: usize = 200;

/// What a command is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// floodwall's own JSON on standard input; the event and the number of the incident as arguments.
    Floodwall,
    /// As FastNetMon calls it: its JSON on standard input; `ban` or `unban` and the host as arguments.
    Fastnetmon,
    /// As FastNetMon called it before that: host, direction, packets/s, `ban` or `unban` as arguments.
    FastnetmonText,
}

/// Calls a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

/// A program and all that it has started, which end with this.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error says that nothing is left of it.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Command {
    pub(super) const fn is_by_host(&self) -> bool {
        matches!(self.format, Format::Fastnetmon | Format::FastnetmonText)
    }

    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let (arguments, input) = self.given(message, &sender.host);
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
            .map_err(|error| self.not_called(&error))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let mut group = Group(group);
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let give = async {
            // Who reads nothing of it wants nothing of it.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        let hear = async {
            let mut said = Vec::new();
            if let Some(stderr) = stderr {
                let mut stderr = stderr.take(READ);
                let _ = stderr.read_to_end(&mut said).await;
            }
            said
        };
        // What it has started may hold its standard error open for as long as it likes.
        let ends = async {
            let status = child.wait().await;
            group.0 = None;
            status
        };
        let talk = async { tokio::join!(give, hear).1 };
        tokio::pin!(talk, ends);
        let (status, said) = tokio::select! {
            status = &mut ends => {
                let rest = tokio::time::timeout(std::time::Duration::from_millis(200), talk).await;
                (status, rest.unwrap_or_default())
            }
            said = &mut talk => (ends.await, said),
        };
        let status = status
            .map_err(|error| Failure::refused(format!("waiting for {}: {error}", self.path.display())))?;
        if status.success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&said)
            .chars()
            .map(|one| if one.is_control() { ' ' } else { one })
            .take(TOLD)
            .collect();
        let colon = if said.trim().is_empty() { "" } else { ": " };
        // Called again, it might do the same thing twice.
        Err(Failure::refused(format!("{} has failed ({status}){colon}{}", self.path.display(), said.trim())))
    }

    fn given(&self, message: &Message, host: &str) -> (Vec<String>, String) {
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

    fn not_called(&self, error: &io::Error) -> Failure {
        let text = format!("calling {}: {error}", self.path.display());
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Failure::refused(text),
            _ => Failure::again(text),
        }
    }
}

/// What others could write would be run with the daemon's rights.
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
