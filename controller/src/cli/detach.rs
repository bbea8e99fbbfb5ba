//! `floodwall detach`: takes the filter off an interface, with the daemon or without.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    arguments,
    exit::{Done, Failed, Kind, Stop},
    session::Session,
    trial::OnTrial,
};
use crate::{
    api::{Changed, DetachRequest, DetachResponse, path},
    host::Netlink,
    kernel,
};

#[derive(Debug, Args)]
pub(super) struct Detach {
    /// The interface, by its name, an alternative one, or the one that it had when it was protected.
    #[arg(value_name = "IF", value_parser = arguments::interface)]
    interface: String,
    /// Where the daemon pins, for when none answers.
    #[arg(long, value_name = "DIR", default_value = super::BPFFS)]
    bpffs: PathBuf,
    #[command(flatten)]
    trial: OnTrial,
}

impl Detach {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = DetachRequest { interface: self.interface.clone() };
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
                (Changed { answer: self.offline().await?, trial: None }, false)
            }
            Err(error) => return Err(error.into()),
        };
        session.changed(&response, |response, out, _| render(&self.interface, response, daemon, out))?;
        Ok(Done::Plain)
    }

    async fn offline(&self) -> Result<DetachResponse, Failed> {
        // Where that cannot be told, it is the name by which it was protected.
        let found = match Netlink::open() {
            Ok(netlink) => netlink.named(&self.interface).await.ok().flatten(),
            Err(_) => None,
        };
        let remaining =
            kernel::detach_offline(&self.bpffs, &self.interface, found.as_ref()).map_err(|error| {
                // Where no system call failed, there was nothing to take off.
                let kind = match error.chain().find_map(|cause| cause.downcast_ref::<io::Error>()) {
                    Some(error) => Kind::of_io(error),
                    None => Kind::NotFound,
                };
                Failed::new(kind, format!("no daemon answers, and without one: {error:#}"))
            })?;
        Ok(DetachResponse { remaining })
    }
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
