//! Is the source on the allowlist or the blocklist? An allow always wins.

use crate::{
    parse::Packet,
    prefix,
    tables::Tables,
    wire::{Leaf, Reason, Settings},
};

#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, packet: &Packet) -> Option<Reason> {
    match prefix::find(tables, settings, packet.source, true) {
        Some(Leaf::Nothing) => None,
        Some(Leaf::Allow(_)) => Some(Reason::Trusted),
        Some(Leaf::Block(_)) => Some(Reason::Blocked),
        None => Some(Reason::Fault),
    }
}
