//! Writes metric families through the encoder of either format.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::histogram::Histogram,
};

use crate::families::{Family, Kind};

/// The exposition that is being written.
pub(crate) struct Page<'e>(DescriptorEncoder<'e>);

/// Pairs a family's label names with values.
fn labels<'v>(family: &Family, values: &[&'v str]) -> Vec<(&'static str, &'v str)> {
    debug_assert_eq!(family.labels.len(), values.len(), "{}", family.stem);
    family.labels.iter().copied().zip(values.iter().copied()).collect()
}

impl<'e> Page<'e> {
    pub(crate) fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// Writes counters, each as its label values and count.
    pub(crate) fn counters<'v, const N: usize>(
        &mut self,
        family: &Family,
        series: impl IntoIterator<Item = ([&'v str; N], u64)>,
    ) -> fmt::Result {
        debug_assert_eq!(family.kind, Kind::Counter, "{}", family.stem);
        let (unit, kind) = (family.unit(), family.metric_type());
        let mut metric = self.0.encode_descriptor(family.stem, family.help, unit.as_ref(), kind)?;
        for (values, count) in series {
            let labels = labels(family, &values);
            metric.encode_family(&labels)?.encode_counter::<[(&str, &str); 0], _, f64>(&count, None)?;
        }
        Ok(())
    }

    /// Writes a counter without labels.
    pub(crate) fn counter(&mut self, family: &Family, count: u64) -> fmt::Result {
        self.counters(family, [([], count)])
    }

    /// Writes gauges, each as its label values and value.
    pub(crate) fn gauges<'v, const N: usize>(
        &mut self,
        family: &Family,
        series: impl IntoIterator<Item = ([&'v str; N], f64)>,
    ) -> fmt::Result {
        debug_assert_eq!(family.kind, Kind::Gauge, "{}", family.stem);
        let (unit, kind) = (family.unit(), family.metric_type());
        let mut metric = self.0.encode_descriptor(family.stem, family.help, unit.as_ref(), kind)?;
        for (values, value) in series {
            let labels = labels(family, &values);
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Writes a gauge without labels.
    pub(crate) fn gauge(&mut self, family: &Family, value: f64) -> fmt::Result {
        self.gauges(family, [([], value)])
    }

    /// Writes an info metric with its label values.
    pub(crate) fn info(&mut self, family: &Family, values: &[&str]) -> fmt::Result {
        let (unit, kind) = (family.unit(), family.metric_type());
        let mut metric = self.0.encode_descriptor(family.stem, family.help, unit.as_ref(), kind)?;
        metric.encode_info(&labels(family, values))
    }

    /// Writes histograms, each as its label values and histogram.
    pub(crate) fn histograms<'v, const N: usize>(
        &mut self,
        family: &Family,
        series: impl IntoIterator<Item = ([&'v str; N], &'v Histogram)>,
    ) -> fmt::Result {
        debug_assert_eq!(family.kind, Kind::Histogram, "{}", family.stem);
        let (unit, kind) = (family.unit(), family.metric_type());
        let mut metric = self.0.encode_descriptor(family.stem, family.help, unit.as_ref(), kind)?;
        for (values, histogram) in series {
            let labels = labels(family, &values);
            histogram.encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
