//! Do the headers match a signature?

use super::{CONTINUE, OutOfLine, PacketContext, Step, found, known};
use crate::{
    signature,
    tables::Tables,
    wire::{Counter, Reason, Settings, SourceSet},
};

/// Counts the signatures that the packet matches, and objects if one of them is enforced. What answers the host is held
/// against none.
#[inline(always)]
pub(super) fn judge<T: Tables, O: OutOfLine>(
    tables: &T,
    settings: &Settings,
    parts: &O,
    context: &mut PacketContext,
    sources: &SourceSet,
) -> Step {
    if context.judgement.answers || settings.signatures.load() == 0 {
        return CONTINUE;
    }
    parts.read_features(context);
    let half = settings.signatures.load() as u32;
    if half == 0 {
        return CONTINUE;
    }
    let mut matches = found(signature::matches(tables, half, &context.features))?;
    if matches.strangers != 0 && known::is_known(sources, context.key) {
        matches = matches.of_known();
    }
    if matches.watched != 0 {
        let number = signature::first(matches.watched);
        count(found(tables.signature_counter(number))?, context);
        context.judgement.would(Reason::Signature, number);
    }
    if matches.enforced == 0 {
        return CONTINUE;
    }
    let number = signature::first(matches.enforced);
    count(found(tables.signature_counter(number))?, context);
    context.judgement.object(settings, Reason::Signature, number)
}

#[inline(always)]
fn count(counter: &Counter, context: &PacketContext) {
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(context.packet.length));
}
