//! A table over memory that may be in use already.

use std::sync::Arc;

use floodwall_common::wire::{RUNS_MAX, Slot};

use super::{
    Other, PrefixTable,
    engine::{Engine, Half, is_cover},
    error::TableError,
    forest::{extent, is_reference},
    wanted::{PLACES, Wanted, slot_at},
};
use crate::tables::{
    Prefix, SharedTables,
    capacity::{PREFIX_BITMAP_WORDS, PREFIX_ROOT_SLOTS},
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
            ("root slots", tables.prefix_roots.len(), PREFIX_ROOT_SLOTS as usize),
            ("bitmap words", tables.prefix_bitmaps.len(), PREFIX_BITMAP_WORDS as usize),
        ] {
            if is < expected {
                return Err(TableError::Damaged(format!("there are {is} {what}, not {expected}")));
            }
        }
        let half = Half::of(tables.settings[0].generation.load());
        let mut engine = Engine::new(tables, limit);
        for place in 0..PLACES {
            engine.root(half.other(), place).store(0);
            engine.store_bits(half.other(), place, [0; 4]);
        }
        let adopted = adopt(&mut engine, half)?;
        if adopted.is_none() {
            (0..PLACES).for_each(|place| engine.store_bits(half, place, [0; 4]));
        }
        Ok(Self { engine, limit, half, active: Wanted::new(), other: Other::Nothing, adopted })
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
        let root = engine.root(half, place).load();
        if root == 0 || is_cover(root) && !covers.insert(root) {
            continue;
        }
        let slot = slot_at(place);
        let damaged = |what| TableError::Damaged(format!("{what} below {slot}"));
        if !is_reference(root) {
            return Err(damaged("a leaf in the root"));
        }
        let mut trees = vec![(root, 1)];
        while let Some((word, depth)) = trees.pop() {
            let deepest = u32::from(Prefix::longest(slot.family())) / super::sweep::STRIDE;
            let (line, count) = match Slot::unpack(word) {
                Slot::Node { runs, .. } if runs == 0 || runs > RUNS_MAX || depth >= deepest => {
                    return Err(damaged("a node that cannot be"));
                }
                _ => extent(word),
            };
            if !engine.forest.space_mut().take_at(line, count) {
                return Err(damaged("lines that are in use elsewhere or do not exist"));
            }
            taken.push((line, count));
            let slots = engine.forest.slots(word);
            trees.extend(
                slots
                    .iter()
                    .map(|slot| slot.load())
                    .filter(|word| is_reference(*word))
                    .map(|word| (word, depth + 1)),
            );
        }
    }
    Ok((!taken.is_empty()).then_some(taken))
}
