//! The internet checksum (RFC 1071).

/// Adds `bytes`, as 16-bit words in network order, to a running sum. An odd last byte counts as
/// the upper half of a word, so only the last piece of a message may have one.
#[must_use]
pub fn sum(bytes: &[u8], start: u32) -> u32 {
    let words = bytes.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([word[0], low]))
    });
    // 65,535 bytes are 32,768 words below 2^16 each: the sum stays below 2^31.
    start + words.sum::<u32>()
}

/// Folds a sum to the 16 bits that stand in the header.
#[must_use]
pub fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Below 2^16 by the loop.
    !(sum as u16)
}

/// The checksum of `bytes`; zero when they hold their own right checksum already.
#[must_use]
pub fn of(bytes: &[u8]) -> u16 {
    fold(sum(bytes, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(of(&bytes), !0xddf2);
    }

    #[test]
    fn an_odd_byte_is_the_upper_half_of_a_word() {
        assert_eq!(of(&[0x12, 0x34, 0x56]), of(&[0x12, 0x34, 0x56, 0x00]));
    }
}
