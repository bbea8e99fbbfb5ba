//! All figures, as a page that Prometheus reads.

use std::{fmt, sync::Arc};

use floodwall_api::Overview;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text, text},
    registry::Registry,
};

use crate::{Format, Meters, host, page::Page, traffic};

/// What figures are made of.
#[derive(Debug)]
struct Figures {
    overview: Arc<Overview>,
    meters: Arc<Meters>,
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self { overview, meters } = self;
        let mut page = Page::new(encoder);
        host::write_standing(&mut page, overview)?;
        traffic::write(&mut page, overview)?;
        host::write_defence(&mut page, overview)?;
        host::write_tables(&mut page, overview)?;
        host::write_self(&mut page, overview, meters)?;
        host::write_machine(&mut page, overview)
    }
}

/// All figures, in a format.
///
/// # Errors
///
/// None that is known of: writing into memory does not fail.
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
