//! An incident in words, for whoever has to know of it: on a terminal, as a post-mortem in Markdown or HTML, and for a
//! status page, or to the network that an attack comes from.
//!
//! All of it is said of what was counted; what is not known is not said.

mod brief;
mod chart;
mod html;
mod markdown;
mod origins;
mod spark;
mod status_page;
mod summary;
mod text;
mod xarf;

pub use brief::brief;
pub use chart::{Chart, Quantity};
pub use html::html;
pub use markdown::markdown;
pub use status_page::{StatusUpdate, status_page};
pub use summary::{lasted, summary, title};
pub use text::{list_row, text, wrapped};
pub use xarf::{NoReport, Reporter, xarf};

#[cfg(test)]
mod tests;
