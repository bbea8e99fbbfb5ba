//! Has an operator said that everything passes for a time?

use super::{CONTINUE, PacketContext, Step};
use crate::wire::{Reason, Settings};

/// Passes every frame up to a time, whatever it is.
#[inline(always)]
pub(super) fn judge(settings: &Settings, context: &mut PacketContext) -> Step {
    if settings.bypass_until.load() > context.time_ns {
        return context.judgement.pass(Reason::Bypass);
    }
    CONTINUE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::DECIDED,
        decide::testing::{Memory, NOW, syn},
    };

    #[test]
    fn everything_passes_up_to_a_time() {
        let memory = Memory::new();
        let mut context = memory.context(syn());
        memory.set().bypass_until.store(NOW + 1);
        assert_eq!(judge(memory.set(), &mut context), DECIDED);
        assert_eq!(context.reason(), Reason::Bypass);
        memory.set().bypass_until.store(NOW);
        assert_eq!(judge(memory.set(), &mut memory.context(syn())), CONTINUE);
    }
}
