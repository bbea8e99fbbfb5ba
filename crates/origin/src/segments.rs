//! Nested prefixes flattened into sorted, disjoint address ranges, each with the owner that the longest matching prefix
//! gives. A look-up is then a binary search.

/// An address as a number.
pub(crate) trait Bits: Copy + Ord + Into<u128> {
    /// Bits of an address.
    const WIDTH: u32;
    /// The highest address.
    const LAST: Self;
    /// The following address; `None` after the highest.
    fn next(self) -> Option<Self>;
}

impl Bits for u32 {
    const WIDTH: u32 = Self::BITS;
    const LAST: Self = Self::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Bits for u128 {
    const WIDTH: u32 = Self::BITS;
    const LAST: Self = Self::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// The owner of addresses that no prefix covers. No autonomous system has this number (RFC 7607), and no country.
const NOBODY: u32 = 0;

/// The first address of each range, with the range's owner, in ascending order. A range ends where the next begins.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T>(Vec<(T, u32)>);

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Bits> Segments<T> {
    /// Flattens prefixes, each given as its first address, last address and owner. Of equal prefixes the first counts.
    pub(crate) fn of(mut prefixes: Vec<(T, T, u32)>) -> Self {
        prefixes.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
        prefixes.dedup_by_key(|(first, last, _)| (*first, *last));
        let mut segments = Self(Vec::with_capacity(prefixes.len()));
        // The prefixes that enclose the current address, the longest last.
        let mut around: Vec<(T, u32)> = Vec::new();
        for (first, last, owner) in prefixes {
            while let Some((end, _)) = around.pop_if(|(end, _)| *end < first) {
                segments.end(end, &around);
            }
            segments.begin(first, owner);
            around.push((last, owner));
        }
        while let Some((end, _)) = around.pop() {
            segments.end(end, &around);
        }
        segments.0.shrink_to_fit();
        segments
    }

    fn end(&mut self, last: T, around: &[(T, u32)]) {
        if let Some(next) = last.next() {
            self.begin(next, around.last().map_or(NOBODY, |(_, owner)| *owner));
        }
    }

    fn begin(&mut self, at: T, owner: u32) {
        self.0.pop_if(|(start, _)| *start == at);
        let before = self.0.last().map_or(NOBODY, |(_, owner)| *owner);
        if before != owner {
            self.0.push((at, owner));
        }
    }

    /// The owner of an address.
    pub(crate) fn owner(&self, address: T) -> Option<u32> {
        let after = self.0.partition_point(|(start, _)| *start <= address);
        let (_, owner) = self.0.get(after.checked_sub(1)?)?;
        Some(*owner).filter(|owner| *owner != NOBODY)
    }

    /// The fewest prefixes that cover exactly an owner's addresses, as address and length, in ascending order.
    pub(crate) fn prefixes(&self, owner: u32) -> Vec<(u128, u8)> {
        let mut prefixes = Vec::new();
        for (index, (start, _)) in self.0.iter().enumerate().filter(|(_, (_, whose))| *whose == owner) {
            let last = self.0.get(index + 1).map_or(T::LAST.into(), |(next, _)| (*next).into() - 1);
            cover((*start).into(), last, T::WIDTH, &mut prefixes);
        }
        prefixes
    }
}

/// Appends the prefixes that make up a range of addresses that are `width` bits wide.
fn cover(mut first: u128, last: u128, width: u32, prefixes: &mut Vec<(u128, u8)>) {
    loop {
        // The largest prefix that is aligned at `first` and does not reach beyond `last`.
        let aligned = first.trailing_zeros().min(width);
        let left = last - first;
        let fits = if left == u128::MAX { 128 } else { (left + 1).ilog2() };
        let bits = aligned.min(fits);
        prefixes.push((first, (width - bits) as u8));
        let span = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
        match first.checked_add(span).filter(|end| *end < last) {
            Some(end) => first = end + 1,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of IPv4 prefixes, each as address, length and owner.
    fn segments(prefixes: &[(u32, u8, u32)]) -> Segments<u32> {
        let range = |(first, length, owner): &(u32, u8, u32)| {
            (*first, first | u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0), *owner)
        };
        Segments::of(prefixes.iter().map(range).collect())
    }

    #[test]
    fn the_longest_prefix_holds_and_what_is_around_it_goes_on_behind_it() {
        let all = segments(&[
            (0x0a00_0000, 8, 1),
            (0x0a01_0000, 16, 2),
            (0x0a01_0200, 24, 3),
            (0x0aff_ff00, 24, 4),
        ]);
        for (address, owner) in [
            (0x0900_0000, None),
            (0x0a00_0000, Some(1)),
            (0x0a01_0100, Some(2)),
            (0x0a01_02ff, Some(3)),
            (0x0a01_0300, Some(2)),
            (0x0a02_0000, Some(1)),
            (0x0aff_ffff, Some(4)),
            (0x0b00_0000, None),
        ] {
            assert_eq!(all.owner(address), owner, "{address:#x}");
        }
        assert_eq!(all.prefixes(3), [(0x0a01_0200, 24)]);
        assert_eq!(
            all.prefixes(2)[..2],
            [(0x0a01_0000, 23), (0x0a01_0300, 24)],
            "what is another's is not in it"
        );
        assert_eq!(all.prefixes(9), []);
    }

    #[test]
    fn everything_up_to_the_last_address() {
        let all = segments(&[(0, 0, 7), (u32::MAX, 32, 8)]);
        assert_eq!((all.owner(0), all.owner(u32::MAX - 1), all.owner(u32::MAX)), (Some(7), Some(7), Some(8)));
        assert_eq!((all.prefixes(7).len(), all.prefixes(8)), (32, vec![(u128::from(u32::MAX), 32)]));
        let whole = Segments::<u128>::of(vec![(0, u128::MAX, 5)]);
        assert_eq!((whole.owner(u128::MAX), whole.prefixes(5)), (Some(5), vec![(0, 0)]));
        assert!(Segments::<u32>::default().owner(3).is_none());
    }
}
