//! What the benchmark and its XDP programs tell each other.
#![no_std]

/// Words of the plan: how the wrapper makes the next packet, and which program it hands it to.
#[derive(Clone, Copy, Debug)]
pub enum PlanWord {
    /// Index of the first source in the array of sources.
    First = 0,
    /// Sources that are gone through, again and again.
    Count = 1,
    /// How far it has come; the wrapper writes it, so that one run goes on where another ended.
    Position = 2,
    /// 4 or 6: where and how the source is written into the frame.
    Family = 3,
    /// Index of the program in the array of programs.
    Program = 4,
    /// Not 0: the program writes into the frame, whose first [`FRAME_WORDS`] words are put back before each packet.
    Restore = 5,
}

/// Words of a plan: so many that those of two processors share no line, and no pair of lines that is fetched together.
pub const PLAN_WORDS: usize = 16;

/// Plans, one for each processor; on one with a higher number nothing is measured.
pub const PLANS: usize = 1_024;

/// Words of the frame that can be put back: 56 bytes, which hold the headers of a TCP segment without options over IPv4.
pub const FRAME_WORDS: usize = 7;

/// Bytes before the source address in an Ethernet frame without tags that holds an IPv4 packet.
pub const SOURCE_OFFSET_V4: usize = 14 + 12;
/// Bytes before the destination address there.
pub const DESTINATION_OFFSET_V4: usize = 14 + 16;
/// Those before the source address of an IPv6 packet.
pub const SOURCE_OFFSET_V6: usize = 14 + 8;

/// The last 64 bits of the IPv6 source in the /64 that `high` names: one host in each, wherever it is.
///
/// An array of 64-bit words thus holds sources of both families. Fibonacci hashing; the multiplier is odd.
#[inline(always)]
pub const fn host_in(high: u64) -> u64 {
    high.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
