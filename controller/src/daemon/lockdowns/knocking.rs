//! What comes to services that are closed, a second.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{api::KnockingReport, kernel::ServiceTotals};

/// What is told is of so long.
const SECOND: Duration = Duration::from_secs(1);

/// What came for each service in the last second.
#[derive(Debug, Default)]
pub(super) struct Knocking {
    before: Option<(Instant, BTreeMap<u8, ServiceTotals>)>,
    lately: BTreeMap<u8, KnockingReport>,
}

impl Knocking {
    /// Takes note of what has come so far.
    pub(super) fn look(&mut self, totals: Vec<(u8, ServiceTotals)>, now: Instant) {
        let (at, before) = match &self.before {
            Some((at, _)) if now.duration_since(*at) < SECOND => return,
            Some((at, before)) => (*at, before),
            None => {
                self.before = Some((now, totals.into_iter().collect()));
                return;
            }
        };
        let seconds = now.duration_since(at).as_secs_f64();
        let of = |(number, now): &(u8, ServiceTotals)| {
            let before = before.get(number).copied().unwrap_or_default();
            (*number, report(before, *now, seconds))
        };
        self.lately = totals.iter().map(of).collect();
        self.before = Some((now, totals.into_iter().collect()));
    }

    /// What came for one of them.
    pub(super) fn of(&self, number: u8) -> Option<KnockingReport> {
        self.lately.get(&number).copied()
    }
}

fn report(before: ServiceTotals, now: ServiceTotals, seconds: f64) -> KnockingReport {
    let rate = |of: fn(&ServiceTotals) -> u64| {
        (of(&now).saturating_sub(of(&before)) as f64 / seconds).round() as u64
    };
    KnockingReport {
        requests: rate(|totals| totals.locked_out + totals.admitted),
        sources: rate(|totals| totals.knocking),
        admitted: rate(|totals| totals.admitted),
        packets: rate(|totals| totals.packets),
        dropped: rate(|totals| totals.dropped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_told_a_second() {
        let (start, mut knocking) = (Instant::now(), Knocking::default());
        let totals = |times: u64| {
            let mut totals = ServiceTotals::default();
            (totals.packets, totals.dropped) = (100 * times, 90 * times);
            (totals.locked_out, totals.admitted, totals.knocking) = (70 * times, 10 * times, 30 * times);
            vec![(3, totals)]
        };
        knocking.look(totals(5), start);
        knocking.look(totals(7), start + SECOND / 2);
        assert_eq!(knocking.of(3), None, "that is no second yet");
        knocking.look(totals(9), start + 2 * SECOND);
        let expected =
            KnockingReport { requests: 160, sources: 60, admitted: 20, packets: 200, dropped: 180 };
        assert_eq!((knocking.of(3), knocking.of(4)), (Some(expected), None));
    }
}
