//! Is it a TCP segment of no connection that was asked for?

use super::{CONTINUE, PacketContext, Step, source::Source, suspects};
use crate::{
    parse::Packet,
    source,
    tables::Tables,
    traits::Traits,
    wire::{Reason, Settings, Suspicion, knowledge},
};

/// Objects to such segments, if they are too many. Whoever sends one that passes takes part in a conversation.
#[inline(always)]
pub(super) fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    source: Source<'_>,
) -> Step {
    if !is_out_of_state(settings, context, source) {
        return CONTINUE;
    }
    let belongs = belongs(tables, settings, &context.packet);
    if !belongs {
        suspects::judge(settings, context, Suspicion::Stray, Reason::Stray)?;
    }
    // In an attack, being one of few makes nobody known.
    if belongs || settings.knowledge.load() & knowledge::CALM != 0 {
        source::make_known(source.way);
    }
    CONTINUE
}

/// Whether a source that is not known, and never asked for a connection, sends a segment of one, to a port where
/// something listens.
#[inline(always)]
fn is_out_of_state(settings: &Settings, context: &PacketContext, source: Source<'_>) -> bool {
    settings.knowledge.load() & knowledge::PORTS != 0
        && context.port.offered
        && !context.known
        && source.history.syns == 0
        && context.traits.meets(Traits::SEGMENT.and(Traits::RST))
}

/// Whether a segment may belong to a connection all the same: one that was open before floodwall was there, or that the
/// host's sockets know.
#[inline(always)]
fn belongs<T: Tables>(tables: &T, settings: &Settings, packet: &Packet) -> bool {
    let known = settings.knowledge.load();
    known & knowledge::CONNECTIONS == 0 || known & knowledge::SOCKETS != 0 && tables.has_socket(packet)
}
