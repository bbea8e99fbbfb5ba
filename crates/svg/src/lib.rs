//! Pictures of rates over time and of bars, as SVG (<https://www.w3.org/TR/SVG11/>).
//!
//! Four shapes and an axis are all that the project draws, and what they say comes from outside (names of files, services
//! and addresses), so that escaping stands in one place. A library for documents or for plots would bring more than it
//! replaces.

mod frame;
mod picture;

pub use frame::{Frame, round_step};
pub use picture::{Anchor, Picture};

/// What passed.
pub const PASSED: &str = "#1f7a5a";
/// What was dropped.
pub const DROPPED: &str = "#b5412f";
