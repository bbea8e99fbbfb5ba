//! The memory that the decisions are taken over.

use crate::{
    parse::Packet,
    wire::{
        BusySource, Counter, Destination, Line, Reason, Rule, Service, ServiceCounter, Settings, SourceSet,
        Word, signature,
    },
};

/// The shared tables: BPF maps in the kernel, plain or mapped memory on the host.
///
/// Every method returns `None` for an index that is out of range, which the verifier insists on and which a
/// sound controller never causes; a decision then falls back to passing the packet with
/// [`Reason::Fault`].
pub trait Tables {
    /// The controller's settings.
    fn settings(&self) -> Option<&Settings>;
    /// The kernel's monotonic clock, ns. Coarse (a scheduler tick) is enough.
    fn clock(&self) -> u64;
    /// Whether the host has a socket that a packet could be for: a connection, or an unconnected UDP socket. Asked
    /// only where [`knowledge::SOCKETS`](crate::wire::knowledge::SOCKETS) says that it can be.
    #[inline(always)]
    fn has_socket(&self, _packet: &Packet) -> bool {
        false
    }

    /// A slot of a prefix root; see [`root_base`](crate::wire::root_base).
    fn prefix_root(&self, index: u32) -> Option<&Word>;
    /// A word of a bitmap of IPv4 or a filter of IPv6; see [`bitmap_base`](crate::wire::bitmap_base).
    fn prefix_bitmap(&self, index: u32) -> Option<&Word>;
    /// A line of the prefix table.
    fn prefix_line(&self, index: u32) -> Option<&Line>;
    /// [`step_v6`](crate::prefix::step_v6), out of line. The kernel program makes it a function of its own, which the
    /// verifier walks through once, whatever led there.
    #[inline(always)]
    fn step_v6(&self, reference: u64, key: u64, high: u64, low: u64) -> u64
    where
        Self: Sized,
    {
        crate::prefix::step_v6(self, reference, key, high, low)
    }
    /// A set of the source table.
    fn source_set(&self, index: u32) -> Option<&SourceSet>;
    /// A set of the table of source prefixes, of [`AGGREGATE_SETS`].
    fn aggregate_set(&self, index: u32) -> Option<&SourceSet>;
    /// A word of the ports: see [`crate::service`].
    fn ports(&self, index: u32) -> Option<&Word>;
    /// A range of destinations.
    fn destination(&self, index: u32) -> Option<&Destination>;
    /// A service's rules.
    fn service(&self, number: u32) -> Option<&Service>;
    /// A rule.
    fn rule(&self, number: u32) -> Option<&Rule>;
    /// A half of the signatures, 0 or 1: see [`crate::wire::signature`].
    fn signature_half(&self, number: u32) -> Option<&signature::Half>;
    /// A line of the table of flows: see [`crate::flow`]. There are [`Settings::flow_mask`] of them, and one more.
    fn flow_line(&self, index: u32) -> Option<&Line>;
    /// A line of the table of where something is offered, of [`OFFERED_LINES`].
    fn offered_line(&self, index: u32) -> Option<&Line>;
    /// A line of the memory of segments that nobody knew, of [`RETRANSMISSION_LINES`].
    fn retransmission_line(&self, index: u32) -> Option<&Line>;
    /// A line of the memory of what was dropped and passes when it comes again, of [`REQUEST_LINES`]: requests for connections,
    /// datagrams that are asked to come again, and questions for new names.
    fn request_line(&self, index: u32) -> Option<&Line>;
    /// A line of the memory of names that were asked for: see [`crate::dns_names`]; of [`NAME_LINES`].
    fn name_line(&self, index: u32) -> Option<&Line>;
    /// A line of the memory of sources that were counted lately, and of handshakes: see [`crate::unproven`] and
    /// [`crate::fruitless_sources`]; of [`COUNTED_LINES`].
    fn counted_line(&self, index: u32) -> Option<&Line>;
    /// A line of the memory of clients that have proven to be there: see [`crate::client`]; of [`CLIENT_LINES`].
    fn client_line(&self, index: u32) -> Option<&Line>;
    /// A line of the memory of packets whose first fragment passed, of [`FRAGMENT_LINES`].
    fn fragment_line(&self, index: u32) -> Option<&Line>;

    /// This CPU's counter of a reason.
    fn reason_counter(&self, reason: Reason) -> Option<&Counter>;
    /// This CPU's counter of what a reason would have dropped of known sources, or of others, were it not monitored.
    fn monitor_counter(&self, reason: Reason, known: bool) -> Option<&Counter>;
    /// This CPU's counter of packets over a rule's rate.
    fn rule_counter(&self, number: u32) -> Option<&Counter>;
    /// This CPU's counter of a signature's matches.
    fn signature_counter(&self, number: u32) -> Option<&Counter>;
    /// This CPU's counters of a service.
    fn service_counter(&self, number: u32) -> Option<&ServiceCounter>;
    /// This CPU's budget of samples: the time at which it is full again, ns.
    fn sample_meter(&self) -> Option<&Word>;
    /// A slot of this CPU's for a busy source, of [`BUSY_SLOTS`](crate::busy::BUSY_SLOTS).
    fn busy_source(&self, index: u32) -> Option<&BusySource>;
}

/// Sets of the table of source prefixes: 16,384 prefixes, half a megabyte that stays in the cache.
pub const AGGREGATE_SETS: u32 = 4_096;
/// Lines of the table of where something is offered: 65,536 entries, 512 KiB.
pub const OFFERED_LINES: u32 = 8_192;
/// Lines of the memory of segments that nobody knew: 524,288 connections, 4 MiB.
pub const RETRANSMISSION_LINES: u32 = 65_536;
/// Lines of the memory of names that were asked for: half a million names.
pub const NAME_LINES: u32 = 65_536;
/// Lines of the memory of what was dropped and passes when it comes again: 1,048,576 packets, 8 MiB. Requests come again after a
/// second, so that up to so many a second are remembered; of more, those that were noted first are forgotten.
pub const REQUEST_LINES: u32 = 131_072;
/// Lines of the memory of sources whose packets were counted in this second, of those that completed handshakes, and of
/// connections whose host has not been seen to be acknowledged: 32,768, 65,536 and 131,072 of them, 1.8 MiB.
pub const COUNTED_LINES: u32 = COUNTED_PACKETS + COUNTED_HANDSHAKES + COUNTED_STARTS;
/// Lines of that for sources whose packets were counted; they come first.
pub const COUNTED_PACKETS: u32 = 4_096;
/// Lines of that for sources that completed handshakes.
pub const COUNTED_HANDSHAKES: u32 = 8_192;
/// Lines of that for connections that were completed; they come last.
pub const COUNTED_STARTS: u32 = 16_384;
/// Lines of the memory of clients: of those that were served, and of those that have answered a challenge.
pub const CLIENT_LINES: u32 = CLIENTS_SERVED + CLIENTS_CHALLENGED;
/// Lines of that for clients that were served, a million of them, 8 MiB; they come first.
pub const CLIENTS_SERVED: u32 = 131_072;
/// Lines of that for clients that have answered a challenge: 262,144 of them.
pub const CLIENTS_CHALLENGED: u32 = 32_768;
/// Counters of what leaves; an interface has that of its index modulo this.
pub const LEFT: u32 = 256;
/// Lines of the memory of fragments: 8,192 packets, 64 KiB.
pub const FRAGMENT_LINES: u32 = 1_024;
