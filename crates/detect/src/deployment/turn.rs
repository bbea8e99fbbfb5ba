//! What becomes of signatures, and how that is told.

use std::fmt;

use crate::signature::TooBroad;

/// Why a signature that was found only counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is too broad to be enforced without an operator.
    TooBroad(TooBroad),
    /// Only what the operator has named is in force.
    Observe,
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBroad(why) => why.fmt(formatter),
            Self::Observe => formatter.write_str("the filter only observes what the operator has not named"),
        }
    }
}

/// What became of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It drops from now on.
    Enforced,
    /// It only counts.
    Held(Held),
    /// It hit sources that were there before, and was taken back.
    Withdrawn,
    /// Too much of what it hit came again, and was taken back.
    ComesAgain,
    /// Too much of what it hit came again, and as nobody usual looks like that, it is dropped however often it comes.
    ForGood,
    /// It matched nothing for a long time, and was taken back.
    Retired,
    /// It asked packets to come again, and was taken back as most did.
    Useless,
    /// It asked packets to come again, and hardly any do not.
    NeededNoMore,
}

impl fmt::Display for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforced => formatter.write_str("enforced"),
            Self::Held(why) => write!(formatter, "only counts (monitor): {why}"),
            Self::Withdrawn => formatter.write_str("withdrawn, as it hits sources that were there before"),
            Self::ComesAgain => formatter.write_str(
                "withdrawn, as too many of those whose requests it dropped asked again: they were not forged",
            ),
            Self::ForGood => formatter.write_str(
                "drops requests however often they come: many come again, and nobody usual looks like that",
            ),
            Self::Useless => formatter.write_str("taken back, as most of what it asked to come again did"),
            Self::NeededNoMore => {
                formatter.write_str("taken back, as little is left that does not come again")
            }
            Self::Retired => formatter.write_str("retired, as it matches nothing any more"),
        }
    }
}
