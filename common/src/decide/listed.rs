//! Is the source on the allowlist or the blocklist? An allow always wins.

use super::{Desk, NONE};
use crate::{
    prefix,
    tables::Tables,
    wire::{Leaf, Reason, Settings},
};

/// Says whether a list has decided.
#[inline(always)]
pub fn judge<T: Tables>(tables: &T, settings: &Settings, desk: &mut Desk) -> Option<bool> {
    match prefix::find(tables, settings, desk.packet.source, true)? {
        Leaf::Nothing => Some(false),
        Leaf::Allow(_) => {
            desk.judgement.reason = Reason::Trusted;
            Some(true)
        }
        Leaf::Block(_) => Some(desk.judgement.object(settings, Reason::Blocked, NONE)),
    }
}
