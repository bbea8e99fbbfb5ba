//! The tables that packets are judged by, as the controller sees and writes them.
//!
//! [`memory`] is the memory itself: the process's own, or that of mapped BPF maps. [`SharedTables`] is all of it,
//! sized by [`Capacity`], and what [`floodwall_common`] takes its decisions over. [`prefixes`] writes the
//! prefix table, whose layout is told in [`floodwall_common::wire`] and which [`floodwall_common::prefix`] reads.

mod capacity;
mod fill;
mod local;
pub mod lock;
pub mod memory;
mod prefix;
pub mod prefixes;
mod shared;

pub use capacity::{Capacity, Footprint};
pub use local::LocalTables;
pub use prefix::{Prefix, PrefixError};
pub use shared::{SharedTables, Table};
