//! Does the packet come again that was dropped a while ago? Clients repeat what gets lost; forged floods do not.
//!
//! How long a while is stands in [`crate::retransmission`]. Which packets may come again is said by
//! [`signature`](super::signature).

use super::{CONTINUE, PacketContext, Request, Step, challenge, found};
use crate::{
    client,
    flow::Flow,
    memo,
    retransmission::{self, Wait},
    tables::{REQUEST_LINES, Tables},
    traits::Traits,
    wire::Settings,
};

/// Says in the context whether the packet is one that was dropped a while ago, or a request of a client that has answered
/// a challenge. It is noted, if it is neither.
#[inline(always)]
pub fn ask_again<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    let hash = Flow::answered_by(&context.packet).hash(settings);
    let line = found(tables.request_line(memo::line(hash, REQUEST_LINES)))?;
    // Asked for before the line of the client, so that both arrive together.
    line[0].load();
    if challenge::is_due(settings, context)
        && found(client::has_answered(tables, settings, context.packet.source, context.time_ns))?
    {
        context.request = Request::Again;
        return CONTINUE;
    }
    let wait = if context.traits.meets(Traits::TCP) { Wait::OF_REQUESTS } else { Wait::OF_DATAGRAMS };
    let again = retransmission::again(line, hash, wait, context.time_ns);
    context.request = if again { Request::Again } else { Request::Noted };
    CONTINUE
}
