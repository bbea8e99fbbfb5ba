//! A set of places in a root.

use super::wanted::PLACES;

const WORD: usize = u64::BITS as usize;

/// A set of places, one bit each: 16 KiB, so that the few that matter are found without looking at all others.
#[derive(Debug)]
pub(super) struct Places(Vec<u64>);

impl Places {
    /// None.
    pub(super) fn new() -> Self {
        Self(vec![0; PLACES / WORD])
    }

    /// Adds or removes a place.
    pub(super) fn set(&mut self, place: usize, member: bool) {
        let word = &mut self.0[place / WORD];
        *word = *word & !(1 << (place % WORD)) | u64::from(member) << (place % WORD);
    }

    /// The first place that is not before the given one.
    pub(super) fn next(&self, place: usize) -> Option<usize> {
        let mut at = place / WORD;
        let mut word = self.0.get(at)? & u64::MAX << (place % WORD);
        while word == 0 {
            at += 1;
            word = *self.0.get(at)?;
        }
        Some(at * WORD + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_order() {
        let mut places = Places::new();
        assert_eq!(places.next(0), None);
        for place in [0, 63, 64, 70_000, PLACES - 1] {
            places.set(place, true);
        }
        places.set(64, false);
        let all: Vec<_> = std::iter::successors(places.next(0), |place| places.next(place + 1)).collect();
        assert_eq!(all, [0, 63, 70_000, PLACES - 1]);
    }
}
