//! Rule numbers, and the hits of each rule.

use floodwall_common::wire::Leaf;

/// The numbers that leaves name prefixes by, and what has been counted for each.
///
/// A prefix keeps its number in every generation that it stands in, and the number is not given to another
/// prefix before the kernel has let go of the last leaf that names it.
#[derive(Debug)]
pub(super) struct Rules {
    /// By number: packets, without those that still stand in the leaves.
    hits: Vec<u64>,
    /// By number: generations that it stands in.
    uses: Vec<u8>,
    free: Vec<u32>,
}

/// All numbers are given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRules;

impl Rules {
    /// For a table of at most `limit` prefixes in a generation.
    pub(super) fn new(limit: u32) -> Self {
        // Two generations, at worst. Costs nothing before it is used, while growing would cost a pause.
        let most = limit.saturating_mul(2).min(Leaf::MAX_RULES) as usize;
        Self { hits: Vec::with_capacity(most), uses: Vec::with_capacity(most), free: Vec::new() }
    }

    /// A number for a prefix that has none, which stands in one generation.
    pub(super) fn take(&mut self) -> Result<u32, NoRules> {
        if let Some(number) = self.free.pop() {
            self.uses[number as usize] = 1;
            return Ok(number);
        }
        let number = self.uses.len() as u32;
        if number >= Leaf::MAX_RULES {
            return Err(NoRules);
        }
        self.hits.push(0);
        self.uses.push(1);
        Ok(number)
    }

    /// The prefix stands in one more generation.
    pub(super) fn share(&mut self, number: u32) {
        self.uses[number as usize] += 1;
    }

    /// Is there a single use of the number left?
    pub(super) fn is_last_use(&self, number: u32) -> bool {
        self.uses[number as usize] == 1
    }

    /// The prefix stands in one generation less; says whether that was the last.
    #[must_use]
    pub(super) fn release(&mut self, number: u32) -> bool {
        let uses = &mut self.uses[number as usize];
        debug_assert!(*uses > 0, "rule {number} is released more often than it was taken");
        *uses = uses.saturating_sub(1);
        *uses == 0
    }

    /// The number of a prefix that stands in no generation, nor in any leaf, may be given to another.
    pub(super) fn recycle(&mut self, number: u32) {
        self.hits[number as usize] = 0;
        self.free.push(number);
    }

    /// Counts packets that were taken out of a leaf. Numbers that no rule of ours has are let be.
    pub(super) fn count(&mut self, number: u32, hits: u64) {
        if let Some(all) = self.hits.get_mut(number as usize) {
            *all += hits;
        }
    }

    /// Packets counted for a rule.
    pub(super) fn hits(&self, number: u32) -> u64 {
        self.hits.get(number as usize).copied().unwrap_or(0)
    }

    /// Numbers that are given away.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.uses.len() - self.free.len()
    }
}
