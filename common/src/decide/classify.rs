//! What kind of packet is it, whose, and what for?

use super::{PacketContext, Step, found};
use crate::{
    service,
    source::{self, Key},
    tables::Tables,
    traits::Traits,
    wire::{Service, Settings, SourceSet, WAYS},
};

/// What the tables hold for a packet, looked up once.
pub(super) struct Classified<'t> {
    /// The set of the source table that its source belongs to.
    pub(super) sources: &'t SourceSet,
    /// The service that it is for.
    pub(super) service: &'t Service,
}

/// Finds the packet's source, port, service and traits.
#[inline(always)]
pub(super) fn classify<'t, T: Tables>(
    tables: &'t T,
    settings: &Settings,
    context: &mut PacketContext,
) -> Step<Classified<'t>> {
    context.key = Key::of(settings, context.packet.source);
    let sources = found(source::set_of(tables, settings, context.key))?;
    // Asks memory for both of its cache lines: they arrive while other stages are at work.
    sources.ways[0].key.load();
    sources.ways[WAYS / 2].key.load();
    context.port = found(service::port(tables, settings, &context.packet))?;
    context.traits = Traits::of(&context.packet);
    context.judgement.service = u32::from(context.port.service);
    let service = found(tables.service(context.judgement.service))?;
    Step::Continue(Classified { sources, service })
}
