//! The internet checksum (RFC 1071).

use crate::prefix::Address;

/// The sum of the 16-bit words of an address of IPv4, or of any other 32 bits.
#[inline(always)]
pub(crate) const fn sum32(word: u32) -> u64 {
    (word >> 16) as u64 + (word & 0xffff) as u64
}

/// That of 64 bits.
#[inline(always)]
pub(crate) const fn sum64(word: u64) -> u64 {
    sum32((word >> 32) as u32) + sum32(word as u32)
}

/// That of an address of IPv6.
#[inline(always)]
pub(crate) const fn sum128(address: Address) -> u64 {
    sum64(address.high) + sum64(address.low)
}

/// The checksum of what has this sum of 16-bit words, of which there are fewer than 2¹⁶.
#[inline(always)]
pub(crate) const fn checksum(sum: u64) -> u16 {
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
