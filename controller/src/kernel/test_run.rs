//! Frames that are shown to the program without a network (`BPF_PROG_TEST_RUN`).

use std::os::fd::BorrowedFd;

use anyhow::{Context as _, anyhow};
use floodwall_common::wire::{Reason, Verdict};

use super::syscall;

/// Shortest frame that the kernel shows to a program: an Ethernet header.
pub const SHORTEST_FRAME: usize = 14;
/// Longest one: the linear part, and 17 pages behind it (`MAX_SKB_FRAGS`).
pub const LONGEST_FRAME: usize = LINEAR_PART + 17 * 4096;
/// What a program can read of a frame in one piece: a page, less the headroom (256 bytes) and what the kernel
/// keeps behind it (320).
pub const LINEAR_PART: usize = 4096 - 256 - 320;

/// What was made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What would happen to it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The number of the rule that decided; 0 where it was none, or one that has no number.
    pub rule: u32,
    /// Whether it belongs to the sample that the controller looks at.
    pub sampled: bool,
}

impl Judged {
    /// A verdict that no numbered rule stands behind.
    pub fn by(reason: Reason) -> Self {
        Self { verdict: reason.verdict(), reason, rule: 0, sampled: false }
    }

    /// From what the program answers where its clock is the controller's: the action in the lowest byte, and
    /// the reason above it.
    fn from_answer(answer: u32) -> Option<Self> {
        Reason::from_index(answer >> 8).map(Self::by)
    }
}

/// Shows one frame to the program. See [`Kernel::judge`](super::Kernel::judge).
pub(super) fn judge(program: BorrowedFd<'_>, frame: &[u8]) -> anyhow::Result<Judged> {
    let answer = syscall::test_run(program, frame)
        .with_context(|| format!("showing a frame of {} bytes to the kernel program", frame.len()))?;
    Judged::from_answer(answer)
        .ok_or_else(|| anyhow!("the kernel program answered {answer:#x}, which names no reason"))
}
