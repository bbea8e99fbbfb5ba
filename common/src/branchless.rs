//! Choices without branches.
//!
//! Where a random address decides, a processor mispredicts half of all branches, and the verifier walks both
//! ways of each: five in a row are thirty-two paths. The compiler turns arithmetic that stands for a choice
//! back into branches, so on BPF the one instruction that matters is written out. It is a logical shift: an
//! arithmetic one gives all ones or zero, and the verifier (since Linux 6.18, `maybe_fork_scalars`) walks both.

/// 1 if `value` is negative, else 0.
#[inline(always)]
fn sign_bit(value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut bit = value;
        // SAFETY: shifts one register.
        unsafe { core::arch::asm!("{bit} >>= 63", bit = inout(reg) bit, options(pure, nomem, nostack)) };
        bit
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        value >> 63
    }
}

/// 1 if `value` is not 0, else 0.
#[inline(always)]
pub(crate) fn nonzero(value: u64) -> u64 {
    sign_bit(value | value.wrapping_neg())
}

/// 1 if `a <= b`, else 0.
#[inline(always)]
pub(crate) fn at_most(a: u32, b: u32) -> u32 {
    sign_bit(u64::from(a).wrapping_sub(u64::from(b)).wrapping_sub(1)) as u32
}

/// 1 if `a <= b`, else 0; both are numbers of 128 bits, their high halves first.
#[inline(always)]
pub(crate) fn at_most_wide(a: (u64, u64), b: (u64, u64)) -> u32 {
    // Of `b - a - borrow` (Warren, "Hacker's Delight", section 2-13).
    let borrows =
        |a: u64, b: u64, borrow: u64| sign_bit(!b & a | !(b ^ a) & b.wrapping_sub(a).wrapping_sub(borrow));
    1 ^ borrows(a.0, b.0, borrows(a.1, b.1, 0)) as u32
}

/// The smaller of the two.
#[inline(always)]
pub(crate) fn min(a: u32, b: u32) -> u32 {
    let difference = u64::from(a).wrapping_sub(u64::from(b));
    u64::from(b).wrapping_add(difference.wrapping_mul(sign_bit(difference))) as u32
}

/// Bits that are set. BPF has no instruction for it (Warren, "Hacker's Delight", section 5-1).
#[inline(always)]
pub(crate) fn ones(bits: u64) -> u32 {
    #[cfg(target_arch = "bpf")]
    {
        const PAIRS: u64 = 0x5555_5555_5555_5555;
        const FOURS: u64 = 0x3333_3333_3333_3333;
        const BYTES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
        let pairs = bits - (bits >> 1 & PAIRS);
        let fours = (pairs & FOURS) + (pairs >> 2 & FOURS);
        (((fours + (fours >> 4)) & BYTES).wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
    }
    #[cfg(not(target_arch = "bpf"))]
    bits.count_ones()
}

/// Several unsigned numbers in one word, side by side, each in a lane of `BITS` bits.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<const BITS: u32>;

impl<const BITS: u32> Lanes<BITS> {
    /// The lowest bit of each lane.
    const LOWEST: u64 = u64::MAX / ((1 << BITS) - 1);
    /// The highest bit of each lane.
    const HIGHEST: u64 = Self::LOWEST << (BITS - 1);

    /// The same number in every lane.
    #[inline(always)]
    pub(crate) fn all(number: u32) -> u64 {
        u64::from(number).wrapping_mul(Self::LOWEST)
    }

    /// 1 in each lane whose number in `a` is at most that in `b`, else 0 (Warren, "Hacker's Delight", section 2-18).
    #[inline(always)]
    pub(crate) fn at_most(a: u64, b: u64) -> u64 {
        // Of the numbers without their highest bits: the bit that is put before each of `b` outlasts the subtraction.
        let low = (b | Self::HIGHEST).wrapping_sub(a & !Self::HIGHEST);
        ((low | b & !a) & (b | !a) & Self::HIGHEST) >> (BITS - 1)
    }

    /// The sum of all lanes, which must fit one.
    #[inline(always)]
    pub(crate) fn sum(lanes: u64) -> u32 {
        (lanes.wrapping_mul(Self::LOWEST) >> (u64::BITS - BITS)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_right_at_the_edges() {
        let edges = [0, 1, 6, 0x7fff_ffff, 0x8000_0000, u32::MAX];
        for a in edges {
            assert_eq!(nonzero(a.into()), u64::from(a != 0), "{a}");
            assert_eq!(nonzero(u64::from(a) << 32), u64::from(a != 0), "{a}");
            for b in edges {
                assert_eq!(at_most(a, b), u32::from(a <= b), "{a} {b}");
                assert_eq!(min(a, b), a.min(b), "{a} {b}");
                let wide = |number: u32| {
                    [(number.into(), 7), (7, number.into()), (u64::from(number) << 32, u64::MAX)]
                };
                for (a, b) in wide(a).into_iter().flat_map(|a| wide(b).map(|b| (a, b))) {
                    assert_eq!(at_most_wide(a, b), u32::from(a <= b), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn lanes_are_compared_each_for_itself() {
        let numbers = [0u32, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff];
        for a in numbers {
            for b in numbers {
                let expected = u64::from(a <= b);
                // A neighbour's carry or borrow would show.
                let beside = Lanes::<16>::at_most(u64::from(a) << 16 | 0xffff, u64::from(b) << 16);
                assert_eq!(beside >> 16 & 1, expected, "{a} {b}");
                assert_eq!(
                    Lanes::<16>::sum(Lanes::<16>::at_most(Lanes::<16>::all(a), Lanes::<16>::all(b))),
                    4 * u32::from(a <= b)
                );
                let [a, b] = [a & 0xff, b & 0xff];
                let octets = Lanes::<8>::at_most(Lanes::<8>::all(a), Lanes::<8>::all(b));
                assert_eq!(Lanes::<8>::sum(octets), 8 * u32::from(a <= b), "{a} {b}");
            }
        }
    }
}
