//! The smallest web site that can suffer, and customers who notice.

mod client;
mod service;

pub use client::{Client, Interval, Visits};
pub use service::{Capacity, Service};
