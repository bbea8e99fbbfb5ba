//! Do the headers match a signature? Their features have been read before.

use super::PacketContext;
use crate::{
    signature, source,
    tables::Tables,
    wire::{History, Reason, Settings, SourceSet, WAYS, standing},
};

/// Says whether a signature has decided.
#[inline(always)]
pub(super) fn judge<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    set: &SourceSet,
) -> Option<bool> {
    let half = settings.signatures.load() as u32;
    if half == 0 {
        return Some(false);
    }
    let mut matches = signature::matches(tables, half, &context.features)?;
    if matches.strangers != 0 && is_known(set, context) {
        matches = matches.of_known();
    }
    if matches.watched != 0 {
        let counter = tables.signature_counter(signature::first(matches.watched))?;
        counter.packets.add_local(1);
        counter.bytes.add_local(u64::from(context.packet.length));
        context.judgement.would(Reason::Signature, signature::first(matches.watched));
    }
    if matches.enforced == 0 {
        return Some(false);
    }
    let number = signature::first(matches.enforced);
    let counter = tables.signature_counter(number)?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(context.packet.length));
    Some(context.judgement.object(settings, Reason::Signature, number))
}

/// Whether the source has shown before that it takes part in conversations. It is not entered for being asked after.
#[inline(always)]
fn is_known(set: &SourceSet, context: &PacketContext) -> bool {
    let Some(number) = source::find(set, context.key) else { return false };
    let history = History::unpack(set.ways[number as usize % WAYS].history.load());
    history.standing & standing::KNOWN != 0
}
