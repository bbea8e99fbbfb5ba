//! What happens, as it happens: a sample of drops, and all that an operator may want to know of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Event {
    /// A packet was dropped.
    Drop(DropReport),
    /// An interface is filtered again, or not any more.
    Interface(InterfaceReport),
    /// An attack has begun or ended, or something is known of it.
    Attack(Notice),
    /// A signature is deployed, or stands otherwise than before.
    Signature(Notice),
    /// Detection would have banned a source.
    WouldBan(Notice),
    /// Bans were made, have ended, or were lifted.
    Ban(Notice),
    /// A list has changed.
    List(Notice),
    /// A rule has tripped its ceiling, or its condition has begun or ceased to hold.
    Rule(Notice),
    /// The host fares otherwise than before, or other checks are in force.
    Health(Notice),
    /// An operator has changed something.
    Command(Notice),
    /// A task of the daemon has ended that should not have.
    Task(Notice),
    /// The stream ends here, as its reader was too slow for some events. Nothing follows.
    End(Notice),
}

/// Something that has happened, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// Unix time, ms.
    pub time_ms: u64,
    /// How much it asks for attention: `info`, `warning`, `error`.
    pub severity: String,
    /// What has happened.
    pub text: String,
}

/// What has become of an interface that is to be filtered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceReport {
    /// Unix time, ms.
    pub time_ms: u64,
    /// Its name.
    pub interface: String,
    /// Whether its packets are filtered now.
    pub filtered: bool,
    /// What has happened, in words.
    pub text: String,
}

/// A dropped packet out of a bounded sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DropReport {
    /// Unix time, ms.
    pub time_ms: u64,
    /// Why it was dropped; a name of a reason.
    pub reason: String,
    /// Interface it came in on.
    pub interface: String,
    /// Source address; `None` if the packet was malformed.
    pub source: Option<String>,
    /// Destination address; `None` if the packet was malformed.
    pub destination: Option<String>,
    /// IP protocol number.
    pub protocol: u8,
    /// TCP or UDP source port; 0 if none.
    pub source_port: u16,
    /// TCP or UDP destination port, ICMP type × 256 + code; 0 if none.
    pub destination_port: u16,
    /// TCP flags.
    pub tcp_flags: u8,
    /// Bytes on the wire.
    pub length: u32,
    /// Drops since the previous event that were not told.
    pub untold: u32,
    /// The network that announces the source, and its country, as far as databases are configured and tell: `AS64500 XX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}
