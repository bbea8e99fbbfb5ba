//! What is no longer part of the table, but may still be read by a packet that came before the change.

use std::collections::VecDeque;

use super::forest::extent;

/// Something that was taken out of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retired {
    /// The lines of a node or tail, named by a reference to it.
    Tree(u64),
    /// A rule number, which leaves in the lines before it may name.
    Rule(u32),
    /// A whole generation, which is cleared by other means: it only tells those before it from those after.
    Generation,
}

/// The retired, oldest first, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    waiting: VecDeque<Retired>,
    /// Number of the next one that comes.
    next: u64,
    /// Those with a number below this are safe: a grace period has passed since they came.
    safe: u64,
    /// Lines that wait.
    lines: u32,
}

impl Quarantine {
    pub(super) fn push(&mut self, retired: Retired) {
        self.lines += retired.lines();
        self.next += 1;
        self.waiting.push_back(retired);
    }

    /// The number that all who wait are below, and all who come later are not.
    pub(super) fn mark(&self) -> u64 {
        self.next
    }

    /// A grace period that began at `mark` or later has ended.
    pub(super) fn passed(&mut self, mark: u64) {
        self.safe = self.safe.max(mark.min(self.next));
    }

    /// Has a grace period passed since `mark`?
    pub(super) fn is_safe(&self, mark: u64) -> bool {
        mark <= self.safe
    }

    /// The next one that is safe.
    pub(super) fn pop(&mut self) -> Option<Retired> {
        if self.next - self.waiting.len() as u64 >= self.safe {
            return None;
        }
        let retired = self.waiting.pop_front()?;
        self.lines -= retired.lines();
        Some(retired)
    }

    /// Lines that wait.
    pub(super) fn lines(&self) -> u32 {
        self.lines
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Retired {
    fn lines(self) -> u32 {
        match self {
            Self::Tree(word) => extent(word).1,
            Self::Rule(_) | Self::Generation => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_before_the_grace_period_is_let_go() {
        let mut quarantine = Quarantine::default();
        quarantine.push(Retired::Rule(1));
        let mark = quarantine.mark();
        quarantine.push(Retired::Rule(2));
        assert_eq!(quarantine.pop(), None);
        assert!(!quarantine.is_safe(mark));
        quarantine.passed(mark);
        assert!(quarantine.is_safe(mark) && !quarantine.is_safe(quarantine.mark()));
        assert_eq!((quarantine.pop(), quarantine.pop()), (Some(Retired::Rule(1)), None));
        quarantine.passed(quarantine.mark());
        assert_eq!((quarantine.pop(), quarantine.pop()), (Some(Retired::Rule(2)), None));
        assert!(quarantine.is_empty());
    }
}
