//! Is the source on the allowlist or the blocklist? An allow always wins.

use super::{CONTINUE, End, NONE, PacketContext, Step};
use crate::{
    prefix,
    tables::Tables,
    wire::{Leaf, Reason, Settings},
};

/// Passes what is allowed, and objects to what is blocked.
#[inline(always)]
pub(super) fn judge<T: Tables>(tables: &T, settings: &Settings, context: &mut PacketContext) -> Step {
    // Not by `found`: the compiler would put a leaf and a fault into one register, half of which nobody has written where
    // nothing is listed, and the verifier does not let that be read.
    let Some(leaf) = prefix::find(tables, settings, context.packet.source, true) else {
        return Step::Break(End::Fault);
    };
    match leaf {
        Leaf::Nothing => CONTINUE,
        Leaf::Allow(_) => context.judgement.pass(Reason::Trusted),
        // Nobody answers for it any more.
        Leaf::Ban(_) if settings.lapsed(context.time_ns) => CONTINUE,
        Leaf::Block(_) | Leaf::Ban(_) => context.object(settings, Reason::Blocked, NONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::testing::{Memory, SOURCE, SOURCE6, syn},
        decide::{DECIDED, End},
        parse::Packet,
        prefix::Address,
    };

    fn judged(memory: &Memory, source: Address) -> (Step, Reason) {
        let mut context = memory.context(Packet { source, ..syn() });
        (judge(memory, memory.set(), &mut context), context.reason())
    }

    #[test]
    fn what_is_listed_passes_or_is_dropped_and_its_neighbours_are_left_alone() {
        for (leaf, reason) in [
            (Leaf::Allow(1), Reason::Trusted),
            (Leaf::Block(1), Reason::Blocked),
            (Leaf::Ban(1), Reason::Blocked),
        ] {
            let mut memory = Memory::new();
            memory.list(SOURCE, leaf);
            memory.list(SOURCE6, leaf);
            for source in [SOURCE, SOURCE6] {
                assert_eq!(judged(&memory, source), (DECIDED, reason));
                let beside = Address { high: source.high ^ 1 << 41, ..source };
                assert_eq!(judged(&memory, beside), (CONTINUE, Reason::Clean), "{beside:?}");
            }
        }
    }

    #[test]
    fn a_blocklist_that_is_monitored_only_notes() {
        let mut memory = Memory::new();
        memory.list(SOURCE, Leaf::Block(1));
        memory.monitor(Reason::Blocked);
        let mut context = memory.context(syn());
        assert_eq!(judge(&memory, memory.set(), &mut context), CONTINUE);
        assert_eq!((context.reason(), context.judgement.would), (Reason::Clean, Reason::Blocked));
    }

    #[test]
    fn a_list_that_is_out_of_reach_is_a_fault() {
        let mut memory = Memory::new();
        memory.list(SOURCE, Leaf::Block(1));
        memory.prefix_lines.clear();
        assert_eq!(judged(&memory, SOURCE).0, Step::Break(End::Fault));
    }
}
