//! Is it neighbour discovery? A host that cannot resolve its neighbours is cut off by itself.

use super::{CONTINUE, PacketContext, Step};
use crate::wire::Reason;

/// Passes it, before any rate could cut it off.
#[inline(always)]
pub(super) fn judge(context: &mut PacketContext) -> Step {
    if context.packet.is_neighbour_discovery() {
        return context.judgement.pass(Reason::Control);
    }
    CONTINUE
}
