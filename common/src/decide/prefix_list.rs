//! Is the source on the allowlist or the blocklist? An allow always wins.

use super::{CONTINUE, NONE, PacketContext, Step, found};
use crate::{
    prefix,
    tables::Tables,
    wire::{Leaf, Reason, Settings},
};

/// Passes what is allowed, and objects to what is blocked.
#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    match found(prefix::find(tables, settings, context.packet.source, true))? {
        Leaf::Nothing => CONTINUE,
        Leaf::Allow(_) => context.judgement.pass(Reason::Trusted),
        Leaf::Block(_) => context.judgement.object(settings, Reason::Blocked, NONE),
    }
}
