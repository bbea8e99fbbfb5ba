//! What is excused of a count, as far as so much a second goes.

use super::{exceeds::SECOND, series::Series};

/// So much a second, whenever in it that comes: many who ask at the same moment, as jobs do that begin with a minute, are excused
/// as if they came one after the other.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    most: f64,
    given: Series,
}

impl Allowance {
    /// So much a second.
    pub(super) fn of(most: f64) -> Self {
        Self { most, given: Series::default() }
    }

    /// What is given in a tick of what is wanted.
    pub(super) fn take(&mut self, wanted: f64) -> f64 {
        let left = self.most - self.given.window(SECOND - 1);
        let given = wanted.min(left.max(0.0));
        self.given.push(given);
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_given_in_any_second_and_all_of_it_at_once_if_need_be() {
        let mut allowance = Allowance::of(100.0);
        assert_eq!([allowance.take(80.0), allowance.take(80.0), allowance.take(1.0)], [80.0, 20.0, 0.0]);
        let rest: f64 = (3..SECOND).map(|_| allowance.take(5.0)).sum();
        assert_eq!(rest, 0.0, "in the same second");
        assert_eq!(
            [allowance.take(200.0), allowance.take(200.0)],
            [80.0, 20.0],
            "as the first ones are over"
        );
    }
}
