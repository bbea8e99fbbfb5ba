//! Flows that the host opened itself, and what answers them.

use crate::{
    memo,
    parse::Packet,
    prefix::Address,
    tables::{FLOW_LINES, Tables},
    wire::Settings,
};

/// A flow, as the host that opened it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Protocol above IP.
    pub protocol: u8,
    /// The host's address.
    pub local: Address,
    /// Its port.
    pub local_port: u16,
    /// The other end's address.
    pub remote: Address,
    /// Its port.
    pub remote_port: u16,
}

impl Flow {
    /// The flow that a packet belongs to, if it is an answer.
    #[inline(always)]
    pub fn answered_by(packet: &Packet) -> Self {
        Self {
            protocol: packet.protocol,
            local: packet.destination,
            local_port: packet.destination_port,
            remote: packet.source,
            remote_port: packet.source_port,
        }
    }

    #[inline(always)]
    fn hash(&self, settings: &Settings) -> u64 {
        let seed = memo::seed(settings);
        let ports =
            u64::from(self.protocol) << 32 | u64::from(self.local_port) << 16 | u64::from(self.remote_port);
        let near = memo::hash(seed, self.local.high, self.local.low ^ ports);
        memo::hash(seed, self.remote.high ^ near, self.remote.low)
    }
}

/// Notes that the host has opened a flow. `None` if the memory could not be reached.
#[inline(always)]
pub fn note<T: Tables>(tables: &T, settings: &Settings, flow: &Flow, now_ns: u64) -> Option<()> {
    let hash = flow.hash(settings);
    memo::note(tables.flow_line(memo::line(hash, FLOW_LINES))?, hash, now_ns);
    Some(())
}

/// Whether a packet answers a flow that the host has opened.
#[inline(always)]
pub fn answers<T: Tables>(tables: &T, settings: &Settings, packet: &Packet) -> Option<bool> {
    let hash = Flow::answered_by(packet).hash(settings);
    Some(memo::recalls(tables.flow_line(memo::line(hash, FLOW_LINES))?, hash))
}
