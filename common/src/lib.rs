//! Every decision floodwall takes about a packet, in plain Rust without a standard library.
//!
//! The crate is compiled twice: to BPF, where it runs on the NIC's packets over the kernel's maps, and to
//! the host, where the same code runs over plain memory for tests, replay and fuzzing.
//!
//! A packet's way through it:
//!
//! 1. [`frame`]: how bytes of a packet are read, with the bounds checks that the verifier wants to see.
//! 2. [`parse`]: a frame becomes a [`parse::Packet`], or is not IP, or is malformed.
//! 3. [`decide`]: the stages, in their order, a file each; the first one that objects gives the [`wire::Reason`].
//!
//! What goes out teaches what may come in: [`outgoing::observe`] notes it in the tables that [`flow`] and [`offered`] are about.
//!
//! The stages ask tables. The two that nearly every packet is held against are [`prefix`] (longest match over the allowlist and
//! the blocklist) and [`source`] (what each source has sent, and its [token buckets](token_bucket)); the others are memories of
//! flows, services, clients, names and of what was dropped a moment ago. All are algorithms over memory that [`tables`] hands out;
//! [`wire`] says what that memory looks like to everyone who shares it.
#![cfg_attr(not(test), no_std)]
// Atomic instructions, which `core` does not offer for BPF, are written out in `wire::Word`.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod address;
pub mod bloom;
mod branchless;
pub mod busy;
pub mod challenge;
mod checksum;
pub mod client;
pub mod decide;
pub mod dns_answers;
pub mod dns_names;
pub mod entry;
pub mod features;
pub mod flow;
pub mod frame;
pub mod fruitless_sources;
mod line;
pub mod memo;
pub mod name_memory;
pub mod offered;
pub mod outgoing;
pub mod parse;
pub mod prefix;
pub mod retransmission;
pub mod service;
pub mod signature;
mod siphash;
pub mod source;
pub mod tables;
pub mod token_bucket;
pub mod traits;
pub mod truncation;
pub mod unproven;
pub mod wire;
