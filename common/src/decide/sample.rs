//! Which packets the controller gets to see.
//!
//! One in so many of a service's packets, dropped ones included, within a budget for each CPU that holds whatever
//! comes.

use super::{CONTINUE, PacketContext, Step, found};
use crate::{
    tables::Tables,
    wire::{ServiceCounter, Settings},
};

/// Samples that may be taken at once after a quiet time.
const BURST: u64 = 32;

/// Notes whether this packet is to be sampled.
#[inline(always)]
pub(super) fn choose<T: Tables>(
    tables: &T,
    settings: &Settings,
    context: &mut PacketContext,
    counter: &ServiceCounter,
) -> Step {
    let left = counter.until_sample.load();
    if left > 1 {
        counter.until_sample.store(left - 1);
        return CONTINUE;
    }
    let every = found(tables.service(context.judgement.service))?.sample_every.load();
    counter.until_sample.store(every);
    let interval = settings.sample_interval.load();
    if every == 0 || interval == 0 {
        return CONTINUE;
    }
    let now_ns = context.time_ns;
    let full_at = found(tables.sample_meter())?;
    let at = full_at.load();
    let at = if at > now_ns { at } else { now_ns };
    if at > now_ns + BURST * interval {
        return CONTINUE;
    }
    full_at.store(at + interval);
    counter.samples.add_local(1);
    context.sampled = true;
    CONTINUE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::{Memory, NOW, SECOND, syn};

    /// How many of so many packets that come at once are chosen.
    fn chosen(memory: &Memory, packets: u32) -> usize {
        let is_chosen = |_: &u32| {
            let mut context = memory.classified(syn());
            assert_eq!(choose(memory, memory.set(), &mut context, &memory.service_counters[0]), CONTINUE);
            context.sampled
        };
        (0..packets).filter(is_chosen).count()
    }

    #[test]
    fn one_in_so_many_is_chosen() {
        let memory = Memory::new();
        memory.set().sample_interval.store(1);
        assert_eq!(chosen(&memory, 100), 0, "nobody wants samples of the service");
        memory.services[0].sample_every.store(10);
        assert_eq!(chosen(&memory, 100), 10);
        assert_eq!(memory.service_counters[0].samples.load(), 10);
    }

    #[test]
    fn a_budget_holds_whatever_comes() {
        let memory = Memory::new();
        memory.services[0].sample_every.store(1);
        assert_eq!(chosen(&memory, 100), 0, "there is no budget");
        memory.set().sample_interval.store(SECOND);
        assert_eq!(chosen(&memory, 100), BURST as usize + 1);
        memory.set().clock.store(NOW + 5 * SECOND);
        assert_eq!(chosen(&memory, 100), 5);
    }
}
