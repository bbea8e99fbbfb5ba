//! The memory that the decisions are taken over.

use crate::{
    parse::Packet,
    wire::{Line, Settings, SourceSet, Word},
};

/// The shared tables: BPF maps in the kernel, plain or mapped memory on the host.
///
/// Every method returns `None` for an index that is out of range, which the verifier insists on and which a
/// sound controller never causes; a decision then falls back to passing the packet with
/// [`Reason::Fault`](crate::wire::Reason::Fault).
pub trait Tables {
    /// The controller's settings.
    fn settings(&self) -> Option<&Settings>;
    /// Hands a packet back through memory that the verifier does not follow. It then forgets on which of the
    /// parser's many ways the packet came, and walks through what follows once instead of once for each.
    #[inline(always)]
    fn settle(&self, packet: Packet) -> Option<Packet> {
        Some(packet)
    }
    /// The kernel's monotonic clock, ns. Coarse (a scheduler tick) is enough.
    fn clock(&self) -> u64;
    /// A slot of a prefix root; see [`root_base`](crate::wire::root_base).
    fn prefix_root(&self, index: u32) -> Option<&Word>;
    /// A word of a prefix bitmap; see [`bitmap_base`](crate::wire::bitmap_base).
    fn prefix_bitmap(&self, index: u32) -> Option<&Word>;
    /// A line of the prefix table.
    fn prefix_line(&self, index: u32) -> Option<&Line>;
    /// [`find_v6`](crate::prefix::find_v6), out of line. The kernel program makes it a function of its own, which
    /// the verifier walks through once, whatever led there.
    #[inline(always)]
    fn find_v6(&self, base: u32, high: u64, low: u64, count: u64) -> u64
    where
        Self: Sized,
    {
        crate::prefix::find_v6(self, base, high, low, count)
    }
    /// [`step_v6`](crate::prefix::step_v6), out of line for the same reason.
    #[inline(always)]
    fn step_v6(&self, reference: u64, key: u64, high: u64, low: u64) -> u64
    where
        Self: Sized,
    {
        crate::prefix::step_v6(self, reference, key, high, low)
    }
    /// A set of the source table.
    fn source_set(&self, index: u32) -> Option<&SourceSet>;
}
