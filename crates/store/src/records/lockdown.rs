//! Services that are closed to all but known clients.

use floodwall_common::wire::Lockdown;
use serde::{Deserialize, Serialize};

/// What is known of a service that is closed. Times are Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockdownRecord {
    /// When it was closed.
    pub since: u64,
    /// When it is to be opened again, whatever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The share of others that gets in, in 2⁻³².
    #[serde(default)]
    pub admitted: u32,
    /// It was closed by itself, as its service was attacked and nothing else relieved it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_itself: bool,
    /// It is opened step by step, as far as the service stands it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reopening: bool,
}

impl LockdownRecord {
    /// As packets are judged by it.
    pub const fn in_force(&self) -> Lockdown {
        Lockdown { by_operator: !self.by_itself, by_itself: self.by_itself, admitted: self.admitted }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(is: &bool) -> bool {
    !*is
}
