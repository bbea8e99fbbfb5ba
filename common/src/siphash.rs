//! SipHash-2-4 (Aumasson & Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012) of whole words: what makes a number
//! that nobody can compute who does not know the key, however many of them he has been shown.

/// The hash of so many words under a key.
#[inline(always)]
pub(crate) fn siphash<const N: usize>(key: [u64; 2], words: [u64; N]) -> u64 {
    let mut state = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    for word in words {
        absorb(&mut state, word);
    }
    // The last word is the length in bytes, in its highest byte.
    absorb(&mut state, (N as u64 * 8) << 56);
    state[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut state));
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline(always)]
fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    (0..2).for_each(|_| round(state));
    state[0] ^= word;
}

#[inline(always)]
fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the paper's appendix A, and of the reference implementation's vectors: bytes 0 to 15.
    const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

    #[test]
    fn it_is_the_hash_of_the_reference_implementation() {
        assert_eq!(siphash(KEY, [0x0706_0504_0302_0100]), 0x93f5_f579_9a93_2462, "of bytes 0 to 7");
        assert_eq!(
            siphash(KEY, [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]),
            0x3f2a_cc7f_57c2_9bdb,
            "of bytes 0 to 15"
        );
    }

    #[test]
    #[expect(deprecated, reason = "it is SipHash-2-4, and is only compared with")]
    fn it_is_the_hash_of_the_standard_library() {
        use std::hash::{Hasher as _, SipHasher};
        for seed in 0..100_u64 {
            let key = [seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), !seed];
            let words = [seed << 7, seed.wrapping_mul(0xd1b5_4a32_d192_ed03), 3, seed];
            let mut expected = SipHasher::new_with_keys(key[0], key[1]);
            words.iter().for_each(|word| expected.write(&word.to_le_bytes()));
            assert_eq!(siphash(key, words), expected.finish(), "{key:?}");
        }
    }
}
