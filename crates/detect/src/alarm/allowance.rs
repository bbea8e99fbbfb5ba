//! What is excused of a count, as far as so much a second goes.

use super::exceeds::SECOND;

/// So much a second, and as much at once: many who ask at the same moment, as jobs do that begin with a minute, are excused as if
/// they came one after the other.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    most: f64,
    left: f64,
}

impl Allowance {
    /// So much.
    pub(super) fn of(most: f64) -> Self {
        Self { most, left: most }
    }

    /// What is given in a tick of what is wanted.
    pub(super) fn take(&mut self, wanted: f64) -> f64 {
        self.left = (self.left + self.most / SECOND as f64).min(self.most);
        let given = wanted.min(self.left);
        self.left -= given;
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_in_a_second_is_given_at_once_and_no_more_by_and_by() {
        let mut allowance = Allowance::of(100.0);
        assert_eq!([allowance.take(80.0), allowance.take(80.0)], [80.0, 25.0]);
        let given: Vec<f64> = (0..3 * SECOND).map(|_| allowance.take(7.0)).collect();
        assert!(
            given.iter().all(|given| *given == 5.0),
            "evenly, and not all of it at the beginning of each second"
        );
        assert!((0..SECOND).all(|_| allowance.take(0.0) == 0.0));
        assert_eq!([allowance.take(200.0), allowance.take(200.0)], [100.0, 5.0]);
    }
}
