//! A table over memory that may be in use already.

use std::sync::Arc;

use floodwall_common::{
    prefix::Family,
    wire::{OCTET_RUNS_MAX, RUNS_MAX, Slot, Word},
};

use super::{
    Other, PrefixTable,
    engine::{Engine, Half, is_cover},
    error::TableError,
    forest::{extent, is_reference},
    sweep::STRIDE,
    wanted::{PLACES, Wanted, slot_at},
};
use crate::{
    Prefix, SharedTables,
    capacity::{PREFIX_BITMAP_WORDS, PREFIX_ROOTS},
};

impl PrefixTable {
    /// The table in this memory, for at most `limit` prefixes.
    ///
    /// What an earlier run left in force there stays in force, to the last packet, until a
    /// [change of many prefixes](Self::stage) that replaces both lists is committed; single changes are refused
    /// so long ([`Self::is_restored`]). If packets are being judged, a grace period should have passed since that
    /// run ended, as lines that nothing in force refers to are taken to be free.
    ///
    /// # Errors
    ///
    /// [`TableError::Damaged`] if what is in force there cannot have been written by a table of this size.
    pub fn new(tables: Arc<SharedTables>, limit: u32) -> Result<Self, TableError> {
        for (what, is, expected) in [
            ("settings", tables.settings.len(), 1),
            ("roots", tables.prefix_roots.len(), PREFIX_ROOTS as usize),
            ("bitmap words", tables.prefix_bitmaps.len(), PREFIX_BITMAP_WORDS as usize),
        ] {
            if is < expected {
                return Err(TableError::Damaged(format!("there are {is} {what}, not {expected}")));
            }
        }
        let half = Half::of(tables.settings[0].generation.load());
        let mut engine = Engine::new(tables, limit);
        for place in 0..PLACES {
            engine.roots(half.other(), place).iter().for_each(|root| root.store(0));
        }
        engine.clear_all_bits(half.other());
        let adopted = adopt(&mut engine, half)?;
        if adopted.is_none() {
            engine.clear_all_bits(half);
            engine.clear_filter(half);
        }
        Ok(Self {
            engine,
            sets: Arc::default(),
            limit,
            half,
            active: Wanted::new(),
            other: Other::Nothing,
            adopted,
        })
    }

    /// Is what is in force what this table was told to hold, and not what an earlier run left?
    pub fn is_restored(&self) -> bool {
        self.adopted.is_none()
    }
}

/// Takes the lines that are in use by the trees in force. `None` if there are no trees.
fn adopt(engine: &mut Engine, half: Half) -> Result<Option<Vec<(u32, u32)>>, TableError> {
    let mut taken = Vec::new();
    // A cover may be referred to by many roots.
    let mut covers = std::collections::HashSet::new();
    for place in 0..PLACES {
        let slot = slot_at(place);
        let damaged = |what| TableError::Damaged(format!("{what} below {slot}"));
        for root in 0..engine.roots(half, place).len() {
            let root = engine.roots(half, place)[root].load();
            if root == 0 || is_cover(root) && !covers.insert(root) {
                continue;
            }
            if !is_reference(root) {
                return Err(damaged("a leaf in the root"));
            }
            let mut trees = vec![(root, 0)];
            while let Some((word, depth)) = trees.pop() {
                if !can_be(slot.family(), depth, word) {
                    return Err(damaged("a node that cannot be"));
                }
                let (line, count) = extent(word);
                if !engine.forest.space_mut().take_at(line, count) {
                    return Err(damaged("lines that are in use elsewhere or do not exist"));
                }
                taken.push((line, count));
                let below = engine.forest.slots(word).map(Word::load).filter(|word| is_reference(*word));
                trees.extend(below.map(|word| (word, depth + 1)));
            }
        }
    }
    Ok((!taken.is_empty()).then_some(taken))
}

/// Can there be such a reference so many steps below a root?
fn can_be(family: Family, depth: u32, word: u64) -> bool {
    match (family, Slot::unpack(word)) {
        (Family::V4, Slot::Tile { .. }) => depth == 0,
        (Family::V4, Slot::Octet { runs, .. }) => depth == 1 && (2..=OCTET_RUNS_MAX).contains(&runs),
        (Family::V6, Slot::Node { runs, .. }) => {
            (1..=RUNS_MAX).contains(&runs) && depth < u32::from(Prefix::longest(family)) / STRIDE - 1
        }
        (Family::V6, Slot::Tail { .. }) => true,
        _ => false,
    }
}
