//! Per-source limits, and what is known of a source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Sustained rate, per second.
    pub rate: u64,
    /// How much may come at once.
    pub burst: u64,
}

/// The limits in force for every source; `None` is no limit.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Packets.
    pub packets: Option<Limit>,
    /// TCP connection requests.
    pub syn: Option<Limit>,
}

/// What the kernel knows of a source.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceReport {
    /// The source: an IPv4 address or an IPv6 /64.
    pub source: String,
    /// Whether the table holds it. If not, it was silent, or too weak to stay, and the counters are 0.
    pub tracked: bool,
    /// Whether it has taken part in conversations for long enough to be told from a new source.
    pub known: bool,
    /// Packets since it was entered, dropped ones included.
    pub packets: u64,
    /// Bytes since it was entered.
    pub bytes: u64,
    /// TCP connection requests since it was entered.
    pub syns: u64,
    /// Packets that the packet bucket would let through at once; `None` without a limit.
    pub packet_tokens: Option<u64>,
    /// SYNs that the SYN bucket would let through at once; `None` without a limit.
    pub syn_tokens: Option<u64>,
    /// Seconds since its last packet, to about 17 ms.
    pub idle_seconds: Option<f64>,
    /// Seconds until the kernel lifts its ban; `None` if it is not banned.
    pub banned_seconds: Option<f64>,
    /// It is marked as one that is never banned, as the host lives by it.
    #[serde(default)]
    pub spared: bool,
    /// The limits that hold for it: first those of all services, then those per source of single ones.
    #[serde(default)]
    pub limits: Vec<super::AppliedRule>,
    /// Which network and country it is of, if databases tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<super::AddressOrigin>,
}
