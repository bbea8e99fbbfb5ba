//! Is the source on the allowlist or the blocklist? An allow always wins.

use super::{NONE, PacketContext};
use crate::{
    prefix,
    tables::Tables,
    wire::{Leaf, Reason, Settings},
};

/// Says whether a list has decided.
#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Option<bool> {
    match prefix::find(tables, settings, context.packet.source, true)? {
        Leaf::Nothing => Some(false),
        Leaf::Allow(_) => {
            context.judgement.reason = Reason::Trusted;
            Some(true)
        }
        Leaf::Block(_) => Some(context.judgement.object(settings, Reason::Blocked, NONE)),
    }
}
