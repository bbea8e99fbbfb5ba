//! What the tests of floodwall share.
//!
//! [`engine`] judges frames by the same core in the kernel and on the host; [`protected`] is a host in a network
//! namespace that a real daemon protects, with someone outside who sends it packets.

pub mod engine;
pub mod protected;
