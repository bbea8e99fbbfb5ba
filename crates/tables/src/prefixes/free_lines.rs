//! Which lines of the prefix table are free.

/// The lines from 0 to some end, each free or in use, handed out in runs.
///
/// First fit in the order of addresses, with freed neighbours joined at once: of the policies that do not move
/// what they have handed out, one of the two that fragment least (Johnstone & Wilson, "The memory fragmentation
/// problem: solved?", ISMM 1998). Short runs are taken from the low end and long ones from the high end, lest a
/// few short ones that stay where long ones were leave no room for any. Runs have exactly the length that was
/// asked for.
///
/// One bit per line, and a tree over the 64-bit words of them in which every node knows the longest free run
/// below it, so that taking and freeing cost O(log lines) whatever happened before. About 0.5 bytes per line.
#[derive(Debug)]
pub(super) struct LineSpace {
    /// A set bit is a free line.
    words: Vec<u64>,
    /// A complete binary tree in an array: the root at 1, the children of `i` at `2i` and `2i + 1`, and the
    /// words' own at `leaves` and up.
    gaps: Vec<Gap>,
    leaves: usize,
    free: u32,
    len: u32,
}

/// The free lines below a node of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gap {
    /// Free lines at its start.
    prefix: u32,
    /// Free lines at its end.
    suffix: u32,
    /// The longest run of free lines.
    longest: u32,
}

/// There is no free run of this many lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoLines(pub(super) u32);

const WORD: u32 = u64::BITS;
/// Most lines of a short run.
const SHORT: u32 = 8;

impl LineSpace {
    /// The lines from 0 to `len`, all of them free.
    pub(super) fn new(len: u32) -> Self {
        let count = len.div_ceil(WORD) as usize;
        let mut words = vec![u64::MAX; count];
        if let Some(last) = words.last_mut()
            && !len.is_multiple_of(WORD)
        {
            *last = (1 << (len % WORD)) - 1;
        }
        let leaves = count.next_power_of_two();
        let mut space = Self { words, gaps: vec![Gap::default(); 2 * leaves], leaves, free: len, len };
        if count > 0 {
            space.refresh(0, count - 1);
        }
        space
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// How many of them are free.
    pub(super) fn free(&self) -> u32 {
        self.free
    }

    /// Takes a run of `count` lines, at least 1; says where it starts.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, NoLines> {
        let start = self.find(count, count > SHORT).ok_or(NoLines(count))?;
        self.change(start, count, false);
        Ok(start)
    }

    /// Takes just this run. `false` if not all of it is there and free; nothing is changed then.
    pub(super) fn take_at(&mut self, start: u32, count: u32) -> bool {
        let fits =
            start.checked_add(count).is_some_and(|end| end <= self.len) && self.all(start, count, true);
        if fits {
            self.change(start, count, false);
        }
        fits
    }

    /// Frees a run that was taken. `false` if not all of it was in use; nothing is changed then.
    pub(super) fn give(&mut self, start: u32, count: u32) -> bool {
        let taken =
            start.checked_add(count).is_some_and(|end| end <= self.len) && self.all(start, count, false);
        debug_assert!(taken, "lines {start}+{count} are freed that are not in use");
        if taken {
            self.change(start, count, true);
        }
        taken
    }

    /// The first place for `count` lines, or the last.
    fn find(&self, count: u32, last: bool) -> Option<u32> {
        if self.gaps[1].longest < count {
            return None;
        }
        let (mut node, mut base, mut width) = (1, 0, self.leaves as u32 * WORD);
        while node < self.leaves {
            width /= 2;
            let (left, right) = (self.gaps[2 * node], self.gaps[2 * node + 1]);
            let in_left = left.longest >= count && !(last && right.longest >= count);
            // What reaches over the middle comes after all that is in the left half, and before the right one's.
            let over_middle =
                left.suffix + right.prefix >= count && (if last { right } else { left }).longest < count;
            if over_middle {
                return Some(
                    base + width - left.suffix + if last { left.suffix + right.prefix - count } else { 0 },
                );
            }
            node = 2 * node + usize::from(!in_left);
            base += if in_left { 0 } else { width };
        }
        // Bit i of `starts` stays set if `grown` lines from i on are free.
        let (mut starts, mut grown) = (self.words[node - self.leaves], 1);
        while grown < count {
            let more = grown.min(count - grown);
            starts &= starts >> more;
            grown += more;
        }
        Some(base + if last { starts.ilog2() } else { starts.trailing_zeros() })
    }

    /// Are all the lines of the run free, or all of them taken?
    fn all(&self, start: u32, count: u32, free: bool) -> bool {
        parts(start, count).all(|(word, bits)| self.words[word] & bits == if free { bits } else { 0 })
    }

    /// Marks a run that is all free, or all taken, as the other.
    fn change(&mut self, start: u32, count: u32, free: bool) {
        if count == 0 {
            return;
        }
        for (word, bits) in parts(start, count) {
            self.words[word] ^= bits;
        }
        if free {
            self.free += count;
        } else {
            self.free -= count;
        }
        self.refresh((start / WORD) as usize, ((start + count - 1) / WORD) as usize);
    }

    /// Brings the tree above the words from `first` to `last` up to date.
    fn refresh(&mut self, first: usize, last: usize) {
        for word in first..=last {
            self.gaps[self.leaves + word] = Gap::of(self.words[word]);
        }
        let (mut low, mut high, mut half) = (self.leaves + first, self.leaves + last, WORD);
        while low > 1 {
            low /= 2;
            high /= 2;
            for node in low..=high {
                let gap = Gap::join(self.gaps[2 * node], self.gaps[2 * node + 1], half);
                if low == high && self.gaps[node] == gap {
                    return;
                }
                self.gaps[node] = gap;
            }
            half *= 2;
        }
    }
}

/// The words that a run touches, and its bits in each.
fn parts(start: u32, count: u32) -> impl Iterator<Item = (usize, u64)> {
    let end = start + count;
    (start / WORD..end.div_ceil(WORD)).map(move |word| {
        let from = start.max(word * WORD) - word * WORD;
        let to = end.min((word + 1) * WORD) - word * WORD;
        (word as usize, u64::MAX >> (WORD - (to - from)) << from)
    })
}

impl Gap {
    /// Of the 64 lines of a word, the lowest bit first.
    fn of(word: u64) -> Self {
        let (mut rest, mut longest) = (word, 0);
        if word == u64::MAX {
            longest = WORD;
        } else {
            // Every round takes one off the end of each run.
            while rest != 0 {
                rest &= rest << 1;
                longest += 1;
            }
        }
        Self { prefix: word.trailing_ones(), suffix: word.leading_ones(), longest }
    }

    /// Of two neighbours of `half` lines each.
    fn join(left: Self, right: Self, half: u32) -> Self {
        Self {
            prefix: if left.prefix == half { half + right.prefix } else { left.prefix },
            suffix: if right.suffix == half { half + left.suffix } else { right.suffix },
            longest: left.longest.max(right.longest).max(left.suffix + right.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, line by line.
    fn fit(free: &[bool], count: usize) -> Option<usize> {
        let mut starts = 0..=free.len().checked_sub(count)?;
        let fits = |start: &usize| free[*start..start + count].iter().all(|free| *free);
        if count > SHORT as usize { starts.rfind(fits) } else { starts.find(fits) }
    }

    proptest! {
        #[test]
        fn takes_the_outermost_run_that_fits_and_joins_what_is_freed(
            len in 1..700u32,
            steps in prop::collection::vec((prop_oneof![1..9u32, 1..200u32], 0..3usize, any::<prop::sample::Index>()), 1..300),
        ) {
            let mut space = LineSpace::new(len);
            let mut model = vec![true; len as usize];
            let mut taken: Vec<(u32, u32)> = Vec::new();
            for (count, action, which) in steps {
                if action == 0 && !taken.is_empty() {
                    let (start, count) = taken.swap_remove(which.index(taken.len()));
                    prop_assert!(space.give(start, count));
                    model[start as usize..(start + count) as usize].fill(true);
                } else {
                    let expected = fit(&model, count as usize);
                    prop_assert_eq!(space.take(count).ok(), expected.map(|start| start as u32));
                    if let Some(start) = expected {
                        model[start..start + count as usize].fill(false);
                        taken.push((start as u32, count));
                    }
                }
                prop_assert_eq!(space.free() as usize, model.iter().filter(|free| **free).count());
            }
            for (start, count) in taken {
                prop_assert!(space.give(start, count));
            }
            prop_assert_eq!(space.free(), len);
            prop_assert_eq!(space.take(len), Ok(0));
        }
    }

    #[test]
    fn a_given_place_is_taken_once_and_only_where_there_is_one() {
        let mut space = LineSpace::new(100);
        assert!(space.take_at(60, 10) && !space.take_at(69, 1) && !space.take_at(50, 11));
        assert!(!space.take_at(91, 10) && !space.take_at(u32::MAX, 2) && space.take_at(90, 10));
        assert_eq!(
            (space.take(61), space.take(60), space.take(21)),
            (Err(NoLines(61)), Ok(0), Err(NoLines(21)))
        );
        assert_eq!((space.take(20), space.free(), space.len()), (Ok(70), 0, 100));
    }

    #[test]
    fn there_may_be_no_lines_at_all() {
        assert_eq!(LineSpace::new(0).take(1), Err(NoLines(1)));
    }

    /// A few lines that stay, wherever they are, do not keep the rest from being of use.
    #[test]
    fn long_runs_find_room_among_short_ones_that_stay() {
        let mut space = LineSpace::new(100_000);
        let mut long = space.take(40).unwrap();
        // Like a node that is written anew, longer, for every few tails that come.
        let short: Vec<u32> = (0..2_000)
            .map(|i| {
                let longer = space.take(41 + i / 20).unwrap();
                assert!(space.give(long, 40 + i.saturating_sub(1) / 20 + u32::from(i > 0)));
                long = longer;
                space.take(1).unwrap()
            })
            .collect();
        for line in short.iter().enumerate().filter(|(at, _)| at % 10 != 0).map(|(_, line)| *line) {
            assert!(space.give(line, 1));
        }
        assert!(space.take(90_000).is_ok());
    }

    /// Runs of the sizes that the table asks for, coming and going for long, cost at most a fifth of the lines.
    #[test]
    fn churn_leaves_little_lost_between_runs() {
        let mut random = 1u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let mut space = LineSpace::new(100_000);
        let mut taken = Vec::new();
        for _ in 0..400_000 {
            let count = match next(100) {
                0..60 => 1,
                60..95 => 2 + next(12) as u32,
                _ => 13 + next(200) as u32,
            };
            if space.free() < 20_000 {
                let (start, count) = taken.swap_remove(next(taken.len() as u64) as usize);
                assert!(space.give(start, count));
            } else {
                taken.push((space.take(count).unwrap(), count));
            }
        }
    }
}
