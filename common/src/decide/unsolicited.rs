//! Does the packet claim to answer something that the host never asked, or come for a port where nothing listens?
//!
//! Only suspects are held against what the host has asked, so that the cost stays bounded; and they pass as long as
//! they are few, since what is known of the host may be incomplete.

use super::{NONE, PacketContext};
use crate::{
    bucket, flow,
    parse::Fragment,
    service,
    tables::Tables,
    traits::Traits,
    wire::{BucketSpec, Reason, Settings, Suspicion, knowledge},
};

/// What is known of the packet's right to be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Not in question, or not known.
    Open,
    /// It answers what the host has asked.
    Answer,
    /// Nobody asked for it, and it may pass as it is one of few.
    Unsolicited,
    /// Nobody asked for it.
    Refused(Reason),
}

/// Sees what the packet is and what it is for, and says whether its claim has decided.
#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Option<bool> {
    context.port = service::port(tables, settings, &context.packet)?;
    context.traits = Traits::of(&context.packet);
    context.judgement.service = u32::from(context.port.service);
    match claim(tables, settings, context)? {
        Claim::Open => Some(false),
        Claim::Answer => {
            context.judgement.answers = true;
            Some(false)
        }
        Claim::Unsolicited => {
            context.judgement.unsolicited = true;
            Some(false)
        }
        Claim::Refused(reason) => {
            context.judgement.unsolicited = true;
            Some(context.judgement.object(settings, reason, NONE))
        }
    }
}

#[inline(always)]
fn claim<T: Tables>(tables: &T, settings: &Settings, context: &PacketContext) -> Option<Claim> {
    let PacketContext { packet, port, traits, time_ns: now_ns, .. } = context;
    let now_ns = *now_ns;
    let known = settings.knowledge.load();
    if packet.fragment as u8 == Fragment::Later as u8 {
        if flow::has_first_passed(tables, settings, packet)? {
            return Some(Claim::Open);
        }
        return Some(weigh(settings, Suspicion::Fragment, Reason::Fragment, now_ns));
    }
    if known & knowledge::PORTS == 0 || known & (knowledge::FLOWS | knowledge::SOCKETS) == 0 {
        return Some(Claim::Open);
    }
    let suspicion = if traits.meets(Traits::UDP) {
        Suspicion::Udp
    } else if traits.meets(Traits::TCP) {
        Suspicion::Tcp
    } else {
        return Some(Claim::Open);
    };
    if port.offered && !traits.meets(Traits::SYN_ACK) {
        return Some(Claim::Open);
    }
    if known & knowledge::FLOWS != 0 && flow::answers(tables, settings, packet)? {
        return Some(Claim::Answer);
    }
    if known & knowledge::SOCKETS != 0 && tables.has_socket(packet) {
        return Some(Claim::Answer);
    }
    Some(weigh(settings, suspicion, Reason::Unsolicited, now_ns))
}

/// Whether a suspect is one of few.
#[inline(always)]
pub(super) fn weigh(settings: &Settings, suspicion: Suspicion, reason: Reason, now_ns: u64) -> Claim {
    let spec = BucketSpec::unpack(settings.suspect_bucket.load());
    if bucket::take_or_shut(&settings.suspects[suspicion as usize], spec, now_ns) {
        Claim::Unsolicited
    } else {
        Claim::Refused(reason)
    }
}
