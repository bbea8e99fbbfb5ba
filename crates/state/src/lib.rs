//! What is wanted: prefixes, limits, and what is known of them. Knows nothing of BPF.
//!
//! Every command becomes a list of [`Change`](floodwall_store::records::Change)s. The [`ledger`] sees to it that a change is on disk, in force (in the
//! tables that packets are judged by), and in the [`Records`](floodwall_store::records::Records) that answer questions: in this order, and all of it or
//! nothing.

mod applied;
mod bans;
mod breadth;
mod bulk_import;
mod caller;
mod clients;
mod configuration;
mod detection;
mod expiry;
mod filter;
mod imports;
mod lease;
mod ledger;
mod lifeline_check;
mod limits;
mod listed_prefixes;
mod lockdown;
mod lockdown_step;
mod packet_checks;
mod policy_state;
mod refusal;
mod report;
mod rules;
mod signatures;
mod source;
#[cfg(test)]
mod tests;
mod trial;
mod why;

pub use bulk_import::{ImportOptions, Progress};
pub use caller::Caller;
pub use clients::Clients;
pub use detection::carry_out;
pub use filter::Filter;
pub use lease::Decider;
pub use lifeline_check::Danger;
pub use lockdown_step::LockdownStep;
pub use refusal::Refusal;
pub use rules::{Count, RuleCounts};
pub use trial::{LONGEST_TRIAL, Terms};
pub use why::{Around, FiveTuple};
