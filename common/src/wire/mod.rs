//! Bytes that the kernel program and the controller share.
//!
//! Everything here is integers in host byte order unless said otherwise, without padding, and every size is
//! asserted at compile time. Change a layout and [`ABI_VERSION`] together: a controller that finds pinned
//! maps of another version builds new ones rather than guess.

mod counter;
mod event;
mod policy;
mod prefix;
mod reason;
mod settings;
pub mod signature;
mod source;
mod word;

pub use counter::{BusySource, Counter, ServiceCounter, Unproven, UnprovenCounter, UnprovenTotals};
pub use event::{BanEvent, DropEvent, EventMeter, SAMPLE_BYTES, SampleEvent};
pub use policy::{
    Destination, Lockdown, MAX_CLASSES, MAX_DESTINATIONS, MAX_RULES, MAX_SERVICES, PORT_WORDS, Per, Port,
    RULES_PER_SERVICE, Rule, Service, Spares, Terms, Then, service_flag,
};
pub use prefix::{
    BITMAP_WORDS, DIRECT_RUNS, KEYS_PER_LINE, LINE_WORDS, Leaf, Line, MAX_SEARCHED_RUNS, OCTET_RANKS,
    OCTET_RUNS_MAX, ROOTS, RUNS_MAX, SLOTS, SMALL_OCTET_RUNS, SMALL_RUNS, STRETCHES_PER_LINE, Shape, Slot,
    TILE_BITS, TILE_BLOCKS, TILES, TILES_PER_SLOT, TailWord, bitmap_base, root_base,
};
pub use reason::{MONITOR_COUNTERS, Reason, Verdict};
pub use settings::{BucketSpec, MAX_OUTSIDE, Settings, Suspicion, families, knowledge, spared};
pub use source::{History, SourceSet, Volume, WAYS, Way, standing};
pub use word::Word;

/// Version of every layout in this module.
pub const ABI_VERSION: u32 = 19;
