//! Is the source within its rates?

use crate::{
    parse::Packet,
    source::{self, Charge, Standing},
    tables::Tables,
    wire::{Reason, Settings},
};

#[inline(always)]
pub(super) fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    packet: &Packet,
    now_ns: u64,
) -> Option<Reason> {
    // A host that cannot resolve its neighbours is cut off by itself.
    if packet.is_neighbour_discovery() {
        return Some(Reason::Control);
    }
    let cost = Charge { bytes: packet.length, syn: packet.opens_connection() };
    match source::charge(tables, settings, packet.source, cost, now_ns) {
        Some(Standing::Within) => None,
        Some(Standing::OverPackets) => Some(Reason::PacketRate),
        Some(Standing::OverSyn) => Some(Reason::SynRate),
        None => Some(Reason::Fault),
    }
}
