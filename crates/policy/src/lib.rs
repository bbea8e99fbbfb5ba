//! What is protected, and by which rules: services, rates, and what becomes of those who exceed them.
//!
//! Pure: nothing here knows of the daemon, of files, or of the clock, so that the daemon and a replay of a capture
//! enforce the same. A [`Policy`] is written in the configuration ([`written`]), rests on the [`defaults`], and is
//! brought into the tables that packets are judged by with [`Enforcement`], together with what is known of the host
//! ([`HostFacts`]).
//!
//! ```
//! # use floodwall_policy::{Enforcement, Policy, Situation};
//! # use floodwall_tables::{Capacity, SharedTables};
//! let tables = SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 4_096, flows: 4_096 })?;
//! let mut enforcement = Enforcement::default();
//! enforcement.enforce(&tables, &Policy::default(), &Situation::default())?;
//! # Ok::<(), anyhow::Error>(())
//! ```

mod compile;
mod condition;
pub mod defaults;
mod difference;
mod escalation;
mod facts;
mod host_addresses;
mod limits;
pub mod lists;
mod model;
mod overrides;
mod probe;
mod quantity;
mod rule;
mod subject;
#[cfg(test)]
mod testing;
pub mod values;
pub mod written;

pub use compile::{Enforcement, Placement, SAMPLE_EVERY, Situation, Unfit};
pub use condition::{ConditionError, Signal, When};
pub use difference::{difference, what};
pub use escalation::Escalation;
pub use facts::{Carries, HostFacts, Listener, family_names};
pub use host_addresses::Lifelines;
pub use limits::{Limits, bucket, limits_of};
pub use model::{DEFAULT_SERVICE, Policy, Protocol, RuleId, Service, UnknownProtocol};
pub use overrides::{Override, overridden};
pub use probe::{MalformedProbe, Probe};
pub use quantity::{Quantity, QuantityError};
pub use rule::{
    Author, Ceiling, Per, PrefixLengths, Rate, Rule, RuleMode, Spares, Then, ThenError, UnknownPer,
};
pub use subject::{Subject, UnknownSubject};
