//! What floodwall says of itself, as `floodwall events` tells it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

/// Something that floodwall has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Unix time, ms.
    pub(super) time_ms: u64,
    pub(super) what: What,
}

/// What it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An attack was noticed: by what.
    Noticed(String),
    /// A fingerprint was found.
    Found(String),
    /// It is dropped by.
    Enforced,
    /// Anything else of the attack, in floodwall's words.
    Other(String),
}

/// Listens until it is dropped.
pub(super) struct News {
    listener: Child,
    told: Receiver<Told>,
}

impl News {
    /// Runs `floodwall events`, given as a command without its arguments.
    pub(super) fn listen(mut command: Command) -> Result<Self> {
        command.args(["events", "--json", "--kind", "attack,signature"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let line = shell::line_of(&command);
        let mut listener = command.spawn().with_context(|| format!("running `{line}`"))?;
        let output = listener.stdout.take().with_context(|| format!("reading what `{line}` says"))?;
        let (sender, told) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if read(&line).is_some_and(|told| sender.send(told).is_err()) {
                    return;
                }
            }
        });
        Ok(Self { listener, told })
    }

    /// What was told since the last call.
    pub(super) fn since(&self) -> impl Iterator<Item = Told> {
        self.told.try_iter()
    }
}

impl Drop for News {
    fn drop(&mut self) {
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }
}

/// Reads a line; nothing if it is of another kind.
fn read(line: &str) -> Option<Told> {
    let event: Value = serde_json::from_str(line).ok()?;
    let (text, time_ms) = (event["text"].as_str()?, event["time_ms"].as_u64()?);
    let what = match (event["kind"].as_str()?, text.split_once(": ")) {
        ("attack", Some((_, excess))) if event["severity"] == "warning" => What::Noticed(excess.to_owned()),
        ("signature", Some((head, found))) if head.ends_with(" found") => {
            What::Found(found.split(" (").next().unwrap_or(found).to_owned())
        }
        ("signature", None) if text.ends_with(" enforced") => What::Enforced,
        ("attack" | "signature", _) => What::Other(text.to_owned()),
        _ => return None,
    };
    Some(Told { time_ms, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_an_attack_are_told_apart() {
        let told = |kind: &str, severity: &str, text: &str| {
            let event = serde_json::json!({"kind": kind, "severity": severity, "text": text, "time_ms": 5});
            read(&event.to_string()).map(|told| told.what)
        };
        assert_eq!(
            told("attack", "warning", "attack 1: 2300 requests for connections/s that nothing follows"),
            Some(What::Noticed("2300 requests for connections/s that nothing follows".to_owned()))
        );
        let found =
            "signature 1 found: tcp flags=syn window=7 (99 % of what is unusual, 0.000 % of what is usual)";
        assert_eq!(told("signature", "info", found), Some(What::Found("tcp flags=syn window=7".to_owned())));
        assert_eq!(told("signature", "info", "signature 1 enforced"), Some(What::Enforced));
        assert_eq!(told("attack", "info", "attack over"), Some(What::Other("attack over".to_owned())));
        assert_eq!(told("command", "info", "root: block add"), None);
        assert_eq!(read("no event"), None);
    }
}
