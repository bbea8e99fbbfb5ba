//! Rates of the last 15 minutes, one per second.

use std::collections::{HashMap, VecDeque};

use floodwall_api::Overview;

/// How far back rates are kept, s.
const SECONDS: usize = 900;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Metric {
    /// Packets that passed.
    Passed,
    /// Their bits.
    PassedBits,
    /// Packets that were dropped.
    Dropped,
    /// Their bits.
    DroppedBits,
    /// Packets with a reason.
    Reason(String),
    /// Packets for a service.
    Service(String),
    /// Packets for a service that were dropped.
    ServiceDropped(String),
    /// Packets that matched a signature.
    Signature(u32),
}

#[derive(Clone, Debug, Default)]
struct Series {
    /// The latest value of the counter.
    last: u64,
    /// Rates in 1/s, in order of time.
    rates: VecDeque<f64>,
}

/// The rates of everything that is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    series: HashMap<Metric, Series>,
    /// The time of the latest overview, Unix time in ms, and the daemon's process ID.
    last: Option<(u64, u32)>,
}

impl History {
    /// Adds the counters of an overview.
    pub(crate) fn take(&mut self, overview: &Overview) {
        let before = self.last.replace((overview.time_ms, overview.status.pid));
        let milliseconds = before.map(|(time_ms, _)| overview.time_ms.saturating_sub(time_ms));
        let counters = counters(overview);
        // A counter that no longer exists is kept until its curve is flat.
        self.series
            .retain(|of, series| counters.contains_key(of) || series.rates.iter().any(|rate| *rate > 0.0));
        let Some(milliseconds) = milliseconds.filter(|passed| *passed > 0) else {
            counters.into_iter().for_each(|(of, value)| self.series.entry(of).or_default().last = value);
            return;
        };
        // After a gap, the mean rate stands for every second of it.
        let seconds = (milliseconds as f64 / 1e3).round().clamp(1.0, SECONDS as f64) as usize;
        for (of, series) in &mut self.series {
            let rate = match counters.get(of) {
                // A counter that has decreased was reset.
                Some(value) if *value >= series.last => {
                    (value - series.last) as f64 * 1e3 / milliseconds as f64
                }
                _ => 0.0,
            };
            (0..seconds).for_each(|_| series.rates.push_back(rate));
            let surplus = series.rates.len().saturating_sub(SECONDS);
            series.rates.drain(..surplus);
        }
        for (of, value) in counters {
            self.series.entry(of).or_default().last = value;
        }
    }

    /// Whether any rate is known, which takes two overviews.
    pub(crate) fn has_rates(&self) -> bool {
        self.series.values().any(|series| !series.rates.is_empty())
    }

    /// The latest rate, 1/s.
    pub(crate) fn now(&self, of: &Metric) -> f64 {
        self.series.get(of).and_then(|series| series.rates.back()).copied().unwrap_or(0.0)
    }

    /// The highest rate of the last 15 minutes, 1/s.
    pub(crate) fn peak(&self, of: &Metric) -> f64 {
        self.series.get(of).into_iter().flat_map(|series| &series.rates).copied().fold(0.0, f64::max)
    }

    /// The last 15 minutes in a number of columns, in order of time, each with the highest rate of its seconds.
    pub(crate) fn columns(&self, of: &Metric, columns: usize) -> Vec<u64> {
        let mut drawn = vec![0; columns];
        let Some(series) = self.series.get(of) else { return drawn };
        for (age, rate) in series.rates.iter().rev().enumerate() {
            // Columns are counted from the end, so that they do not flicker while the history fills.
            let column = columns - 1 - (age * columns / SECONDS).min(columns.saturating_sub(1));
            drawn[column] = drawn[column].max(rate.round() as u64);
        }
        drawn
    }
}

fn counters(overview: &Overview) -> HashMap<Metric, u64> {
    let mut counters = HashMap::new();
    for count in &overview.status.counters {
        let (packets, bits) = match count.verdict.as_str() {
            "drop" => (Metric::Dropped, Metric::DroppedBits),
            _ => (Metric::Passed, Metric::PassedBits),
        };
        *counters.entry(packets).or_default() += count.packets;
        *counters.entry(bits).or_default() += count.bytes * 8;
        counters.insert(Metric::Reason(count.reason.clone()), count.packets);
    }
    for service in &overview.services {
        counters.insert(Metric::Service(service.service.clone()), service.packets);
        counters.insert(Metric::ServiceDropped(service.service.clone()), service.dropped);
    }
    for signature in &overview.signatures.signatures {
        counters.insert(Metric::Signature(signature.number), signature.packets);
    }
    counters
}

#[cfg(test)]
mod tests {
    use floodwall_api::client::fake::attacked;

    use super::*;

    #[test]
    fn a_rate_is_the_growth_of_a_counter_over_time() {
        let mut history = History::default();
        history.take(&attacked(10));
        assert_eq!(history.now(&Metric::Dropped), 0.0, "one overview gives no rate");
        history.take(&attacked(11));
        history.take(&attacked(15));
        assert_eq!(history.now(&Metric::Dropped), 100_000.0);
        assert_eq!(history.now(&Metric::Reason("clean".to_owned())), 1_000.0);
        assert_eq!(history.now(&Metric::ServiceDropped("web".to_owned())), 100_000.0);
        assert_eq!(history.now(&Metric::Signature(0)), 100_000.0);
        assert_eq!(history.columns(&Metric::Dropped, 900)[895..], [100_000; 5]);
        assert_eq!(history.columns(&Metric::Dropped, 900)[894], 0);
        assert_eq!(history.columns(&Metric::Dropped, 3), [0, 0, 100_000]);
        assert_eq!(history.peak(&Metric::Dropped), 100_000.0);
    }

    #[test]
    fn a_reset_counter_and_a_long_gap_do_no_harm() {
        let mut history = History::default();
        history.take(&attacked(100));
        history.take(&attacked(101));
        let mut anew = attacked(1);
        anew.time_ms = attacked(102).time_ms;
        history.take(&anew);
        assert_eq!(history.now(&Metric::Dropped), 0.0);
        let mut late = attacked(2);
        late.time_ms = attacked(100_000).time_ms;
        history.take(&late);
        let columns = history.columns(&Metric::Dropped, 60);
        assert_eq!(columns.len(), 60);
        assert!(columns.iter().all(|rate| *rate <= 2), "{columns:?}");
    }
}
