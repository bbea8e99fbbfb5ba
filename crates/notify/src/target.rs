//! A notification target, as configured.

use std::time::Duration;

use super::{filter::Filter, kinds::Kind};

/// A notification target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) filter: Filter,
    pub(crate) pace: Pace,
}

/// Limits of the delivery to one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// How long delivery of one message is retried.
    pub(crate) give_up_after: Duration,
    /// Most attempts within any minute.
    pub(crate) per_minute: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), give_up_after: Duration::from_secs(3_600), per_minute: 20 }
    }
}

impl Target {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The services to whose attacks it is limited; none if it is not limited.
    pub fn services(&self) -> &[String] {
        &self.filter.services
    }
}
