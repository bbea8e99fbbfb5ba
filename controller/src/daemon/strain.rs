//! When something is over its limit for so long that it is told, and when it has been within it for so long again.

/// Looks of the last five over the limit that make it strained.
const STRAINED: u32 = 3;
const LOOKS: u32 = 5;
/// Looks in a row within it that end that.
const RELIEVED: u32 = 10;

/// How a look was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Over the limit.
    Over,
    /// Within it, and not by enough to say so.
    Near,
    /// Within it.
    Within,
}

/// What has changed with a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is strained now.
    Strained,
    /// It is not any more.
    Relieved,
}

/// The last looks at something.
#[derive(Clone, Debug, Default)]
pub(super) struct Strain {
    /// A bit each, the youngest lowest: whether it was over its limit.
    looks: u32,
    /// Looks in a row that were within it.
    within: u32,
    strained: bool,
}

impl Strain {
    /// Takes note of a look.
    pub(super) fn look(&mut self, look: Look) -> Option<Turn> {
        self.looks = self.looks << 1 | u32::from(look == Look::Over);
        self.within = if look == Look::Within { self.within.saturating_add(1) } else { 0 };
        let over = (self.looks & ((1 << LOOKS) - 1)).count_ones();
        if !self.strained && look == Look::Over && over >= STRAINED {
            self.strained = true;
            Some(Turn::Strained)
        } else if self.strained && self.within >= RELIEVED {
            self.strained = false;
            Some(Turn::Relieved)
        } else {
            None
        }
    }

    /// Whether it is strained.
    pub(super) fn is_strained(&self) -> bool {
        self.strained
    }
}

#[cfg(test)]
mod tests {
    use super::{Look::*, *};

    fn turns(strain: &mut Strain, looks: &[Look]) -> Vec<Turn> {
        looks.iter().filter_map(|look| strain.look(*look)).collect()
    }

    #[test]
    fn what_lasts_is_told_once_and_what_flutters_is_not() {
        let mut strain = Strain::default();
        assert_eq!(turns(&mut strain, &[Over, Within, Within, Over, Within, Near, Near, Within]), []);
        assert_eq!(turns(&mut strain, &[Over, Over, Over, Within, Over, Over]), [Turn::Strained]);
        assert!(strain.is_strained());
        let flutters = [[Within; 9].as_slice(), &[Near], &[Within; 9], &[Over]].concat();
        assert_eq!(turns(&mut strain, &flutters), []);
        assert_eq!(turns(&mut strain, &[Within; 30]), [Turn::Relieved]);
        assert!(!strain.is_strained());
    }
}
