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

/// 1 if `a <= b`, else 0.
#[inline(always)]
pub(crate) fn at_most(a: u32, b: u32) -> u32 {
    sign_bit(u64::from(a).wrapping_sub(u64::from(b)).wrapping_sub(1)) as u32
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
        ((fours + (fours >> 4) & BYTES).wrapping_mul(0x0101_0101_0101_0101) >> 56) as u32
    }
    #[cfg(not(target_arch = "bpf"))]
    bits.count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_right_at_the_edges() {
        let edges = [0, 1, 6, 0x7fff_ffff, 0x8000_0000, u32::MAX];
        for a in edges {
            for b in edges {
                assert_eq!(at_most(a, b), u32::from(a <= b), "{a} {b}");
                assert_eq!(min(a, b), a.min(b), "{a} {b}");
            }
        }
    }
}
