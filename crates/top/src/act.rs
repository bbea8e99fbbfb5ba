//! The changes that can be made from here. Each is a command of the command line, which is shown before it is carried out.

use floodwall_api::{
    AddRequest, BypassRequest, KeepRequest, LiftRequest, ListName, RemoveRequest, SignatureNumber,
    client::{Client, ClientError},
    path,
};
use serde::Serialize;
use serde_json::Value;

/// How long entries that are made from here stay listed, s. The command line can list them for longer.
const LISTED_SECONDS: u64 = 3_600;
/// How long a bypass lasts, s.
const BYPASS_SECONDS: u64 = 300;
/// The note of entries that are made from here.
const NOTE: &str = "from floodwall top";

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Lists a prefix for an hour.
    List(ListName, String),
    /// Takes a prefix off the blocklist.
    Unblock(String),
    /// Lifts a ban.
    Lift(String),
    /// Turns a ban into an entry of the blocklist.
    Keep(String),
    /// Pins a signature, so that detection no longer changes it.
    Pin(u32),
    /// Drops a signature.
    Drop(u32),
    /// Turns the bypass on or off.
    Bypass(bool),
}

impl Act {
    /// The equivalent command.
    pub(crate) fn command(&self) -> String {
        match self {
            Self::List(list, prefix) => {
                format!("floodwall {} add {prefix} --for 1h --note '{NOTE}'", list.name())
            }
            Self::Unblock(prefix) => format!("floodwall block rm {prefix}"),
            Self::Lift(prefix) => format!("floodwall ban lift {prefix}"),
            Self::Keep(prefix) => format!("floodwall ban keep {prefix}"),
            Self::Pin(number) => format!("floodwall signature pin {number}"),
            Self::Drop(number) => format!("floodwall signature drop {number}"),
            Self::Bypass(true) => "floodwall bypass on --for 5m".to_owned(),
            Self::Bypass(false) => "floodwall bypass off".to_owned(),
        }
    }

    /// Its effect, in a sentence.
    pub(crate) fn meaning(&self) -> String {
        match self {
            Self::List(ListName::Block, prefix) => {
                format!("Everything from {prefix} is dropped, for an hour.")
            }
            Self::List(ListName::Allow, prefix) => {
                format!("Everything from {prefix} passes, whatever else is said of it, for an hour.")
            }
            Self::Unblock(prefix) => format!("{prefix} is taken off the blocklist."),
            Self::Lift(prefix) => format!("The ban of {prefix} ends now, and its offences are forgotten."),
            Self::Keep(prefix) => {
                format!("The ban of {prefix} becomes an entry of the blocklist, which stays.")
            }
            Self::Pin(number) => format!("Signature {number} stays as it is, until it is dropped by hand."),
            Self::Drop(number) => format!("Signature {number} is taken back: what it has dropped passes."),
            Self::Bypass(true) => "EVERY packet passes, for five minutes: nothing is filtered.".to_owned(),
            Self::Bypass(false) => "Packets are filtered again at once.".to_owned(),
        }
    }

    /// Has the daemon carry it out, and returns a message for the user.
    pub(crate) async fn carry_out(&self, client: &Client) -> Result<String, ClientError> {
        let answer = match self {
            Self::List(list, prefix) => {
                let request = AddRequest {
                    prefixes: vec![prefix.clone()],
                    seconds: Some(LISTED_SECONDS),
                    note: Some(NOTE.to_owned()),
                    ..AddRequest::default()
                };
                post(client, &path::of_list(path::ADD, *list), &request).await?
            }
            Self::Unblock(prefix) => {
                let request = RemoveRequest { prefixes: vec![prefix.clone()] };
                post(client, &path::of_list(path::REMOVE, ListName::Block), &request).await?
            }
            Self::Lift(prefix) => {
                post(client, path::LIFT, &LiftRequest { prefixes: vec![prefix.clone()], all: false }).await?
            }
            Self::Keep(prefix) => {
                post(client, path::KEEP, &KeepRequest { prefixes: vec![prefix.clone()], seconds: None })
                    .await?
            }
            Self::Pin(number) => {
                post(client, path::SIGNATURE_PIN, &SignatureNumber { number: *number }).await?
            }
            Self::Drop(number) => {
                post(client, path::SIGNATURE_DROP, &SignatureNumber { number: *number }).await?
            }
            Self::Bypass(on) => {
                client.put(path::BYPASS, &BypassRequest { seconds: on.then_some(BYPASS_SECONDS) }).await?
            }
        };
        // A change that may cut off a logged-in user is on trial until it is confirmed.
        Ok(match answer.get("trial").and_then(|trial| trial.get("number")).and_then(Value::as_u64) {
            Some(number) => {
                format!("done, and undone again unless it is confirmed: floodwall confirm {number}")
            }
            None => format!("done: {}", self.command()),
        })
    }
}

async fn post(client: &Client, path: &str, request: &impl Serialize) -> Result<Value, ClientError> {
    client.post(path, request).await
}
