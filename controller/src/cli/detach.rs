//! `floodwall detach`: takes the filter off an interface, with the daemon or without.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    arguments,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    trial::OnTrial,
};
use crate::{
    api::{Changed, DetachRequest, DetachResponse, Status, path},
    host::Netlink,
    kernel,
};

#[derive(Debug, Args)]
pub(super) struct Detach {
    /// The interface, by its name, an alternative one, or the one that it had when it was protected.
    #[arg(value_name = "IF", value_parser = arguments::interface, required_unless_present = "all")]
    interface: Option<String>,
    /// Take it off all of them.
    #[arg(long, conflicts_with_all = ["interface", "confirm_within"])]
    all: bool,
    /// Where the daemon pins, for when none answers.
    #[arg(long, value_name = "DIR", default_value = super::BPFFS)]
    bpffs: PathBuf,
    #[command(flatten)]
    trial: OnTrial,
}

impl Detach {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let Some(interface) = &self.interface else { return self.all(session).await };
        let request = DetachRequest { interface: interface.clone() };
        let target = self.trial.target(path::DETACH);
        let (response, daemon) = match session.client.post(&target, &request).await {
            Ok(response) => (response, true),
            Err(error)
                if error.is_nobody_there() && self.trial.seconds().is_some_and(|seconds| seconds > 0) =>
            {
                let message = "no daemon answers, and so nobody would undo it; leave out --confirm-within";
                return Err(Failed::new(Kind::Unreachable, message.to_owned()).into());
            }
            Err(error) if error.is_nobody_there() => {
                (Changed { answer: self.offline(interface).await?, trial: None }, false)
            }
            Err(error) => return Err(error.into()),
        };
        session.changed(&response, |response, out, _| render(interface, response, daemon, out))?;
        Ok(Done::Plain)
    }

    /// Takes it off all interfaces, by the daemon or without.
    async fn all(&self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let detached = match session.client.get::<Status>(path::STATUS).await {
            Ok(status) => {
                let names: Vec<_> = status.interfaces.into_iter().map(|interface| interface.name).collect();
                for interface in &names {
                    let request = DetachRequest { interface: interface.clone() };
                    session.client.post::<Changed<DetachResponse>>(path::DETACH, &request).await?;
                }
                names
            }
            Err(error) if error.is_nobody_there() => {
                kernel::detach_all_offline(&self.bpffs).map_err(|error| without_a_daemon(&error))?
            }
            Err(error) => return Err(error.into()),
        };
        session.answer(&AllDetached { detached }, |AllDetached { detached }, out, _| {
            match detached.as_slice() {
                [] => writeln!(out, "no interface was filtered"),
                names => writeln!(
                    out,
                    "not filtered any more: {}; nothing is left in the kernel",
                    names.join(", ")
                ),
            }
        })?;
        Ok(Done::Plain)
    }

    async fn offline(&self, interface: &str) -> Result<DetachResponse, Failed> {
        // Where that cannot be told, it is the name by which it was protected.
        let found = match Netlink::open() {
            Ok(netlink) => netlink.named(interface).await.ok().flatten(),
            Err(_) => None,
        };
        let remaining = kernel::detach_offline(&self.bpffs, interface, found.as_ref())
            .map_err(|error| without_a_daemon(&error))?;
        Ok(DetachResponse { remaining })
    }
}

/// What was detached with all others.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AllDetached {
    /// Names of the interfaces.
    detached: Vec<String>,
}

fn without_a_daemon(error: &anyhow::Error) -> Failed {
    // Where no system call failed, there was nothing to take off.
    let kind = match error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(error) => Kind::of_io(error),
        None => Kind::NotFound,
    };
    Failed::new(kind, format!("no daemon answers, and without one: {error:#}"))
}

fn render(interface: &str, response: &DetachResponse, daemon: bool, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{interface} is not filtered any more")?;
    match (response.remaining.as_slice(), daemon) {
        ([], true) => {
            write!(out, "; it was the last one: the daemon ends, and nothing is left in the kernel")?;
        }
        ([], false) => write!(out, "; it was the last one: nothing is left in the kernel")?,
        (left, _) => write!(out, "; still filtered: {}", left.join(", "))?,
    }
    writeln!(out, "{}", if daemon { "" } else { " (no daemon was running)" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told() {
        let text = |remaining: &[&str], daemon| {
            let response =
                DetachResponse { remaining: remaining.iter().map(|&name| name.to_owned()).collect() };
            let mut out = Vec::new();
            render("eth0", &response, daemon, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text(&["eth1", "eth2"], true),
            "eth0 is not filtered any more; still filtered: eth1, eth2\n"
        );
        assert_eq!(
            text(&[], false),
            "eth0 is not filtered any more; it was the last one: nothing is left in the kernel (no daemon was running)\n"
        );
        assert!(text(&[], true).contains("the daemon ends"));
    }
}
