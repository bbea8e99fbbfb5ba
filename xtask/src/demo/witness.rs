//! Watches whether customers are served, ten times a second, and says when that changes.

use std::collections::VecDeque;
use std::time::Duration;

use floodwall_lab::http::Interval;

/// Looks that are judged together: half a second.
const LOOKS: usize = 5;
/// Less than this share of what is usual is not being served, and at least that share is being served again.
const LITTLE: f64 = 0.5;
const ENOUGH: f64 = 0.8;

/// Whether customers are served.
#[derive(Debug)]
pub(super) struct Witness {
    /// Requests answered per second in peace; nothing as long as that goes on.
    usual: Option<f64>,
    is_served: bool,
    recent: VecDeque<(Duration, usize)>,
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) is_served: bool,
    /// Requests answered per second at last, and in peace.
    pub(super) answered: f64,
    pub(super) usual: f64,
    /// How long ago it began to be so.
    pub(super) ago: Duration,
}

impl Witness {
    pub(super) fn new() -> Self {
        Self { usual: None, is_served: true, recent: VecDeque::with_capacity(LOOKS) }
    }

    /// Says what is usual.
    pub(super) fn peace_was(&mut self, answered: f64) {
        self.usual = Some(answered);
    }

    /// Takes in what customers got since the last look.
    pub(super) fn look(&mut self, customers: &Interval) -> Option<Turn> {
        if self.recent.len() == LOOKS {
            self.recent.pop_front();
        }
        self.recent.push_back((customers.span, customers.latencies.len()));
        let usual = self.usual.filter(|_| self.recent.len() == LOOKS)?;
        let ago: Duration = self.recent.iter().map(|(span, _)| *span).sum();
        let requests: usize = self.recent.iter().map(|(_, answered)| *answered).sum();
        // More than 2^52 requests do not happen.
        let mean = requests as f64 / ago.as_secs_f64().max(1e-9);
        let is_served = if self.is_served { mean >= usual * LITTLE } else { mean >= usual * ENOUGH };
        if is_served == self.is_served {
            return None;
        }
        self.is_served = is_served;
        Some(Turn { is_served, answered: customers.rate(), usual, ago })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(answered: usize) -> Interval {
        let span = Duration::from_millis(100);
        Interval { span, latencies: vec![Duration::from_millis(1); answered], failed: 0 }
    }

    #[test]
    fn it_tells_when_customers_are_lost_and_when_they_are_back() {
        let mut witness = Witness::new();
        let told = |witness: &mut Witness, answered: usize, looks: usize| {
            (0..looks)
                .filter_map(|_| witness.look(&look(answered)))
                .map(|turn| turn.is_served)
                .collect::<Vec<_>>()
        };
        assert!(told(&mut witness, 70, 10).is_empty(), "nothing is known of what is usual");
        witness.peace_was(700.0);
        assert!(told(&mut witness, 60, 10).is_empty());
        assert_eq!(told(&mut witness, 0, 10), [false]);
        assert!(told(&mut witness, 45, 10).is_empty(), "this is not enough");
        assert_eq!(told(&mut witness, 70, 10), [true]);
    }
}
