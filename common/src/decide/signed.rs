//! Do the headers match a signature? Their features have been read before.

use super::Desk;
use crate::{
    signature,
    tables::Tables,
    wire::{Reason, Settings},
};

/// Says whether a signature has decided.
#[inline(always)]
pub fn judge<T: Tables>(tables: &T, settings: &Settings, desk: &mut Desk) -> Option<bool> {
    let half = settings.signatures.load() as u32;
    if half == 0 {
        return Some(false);
    }
    let matches = signature::matches(tables, half, &desk.features)?;
    if matches.watched != 0 {
        let counter = tables.signature_counter(signature::first(matches.watched))?;
        counter.packets.add_local(1);
        counter.bytes.add_local(u64::from(desk.packet.length));
        desk.judgement.would(Reason::Signature, signature::first(matches.watched));
    }
    if matches.enforced == 0 {
        return Some(false);
    }
    let number = signature::first(matches.enforced);
    let counter = tables.signature_counter(number)?;
    counter.packets.add_local(1);
    counter.bytes.add_local(u64::from(desk.packet.length));
    Some(desk.judgement.object(settings, Reason::Signature, number))
}
