//! Rule numbers, and the hits of each rule.

use floodwall_common::wire::Leaf;

/// The numbers that leaves name prefixes by, and what has been counted for each.
///
/// A prefix keeps its number in every generation that it stands in, and the number is not given to another
/// prefix before the kernel has let go of the last leaf that names it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Counted>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Counted {
    /// Packets, without those that still stand in the leaves.
    hits: u64,
    /// Generations that it stands in.
    uses: u8,
}

/// All numbers are given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRules;

impl Rules {
    /// A number for a prefix that has none, which stands in one generation.
    pub(super) fn take(&mut self) -> Result<u32, NoRules> {
        if let Some(number) = self.free.pop() {
            self.rules[number as usize].uses = 1;
            return Ok(number);
        }
        let number = self.rules.len() as u32;
        if number >= Leaf::MAX_RULES {
            return Err(NoRules);
        }
        self.rules.push(Counted { hits: 0, uses: 1 });
        Ok(number)
    }

    /// The prefix stands in one more generation.
    pub(super) fn share(&mut self, number: u32) {
        self.rules[number as usize].uses += 1;
    }

    /// The prefix stands in one generation less; says whether that was the last.
    #[must_use]
    pub(super) fn release(&mut self, number: u32) -> bool {
        let uses = &mut self.rules[number as usize].uses;
        debug_assert!(*uses > 0, "rule {number} is released more often than it was taken");
        *uses = uses.saturating_sub(1);
        *uses == 0
    }

    /// The number of a prefix that stands in no generation, nor in any leaf, may be given to another.
    pub(super) fn recycle(&mut self, number: u32) {
        self.rules[number as usize].hits = 0;
        self.free.push(number);
    }

    /// Counts packets that were taken out of a leaf. Numbers that no rule of ours has are let be.
    pub(super) fn count(&mut self, number: u32, hits: u64) {
        if let Some(rule) = self.rules.get_mut(number as usize) {
            rule.hits += hits;
        }
    }

    /// Packets counted for a rule.
    pub(super) fn hits(&self, number: u32) -> u64 {
        self.rules.get(number as usize).map_or(0, |rule| rule.hits)
    }

    /// Numbers that are given away.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.rules.len() - self.free.len()
    }

    /// Packets counted for every rule, by number.
    pub(super) fn all_hits(&self) -> Vec<u64> {
        self.rules.iter().map(|rule| rule.hits).collect()
    }
}
