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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::DECIDED,
        decide::testing::{Memory, SOURCE6, syn},
        parse::{Fragment, Packet, protocol},
    };

    #[test]
    fn it_passes_if_it_comes_from_this_very_link() {
        let memory = Memory::new();
        let solicitation = Packet {
            source: SOURCE6,
            protocol: protocol::ICMPV6,
            destination_port: 135 << 8,
            hop_limit: 255,
            ..syn()
        };
        let mut context = memory.context(solicitation);
        assert_eq!(judge(&mut context), DECIDED);
        assert_eq!(context.reason(), Reason::Control);
        for other in [
            Packet { hop_limit: 254, ..solicitation },
            Packet { destination_port: 128 << 8, ..solicitation },
            Packet { fragment: Fragment::First, ..solicitation },
            Packet { protocol: protocol::ICMP, ..solicitation },
        ] {
            let mut context = memory.context(other);
            assert_eq!((judge(&mut context), context.reason()), (CONTINUE, Reason::Clean), "{other:?}");
        }
    }
}
