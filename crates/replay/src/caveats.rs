//! Packets that there is no verdict on, or of which it is not known whether there should be one.

use schemars::JsonSchema;
use serde::Serialize;

use super::run::{Played, Why};

/// How many there are of them.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ReplayCaveats")]
pub struct Caveats {
    /// Packets that the host has sent, or passed on: the filter has learnt from them, and judged none.
    pub outgoing: u64,
    /// Packets that came in and could not be judged, as the capture has cut them off within their headers.
    pub cut: u64,
    /// Packets that were judged as coming in, though nothing says which way they went.
    pub undirected: u64,
}

impl Caveats {
    /// Counts a packet, if it is one of them.
    pub fn count(&mut self, played: &Played) {
        match played {
            Played::Judged(seen) => self.undirected += u64::from(!seen.came_in),
            Played::NotJudged(packet) => match packet.why {
                Why::Outgoing => self.outgoing += 1,
                Why::Cut => self.cut += 1,
            },
        }
    }

    /// Packets without a verdict.
    pub fn unjudged(&self) -> u64 {
        self.outgoing + self.cut
    }
}
