//! Rates of the last quarter of an hour, second by second.

use std::collections::{HashMap, VecDeque};

use floodwall_api::Overview;

/// Seconds that are kept: a quarter of an hour.
const SECONDS: usize = 900;

/// What a rate is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Of {
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
    /// The counter as it was last.
    last: u64,
    /// Per second, the latest last.
    rates: VecDeque<f64>,
}

/// All rates.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    series: HashMap<Of, Series>,
    /// When it was looked at last, and of which process.
    last: Option<(u64, u32)>,
}

impl History {
    /// Takes in how everything stands.
    pub(crate) fn take(&mut self, overview: &Overview) {
        let before = self.last.replace((overview.time_ms, overview.status.pid));
        let milliseconds = before.map(|(time_ms, _)| overview.time_ms.saturating_sub(time_ms));
        let counters = counters(overview);
        // What is there no more goes once nothing of it is left to be seen.
        self.series
            .retain(|of, series| counters.contains_key(of) || series.rates.iter().any(|rate| *rate > 0.0));
        let Some(milliseconds) = milliseconds.filter(|passed| *passed > 0) else {
            counters.into_iter().for_each(|(of, value)| self.series.entry(of).or_default().last = value);
            return;
        };
        // Where nobody answered for a while, what has come meanwhile is spread over it.
        let seconds = (milliseconds as f64 / 1e3).round().clamp(1.0, SECONDS as f64) as usize;
        for (of, series) in &mut self.series {
            let rate = match counters.get(of) {
                // One that runs backwards has begun anew.
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

    /// Per second, as it was last.
    pub(crate) fn now(&self, of: &Of) -> f64 {
        self.series.get(of).and_then(|series| series.rates.back()).copied().unwrap_or(0.0)
    }

    /// The greatest of the last quarter of an hour.
    pub(crate) fn peak(&self, of: &Of) -> f64 {
        self.series.get(of).into_iter().flat_map(|series| &series.rates).copied().fold(0.0, f64::max)
    }

    /// The last quarter of an hour in so many columns, the latest last: of each the greatest.
    pub(crate) fn columns(&self, of: &Of, columns: usize) -> Vec<u64> {
        let mut drawn = vec![0; columns];
        let Some(series) = self.series.get(of) else { return drawn };
        for (age, rate) in series.rates.iter().rev().enumerate() {
            // A second falls into the same column wherever it stands, so that columns do not flicker.
            let column = columns - 1 - (age * columns / SECONDS).min(columns.saturating_sub(1));
            drawn[column] = drawn[column].max(rate.round() as u64);
        }
        drawn
    }
}

fn counters(overview: &Overview) -> HashMap<Of, u64> {
    let mut counters = HashMap::new();
    for count in &overview.status.counters {
        let (packets, bits) = match count.verdict.as_str() {
            "drop" => (Of::Dropped, Of::DroppedBits),
            _ => (Of::Passed, Of::PassedBits),
        };
        *counters.entry(packets).or_default() += count.packets;
        *counters.entry(bits).or_default() += count.bytes * 8;
        counters.insert(Of::Reason(count.reason.clone()), count.packets);
    }
    for service in &overview.services {
        counters.insert(Of::Service(service.service.clone()), service.packets);
        counters.insert(Of::ServiceDropped(service.service.clone()), service.dropped);
    }
    for signature in &overview.signatures.signatures {
        counters.insert(Of::Signature(signature.number), signature.packets);
    }
    counters
}

#[cfg(test)]
mod tests {
    use floodwall_api::client::fake::attacked;

    use super::*;

    #[test]
    fn rates_are_of_the_time_that_has_passed() {
        let mut history = History::default();
        history.take(&attacked(10));
        assert_eq!(history.now(&Of::Dropped), 0.0, "one look tells no rate");
        history.take(&attacked(11));
        history.take(&attacked(15));
        assert_eq!(history.now(&Of::Dropped), 100_000.0);
        assert_eq!(history.now(&Of::Reason("clean".to_owned())), 1_000.0);
        assert_eq!(history.now(&Of::ServiceDropped("web".to_owned())), 100_000.0);
        assert_eq!(history.now(&Of::Signature(0)), 100_000.0);
        assert_eq!(history.columns(&Of::Dropped, 900)[895..], [100_000; 5]);
        assert_eq!(history.columns(&Of::Dropped, 900)[894], 0);
        assert_eq!(history.columns(&Of::Dropped, 3), [0, 0, 100_000]);
        assert_eq!(history.peak(&Of::Dropped), 100_000.0);
    }

    #[test]
    fn counters_that_begin_anew_and_long_silence_do_no_harm() {
        let mut history = History::default();
        history.take(&attacked(100));
        history.take(&attacked(101));
        let mut anew = attacked(1);
        anew.time_ms = attacked(102).time_ms;
        history.take(&anew);
        assert_eq!(history.now(&Of::Dropped), 0.0);
        let mut late = attacked(2);
        late.time_ms = attacked(100_000).time_ms;
        history.take(&late);
        let columns = history.columns(&Of::Dropped, 60);
        assert_eq!(columns.len(), 60);
        assert!(columns.iter().all(|rate| *rate <= 2), "{columns:?}");
    }
}
