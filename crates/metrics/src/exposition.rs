//! Encodes all metrics in an exposition format.

use std::{fmt, sync::Arc};

use floodwall_api::Overview;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text, text},
    registry::Registry,
};

use crate::{Format, Meters, host, page::Page, traffic};

/// What the metrics are computed from.
#[derive(Debug)]
struct Figures {
    overview: Arc<Overview>,
    meters: Arc<Meters>,
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { overview, meters } = self;
        let mut page = Page::new(encoder);
        host::write_state(&mut page, overview)?;
        traffic::write(&mut page, overview)?;
        host::write_attacks(&mut page, overview)?;
        host::write_tables(&mut page, overview)?;
        host::write_daemon(&mut page, overview, meters)?;
        host::write_machine(&mut page, overview)
    }
}

/// All metrics in an exposition format.
///
/// # Errors
///
/// The encoder can fail by its signature; writing into memory does not.
pub fn expose(overview: Arc<Overview>, meters: Arc<Meters>, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures { overview, meters }));
    let mut page = String::new();
    match format {
        Format::Text => prometheus_text::encode(&mut page, &registry)?,
        Format::OpenMetrics => text::encode(&mut page, &registry)?,
    }
    Ok(page)
}
