//! Draws line and bar charts as SVG (<https://www.w3.org/TR/SVG11/>).
//!
//! The project draws only four shapes and an axis, for which a plotting library would be more code than it replaces. Labels
//! come from outside (names of files and services, addresses), so they are escaped here, in one place.

mod frame;
mod picture;

pub use frame::{Frame, round_step};
pub use picture::{Anchor, Picture};

/// Colour of packets that passed.
pub const PASSED: &str = "#1f7a5a";
/// Colour of packets that were dropped.
pub const DROPPED: &str = "#b5412f";
