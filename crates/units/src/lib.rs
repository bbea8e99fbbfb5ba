//! Numbers, rates, times and foreign text as people read them: in a terminal, a report, a log line.
//!
//! What is read by programs (JSON, metrics, the timestamps of other services) is not written here.

mod number;
mod rate;
mod text;
mod time;

pub use number::{bytes, count, percent, short};
pub use rate::{Digits, bit_rate};
pub use text::{escaped, masked};
pub use time::{clock, clock_ms, span, spelled_span, time};
