//! Metrics for [Prometheus], and the HTTP server that exposes them.
//!
//! Metrics are computed from an [`Overview`](floodwall_api::Overview), which clients of the control socket can read as well,
//! and from what the daemon measures of itself ([`Meters`]). [`FAMILIES`] lists every metric family. No label ever holds an
//! address or another value that an attacker chooses, so the number of series depends on the configuration and not on the
//! traffic.
//!
//! [`serve()`] answers at a [`Listener`](floodwall_listen::Listener), in the [`Format`] that the client prefers: text
//! ([Prometheus 0.0.4]) or [OpenMetrics 1.0].
//!
//! [Prometheus]: https://prometheus.io
//! [Prometheus 0.0.4]: https://prometheus.io/docs/instrumenting/exposition_formats/
//! [OpenMetrics 1.0]: https://prometheus.io/docs/specs/om/open_metrics_spec/

mod exposition;
mod families;
mod host;
mod meters;
mod negotiation;
mod page;
mod serve;
#[cfg(test)]
mod tests;
mod traffic;

pub use exposition::expose;
pub use families::{FAMILIES, Family, Kind};
pub use meters::{Meters, Request};
pub use negotiation::Format;
pub use serve::serve;
