//! A target: who is told, of what, and how patiently.

use std::time::Duration;

use super::{event::Filter, kinds::Kind};

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) filter: Filter,
    pub(crate) pace: Pace,
}

/// How a target is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long one try may take.
    pub(crate) timeout: Duration,
    /// How long one message is tried.
    pub(crate) give_up_after: Duration,
    /// Messages within any minute.
    pub(crate) per_minute: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), give_up_after: Duration::from_secs(3_600), per_minute: 20 }
    }
}

impl Target {
    /// By what it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The services that it is limited to.
    pub fn services(&self) -> &[String] {
        &self.filter.services
    }
}
