//! Frames that are shown to the program without a network (`BPF_PROG_TEST_RUN`).

use std::os::fd::BorrowedFd;

use anyhow::{Context as _, anyhow};
use floodwall_common::{
    decide::NONE,
    wire::{Reason, Verdict},
};

use super::syscall;

/// Shortest frame that the kernel shows to a program: an Ethernet header.
pub const SHORTEST_FRAME: usize = 14;
/// Longest one: the linear part, and 17 pages behind it (`MAX_SKB_FRAGS`).
pub const LONGEST_FRAME: usize = LINEAR_PART + 17 * 4096;
/// What a program can read of a frame in one piece: a page, less the headroom (256 bytes) and what the kernel
/// keeps behind it (320).
pub const LINEAR_PART: usize = 4096 - 256 - 320;
/// Longest frame that the kernel shows to a program at egress: it has it in one piece. It would take 192 bytes more where
/// a page has 4 KiB.
pub const LONGEST_LEAVING: usize = LINEAR_PART;
/// Index of the interface that a frame leaves by in a test run: the loopback interface, in every namespace.
pub const LEAVES_BY: u32 = 1;

/// `XDP_DROP` in `include/uapi/linux/bpf.h`.
const DROP: u32 = 1;

/// Whether a program drops a frame.
pub(super) fn drops(program: BorrowedFd<'_>, frame: &[u8]) -> anyhow::Result<bool> {
    let answer = syscall::test_run(program, frame).context("showing a frame to the program")?;
    Ok(answer & 0xff == DROP)
}

/// What was made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What would happen to it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What it would have been dropped for first, were that not monitored.
    pub would: Option<Reason>,
    /// The number of the rule or signature that decided, or would have.
    pub number: Option<u32>,
    /// Whether it belongs to the sample that the controller looks at.
    pub sampled: bool,
    /// Whether its source is known.
    pub known: bool,
    /// Whether it answers what the host has asked.
    pub answers: bool,
    /// Whether it is dropped only this once: sent again after a second, it would pass.
    pub once: bool,
    /// Whether it is answered with a challenge as it is dropped.
    pub challenged: bool,
}

impl Judged {
    /// A verdict that no rule stands behind.
    pub fn by(reason: Reason) -> Self {
        Self {
            verdict: reason.verdict(),
            reason,
            would: None,
            number: None,
            sampled: false,
            known: false,
            answers: false,
            once: false,
            challenged: false,
        }
    }

    /// From [`PacketContext::code`](floodwall_common::decide::PacketContext::code); `None` if that can't have made
    /// it.
    pub fn from_code(code: u32) -> Option<Self> {
        let number = code >> 11 & 0xff;
        Some(Self {
            would: Some(Reason::from_index(code >> 5 & 0x1f)?).filter(|would| *would != Reason::Clean),
            number: (number != NONE).then_some(number),
            sampled: code >> 10 & 1 != 0,
            known: code >> 19 & 1 != 0,
            answers: code >> 20 & 1 != 0,
            once: code >> 21 & 1 != 0,
            challenged: code >> 22 & 1 != 0,
            ..Self::by(Reason::from_index(code & 0x1f)?)
        })
    }
}

/// Shows one frame to the program at egress. See [`Kernel::show_leaving`](super::Kernel::show_leaving).
pub(super) fn show_leaving(program: BorrowedFd<'_>, frame: &[u8], from: u32) -> anyhow::Result<()> {
    syscall::test_run_leaving(program, frame, from).with_context(|| {
        format!("showing a frame of {} bytes to the kernel program that looks at what leaves", frame.len())
    })
}

/// Shows one frame to the program. See [`Kernel::judge`](super::Kernel::judge).
pub(super) fn judge(program: BorrowedFd<'_>, frame: &[u8]) -> anyhow::Result<Judged> {
    let answer = syscall::test_run(program, frame)
        .with_context(|| format!("showing a frame of {} bytes to the kernel program", frame.len()))?;
    // Where its clock is the controller's, it puts the code above the action.
    Judged::from_code(answer >> 8)
        .ok_or_else(|| anyhow!("the kernel program answered {answer:#x}, which names no reason"))
}
