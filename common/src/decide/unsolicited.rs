//! Does the packet claim to answer something that the host never asked, or come for a port where nothing listens?
//!
//! Only such suspects are held against what the host has asked, so that the cost stays bounded.

use super::{CONTINUE, PacketContext, Step, found, suspects};
use crate::{
    flow,
    parse::Fragment,
    tables::Tables,
    traits::Traits,
    wire::{Reason, Settings, Suspicion, knowledge},
};

/// Objects to what nobody asked for, if that is too much; notes what answers the host.
#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    let known = settings.knowledge.load();
    if known & knowledge::PORTS == 0 || known & (knowledge::FLOWS | knowledge::SOCKETS) == 0 {
        return CONTINUE;
    }
    let Some(suspicion) = suspicion(context) else { return CONTINUE };
    let asked_for = known & knowledge::FLOWS != 0 && found(flow::answers(tables, settings, &context.packet))?
        || known & knowledge::SOCKETS != 0 && tables.has_socket(&context.packet);
    if asked_for {
        context.judgement.answers = true;
        return CONTINUE;
    }
    context.judgement.unsolicited = true;
    suspects::judge(settings, context, suspicion, Reason::Unsolicited)
}

/// What is to be said against the packet, if the host has not asked for it. A later fragment has no port, and is
/// judged by the first one.
#[inline(always)]
fn suspicion(context: &PacketContext) -> Option<Suspicion> {
    let PacketContext { packet, port, traits, .. } = context;
    let is_later = packet.fragment as u8 == Fragment::Later as u8;
    if is_later || port.offered && !traits.meets(Traits::SYN_ACK) {
        return None;
    }
    if traits.meets(Traits::UDP) {
        Some(Suspicion::Udp)
    } else if traits.meets(Traits::TCP) {
        Some(Suspicion::Tcp)
    } else {
        None
    }
}
