//! The record of incidents: attacks from their first packet to their end.
//!
//! The daemon passes every [`Occurrence`], a [`Snapshot`] of the counters each second, and every [`SampledPacket`] to the
//! [`Recorder`], which turns them into incidents and has no side effects. An [`ArchiveWriter`] writes the incidents to a
//! database on a thread of its own, and an [`Archive`] reads them. `vector` determines the kind of an attack.
//!
//! [`report`] describes an incident in words, and [`pcapng`] writes its packets as a capture.
//!
//! This crate does not know how attacks are detected or what is done about them.

mod archive;
mod attribution;
mod bounded;
mod census;
mod database;
mod event;
mod evidence;
mod harm;
mod input;
mod newcomers;
mod open_incident;
mod packet_history;
pub mod pcapng;
mod rates;
mod recorder;
mod redact;
pub mod report;
mod tally;
mod vector;

pub use archive::{Archive, ArchiveWriter, FILE, POINTS};
pub use database::Limits;
pub use event::IncidentEvent;
pub use evidence::{Frame, SNAP_LENGTH};
pub use input::{Excess, Occurrence, Reading, ReasonCounts, SampledPacket, ServiceCounts, Snapshot, Stage};
pub use packet_history::PacketHistory;
pub use recorder::{Changes, Recorder, SAME_INCIDENT, StoredIncident};
pub use redact::text as redacted;
