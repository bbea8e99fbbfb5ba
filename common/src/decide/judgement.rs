//! What the stages have found so far.

use super::{CONTINUE, DECIDED, Step};
use crate::wire::{Reason, Unproven};

/// Number of a rule or signature where there is none.
pub const NONE: u32 = 0xff;

/// What becomes of a packet, and why.
///
/// Laid out as it stands here: a longer row of zeros would be written by a function of the BPF target, and a call costs
/// as much as a stage.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The time until which the source was banned by this very packet, ns; 0 if it was not.
    pub banned_until: u64,
    /// Why, and thereby whether the packet passes.
    pub reason: Reason,
    /// The rule or signature that decided, or [`NONE`].
    pub number: u32,
    /// What it would have been dropped for first, were that not monitored; [`Reason::Clean`] if for nothing.
    pub would: Reason,
    /// The rule or signature that would have decided, or [`NONE`].
    pub would_number: u32,
    /// Its source was not in the source table.
    pub new_source: bool,
    /// It claims to be an answer, or comes for a port where nothing listens, and nobody asked for it.
    pub unsolicited: bool,
    /// It answers what the host has asked.
    pub answers: bool,
    /// How it has not proven itself, as far as was asked.
    pub unproven: Unproven,
    /// Number of the service that the packet is for.
    pub service: u32,
}

impl Default for Judgement {
    /// Passes, as far as is known.
    #[inline(always)]
    fn default() -> Self {
        Self {
            reason: Reason::Clean,
            number: NONE,
            would: Reason::Clean,
            would_number: NONE,
            service: 0,
            banned_until: 0,
            new_source: false,
            unsolicited: false,
            answers: false,
            unproven: Unproven::No,
        }
    }
}

impl Judgement {
    /// The packet passes, whatever the stages to come would say.
    #[inline(always)]
    pub(super) fn pass(&mut self, reason: Reason) -> Step {
        self.reason = reason;
        DECIDED
    }

    /// A stage objects to the packet: that decides, unless its reason is one of those that only count.
    #[inline(always)]
    pub(super) fn object(&mut self, only_count: u64, reason: Reason, number: u32) -> Step {
        if only_count & reason.bit() != 0 {
            self.would(reason, number);
            return CONTINUE;
        }
        self.reason = reason;
        self.number = number;
        DECIDED
    }

    /// A stage would object to the packet.
    #[inline(always)]
    pub(super) fn would(&mut self, reason: Reason, number: u32) {
        if self.would as u32 == Reason::Clean as u32 {
            self.would = reason;
            self.would_number = number;
        }
    }
}
