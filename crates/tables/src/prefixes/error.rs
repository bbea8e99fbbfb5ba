//! Why a change to the prefix table is refused.

use super::List;
use crate::Prefix;

/// Why a change to the prefix table is refused. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// There are as many prefixes as the table was made for.
    #[error("the prefix table is full: it was made for {capacity} prefixes in both lists together")]
    Full {
        /// Prefixes that the table was made for.
        capacity: u32,
    },
    /// The prefixes are within the count, but so unlike each other that the memory does not hold them.
    #[error(
        "the memory of the prefix table is used up: {wanted} lines in a row are needed, and of the {free} free lines \
         (and {retired} that will be freed in a moment) no such run is free; a table made for more prefixes has more"
    )]
    OutOfMemory {
        /// Lines in a row that were needed.
        wanted: u32,
        /// Lines that are free.
        free: u32,
        /// Lines that wait for the kernel to let go of them: where this is not 0, reclaiming them first may help.
        retired: u32,
    },
    /// Rule numbers are used up by prefixes that were removed and not yet reclaimed.
    #[error("no rule number is free until the removed prefixes are reclaimed")]
    OutOfRules,
    /// The prefix is in the list.
    #[error("{prefix} is in the {list}list already")]
    AlreadyThere {
        /// The list.
        list: List,
        /// The prefix.
        prefix: Prefix,
    },
    /// The prefix is not in the list.
    #[error("{prefix} is not in the {list}list")]
    NotThere {
        /// The list.
        list: List,
        /// The prefix.
        prefix: Prefix,
    },
    /// Another change of many prefixes is under way.
    #[error("another change of many prefixes is under way")]
    Busy,
    /// The generation before the one in force has not been reclaimed yet.
    #[error("the previous change of many prefixes is still being cleared away")]
    Retiring,
    /// The tables hold prefixes of an earlier run, which only a replacement of both lists may touch.
    #[error("the prefixes of the earlier run are in force until both lists are replaced")]
    Unrestored,
    /// The change is not completely staged, or was given up.
    #[error("the change of many prefixes is not complete")]
    Unfinished,
    /// The tables hold something that nobody can have written there on purpose.
    #[error("the prefix table in memory is damaged: {0}")]
    Damaged(String),
}
