//! The writer of the prefix table: what is wanted, and the compiled form of it that packets are judged by.
//!
//! **What is wanted** is two [`List`]s of prefixes. An allow wins over every block that covers the same address,
//! whatever the lengths; within a list the longest prefix decides. The prefixes are kept by their first 16 bits
//! (`bucket`, `wanted`), and each has a rule number that its hits are counted under (`rules`) and the number of the set of
//! those who want it (`owners`).
//!
//! **The compiled form** is the trie that [`floodwall_common::wire`] describes, in memory that the kernel reads at
//! the same time. `free_lines` hands out its lines, `layout` and `forest` write and read nodes, `sweep` turns prefixes
//! into trees, and `engine` holds the roots. `bitmap` (IPv4) and `bloom` (IPv6) say where there is nothing to find.
//! Whatever is in use is only changed by replacing one reference, so a packet sees the table before a change or after
//! it, never between (`patch`).
//!
//! **Changes** come in two sizes. A single one rebuilds the node that it touches and is in force when the call
//! returns (`single`, `short_prefixes`). Many at once are built beside what is in force, in slices between which single
//! ones go on, and come into force all at once (`changes`, `bulk_change`, `generation`, `slot_build`; [`mod@apply`] drives all of it).
//! Both are all or nothing.
//!
//! **What is replaced** waits in `quarantine` until no packet can be reading it any more, and is freed then
//! (`reclaim`); its hits go to their rules (`hits`). What an earlier run left in force stays in force until it is
//! replaced as a whole (`adopt`).

mod adopt;
mod apply;
mod bitmap;
mod bloom;
mod bucket;
mod bulk_change;
mod changes;
mod engine;
mod entry;
mod error;
mod forest;
mod free_lines;
mod generation;
mod hits;
mod layout;
mod owners;
mod patch;
mod places;
mod quarantine;
mod query;
mod reclaim;
mod rules;
mod set;
mod short_prefix_change;
mod short_prefixes;
mod single;
mod slot_build;
mod sweep;
#[cfg(test)]
mod tests;
mod tiles;
mod wanted;

use std::sync::Arc;

pub use self::{
    apply::{apply, change, reclaim, renew},
    bulk_change::{Committed, Staging},
    changes::{Changes, PreparedChanges},
    entry::List,
    error::TableError,
    owners::{Owner, OwnerSets, Owners, PROVISIONAL},
    query::Listed,
    reclaim::{Lines, Ticket},
};
use self::{
    engine::{Engine, Half},
    generation::Stage,
    reclaim::Stale,
    wanted::Wanted,
};

/// The wanted prefixes, and the table that packets are judged by, which holds the same.
///
/// To be wrapped in a fair mutex: no operation takes it for long, except where it says so.
#[derive(Debug)]
pub struct PrefixTable {
    engine: Engine,
    /// Who wants them.
    sets: Arc<OwnerSets>,
    /// Most prefixes.
    limit: u32,
    /// The half that is in force.
    half: Half,
    /// What is in force.
    active: Wanted,
    /// What the other half holds.
    other: Other,
    /// What an earlier run left in force, if that has not been replaced yet: runs of lines.
    adopted: Option<Vec<(u32, u32)>>,
}

/// What the half that is not in force holds.
#[derive(Debug)]
enum Other {
    /// Nothing: all its words are 0, but for those of the filter.
    Nothing,
    /// A new generation in the making.
    Stage(Box<Stage>),
    /// A generation that was in force, or one that was given up.
    Stale(Box<Stale>),
}

impl Other {
    /// The prefixes that it stands for.
    fn wanted_mut(&mut self) -> Option<&mut Wanted> {
        match self {
            Self::Nothing => None,
            Self::Stage(stage) => Some(&mut stage.wanted),
            Self::Stale(stale) => Some(&mut stale.wanted),
        }
    }
}
