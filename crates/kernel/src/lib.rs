//! The kernel's side: the only place that names aya.
//!
//! [`Kernel::load`] creates the maps (or takes up those that are pinned) and has the program verified;
//! [`Kernel::attach`] puts it on an interface, through a link that is pinned and so outlives the process.
//! What packets are judged by is written through [`SharedTables`](floodwall_tables::SharedTables), which are the maps' own memory.
//!
//! ```text
//! BPFFS/v9-1250000-1000000-1000000/SETTINGS …   maps of one layout and capacity
//! BPFFS/links/eth0                      the attachment to an interface
//! BPFFS/egress/2                        what looks at what leaves by the interface with this index
//! BPFFS/filters/2                       a note that a filter of tc does, as the kernel has no TCX
//! ```

mod challenge_selftest;
mod clsact;
mod counters;
mod egress;
mod events;
mod link;
mod log;
mod object;
mod pins;
mod preflight;
mod program;
mod samples;
mod syscall;
mod test_run;
mod truncation_selftest;

pub use counters::{MonitoredTotals, ReasonTotals, ServiceTotals};
pub use egress::Observer;
pub use events::EventReader;
pub use link::{Attachment, Link, detach_all_offline, detach_offline, in_force};
pub use log::LogReader;
pub use preflight::{Missing, preflight};
pub use program::Kernel;
pub use samples::SampleReader;
pub use test_run::{Judged, LEAVES_BY, LINEAR_PART, LONGEST_FRAME, LONGEST_LEAVING, SHORTEST_FRAME};
