//! Formats numbers, rates, times and untrusted text for people: in a terminal, a report, a log line. Reads spans of time as
//! people write them, and the wall clock.
//!
//! Output for programs (JSON, metrics, timestamps for other services) is formatted elsewhere.

mod number;
mod rate;
mod text;
mod time;
pub mod unix;
mod written_span;

pub use number::{bytes, count, percent, short};
pub use rate::{Digits, bit_rate};
pub use text::{escaped, masked, one_line};
pub use time::{clock, clock_ms, span, spelled_span, time};
pub use written_span::Span;
