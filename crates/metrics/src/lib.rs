//! floodwall's figures for [Prometheus], and the listener that they are read from.
//!
//! They are made of an [`Overview`](floodwall_api::Overview), which is what clients of the control socket see as well, and of
//! what the daemon measures of itself ([`Meters`]). [`FAMILIES`] names each with its unit and labels. No label is ever an
//! address or a number that an attacker draws: how many series there are is told by the configuration, not by the traffic.
//!
//! [`serve`] answers where a [`Listener`](floodwall_listen::Listener) stands, and [`Format`] is what a client is answered in: text
//! ([Prometheus 0.0.4]) or [OpenMetrics 1.0].
//!
//! [Prometheus]: https://prometheus.io
//! [Prometheus 0.0.4]: https://prometheus.io/docs/instrumenting/exposition_formats/
//! [OpenMetrics 1.0]: https://prometheus.io/docs/specs/om/open_metrics_spec/

mod expose;
mod families;
mod format;
mod host;
mod meters;
mod page;
mod serve;
#[cfg(test)]
mod tests;
mod traffic;

pub use expose::expose;
pub use families::{FAMILIES, Family, Kind};
pub use format::Format;
pub use meters::{Meters, Request};
pub use serve::serve;
