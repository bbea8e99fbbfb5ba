//! Is the frame IP, and do its headers make sense? That is about lengths and offsets, which [`parse`](crate::parse) looks at.
//! Which TCP flags are set together is no matter of this stage: a SYN with FIN is a SYN ([`Traits`](crate::traits::Traits)), and
//! left to signatures and rates.

use super::{CONTINUE, DECIDED, NONE, PacketContext, Step};
use crate::{
    frame::Frame,
    parse::{self, Kind},
    wire::{Reason, Settings},
};

/// Reads the headers. Passes what is not IP, and objects to what is malformed.
#[inline(always)]
pub(super) fn judge<F: Frame>(settings: &Settings, frame: &F, context: &mut PacketContext) -> Step {
    match parse::parse_network(frame, &mut context.packet) {
        Kind::NotIp => context.judgement.pass(Reason::NotIp),
        Kind::Ip if context.parse_transport(frame).is_some() => CONTINUE,
        Kind::Ip | Kind::Malformed => {
            // Even where that is only monitored, there is no packet that the other stages could judge.
            let _ = context.object(settings, Reason::Malformed, NONE);
            DECIDED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, frame, syn},
        frame::Captured,
        parse::Packet,
    };

    fn judged(memory: &Memory, frame: &[u8]) -> (Step, PacketContext) {
        let mut context = PacketContext::default();
        (judge(memory.set(), &Captured::whole(frame), &mut context), context)
    }

    #[test]
    fn a_packet_is_handed_on_with_what_was_read() {
        let (step, context) = judged(&Memory::new(), &frame(&syn()));
        assert_eq!(step, CONTINUE);
        assert!(context.is_packet);
        let Packet { source, destination_port, tcp_flags, .. } = context.packet;
        assert_eq!((source, destination_port, tcp_flags), (syn().source, 80, syn().tcp_flags));
    }

    #[test]
    fn what_is_not_ip_passes() {
        let mut arp = frame(&syn());
        arp[12..14].copy_from_slice(&[8, 6]);
        let (step, context) = judged(&Memory::new(), &arp);
        assert_eq!((step, context.reason(), context.is_packet), (DECIDED, Reason::NotIp, false));
    }

    #[test]
    fn what_is_malformed_is_dropped_and_no_packet_even_if_that_is_only_monitored() {
        let memory = Memory::new();
        let whole = frame(&syn());
        // In the IP header, and in the TCP header.
        for cut in [20, 40] {
            let (step, context) = judged(&memory, &whole[..cut]);
            assert_eq!((step, context.reason(), context.is_packet), (DECIDED, Reason::Malformed, false));
        }
        memory.monitor(Reason::Malformed);
        for cut in [20, 40] {
            let (step, context) = judged(&memory, &whole[..cut]);
            assert_eq!((step, context.reason(), context.is_packet), (DECIDED, Reason::Clean, false));
            assert_eq!(context.judgement.would, Reason::Malformed);
        }
    }
}
