//! The plainest table there can be, and a check that a [`PrefixTable`] says the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use floodwall_common::{
    prefix::{Address, find},
    wire::Leaf,
};

use super::super::{
    Changes, List, Listed, Other, PrefixTable, PreparedChanges, TableError,
    bitmap::bits_wanted,
    forest::extent,
    wanted::{PLACES, SLOTS_V4},
};
use crate::{Capacity, Prefix, SharedTables, memory::Region};

/// Owners by list and prefix.
pub(super) type Model = BTreeMap<(List, Prefix), u32>;

/// What decides about an address: looked for one by one.
pub(super) fn decides(model: &Model, address: Address) -> Option<(List, Prefix)> {
    let covering = |list| {
        let all = model.keys().filter(move |(of, prefix)| *of == list && prefix.contains(address));
        all.max_by_key(|(_, prefix)| prefix.length()).copied()
    };
    covering(List::Allow).or_else(|| covering(List::Block))
}

/// A table, what it should hold, and what it should hold once what is staged is committed.
pub(super) struct World {
    pub(super) tables: Arc<SharedTables>,
    pub(super) table: PrefixTable,
    pub(super) model: Model,
    pub(super) staged: Option<Model>,
    /// Packets that listed prefixes decided, as far as they have been listed all the time since.
    hits: BTreeMap<(List, Prefix), u64>,
}

/// A change of many, for both worlds.
#[derive(Clone, Debug, Default)]
pub(super) struct Bulk {
    pub(super) clear: [bool; 2],
    pub(super) withdraw: [u32; 2],
    pub(super) insert: Vec<(List, Prefix, u32)>,
}

impl Bulk {
    pub(super) fn prepared(&self) -> PreparedChanges {
        let mut changes = Changes::new();
        for list in List::ALL {
            if self.clear[list as usize] {
                changes = changes.clear(list);
            }
            changes = changes.withdraw(list, self.withdraw[list as usize]);
            let brought = self.insert.iter().filter(|(of, ..)| *of == list);
            changes = changes.insert(list, brought.map(|(_, prefix, owner)| (*prefix, *owner)));
        }
        changes.prepare(&Arc::default())
    }

    fn apply(&self, model: &Model) -> Model {
        let mut after = Model::new();
        for ((list, prefix), owner) in model {
            let withdraw = self.withdraw[*list as usize];
            let goes = self.clear[*list as usize] || owner & withdraw != 0 && owner & !withdraw == 0;
            if !goes {
                after.insert((*list, *prefix), owner & !withdraw);
            }
        }
        for (list, prefix, owner) in &self.insert {
            *after.entry((*list, *prefix)).or_default() |= owner;
        }
        after
    }
}

impl World {
    pub(super) fn new(prefixes: u32) -> Self {
        Self::with_lines(prefixes, Capacity { prefixes, sources: 4, flows: 8 }.prefix_lines() as usize)
    }

    /// With as little memory as this.
    pub(super) fn with_lines(prefixes: u32, lines: usize) -> Self {
        let mut tables = SharedTables::in_memory(&Capacity { prefixes, sources: 4, flows: 8 }).unwrap();
        tables.prefix_lines = Region::in_memory(lines).unwrap();
        let tables = Arc::new(tables);
        let table = PrefixTable::new(Arc::clone(&tables), prefixes).unwrap();
        Self { tables, table, model: Model::new(), staged: None, hits: BTreeMap::new() }
    }

    /// Makes a single change of both, freeing what is retired if there is no memory otherwise.
    pub(super) fn edit(&mut self, list: List, prefix: Prefix, edit: Edit) -> Result<(), TableError> {
        let mut made = self.edit_table(list, prefix, edit);
        if matches!(made, Err(TableError::OutOfMemory { retired: 1.., .. }))
            && let Some(ticket) = self.table.retired()
        {
            while !self.table.free(&ticket, 1_000) {}
            made = self.edit_table(list, prefix, edit);
        }
        made?;
        for model in [&mut self.model].into_iter().chain(&mut self.staged) {
            let old = model.get(&(list, prefix)).copied();
            let new = match edit {
                Edit::Insert(owner) => Some(old.unwrap_or(0) | owner),
                Edit::Join(owners) => old.map(|old| old | owners),
                Edit::Leave(owners) => old.map(|old| old & !owners).filter(|left| *left != 0),
                Edit::Remove => None,
            };
            match new {
                Some(owner) => model.insert((list, prefix), owner),
                None => model.remove(&(list, prefix)),
            };
        }
        if matches!(&self.table.other, Other::Stage(stage) if stage.failed.is_some()) {
            // It ran out of memory, and will never be.
            self.staged = None;
        }
        self.forget_hits();
        Ok(())
    }

    fn edit_table(&mut self, list: List, prefix: Prefix, edit: Edit) -> Result<(), TableError> {
        match edit {
            Edit::Insert(owner) => self.table.insert(list, prefix, owner),
            Edit::Join(owners) => self.table.join(list, prefix, owners),
            Edit::Leave(owners) => self.table.leave(list, prefix, owners).map(drop),
            Edit::Remove => self.table.remove(list, prefix),
        }
    }

    /// What the model says of a single change.
    pub(super) fn expected(&self, list: List, prefix: Prefix, edit: Edit) -> Result<(), TableError> {
        let key = (list, prefix);
        let here = self.model.contains_key(&key);
        let there = self.staged.as_ref().map(|staged| staged.contains_key(&key));
        match edit {
            Edit::Insert(_) if here && there != Some(false) => Err(TableError::AlreadyThere { list, prefix }),
            Edit::Insert(_) => Ok(()),
            _ if !here && there != Some(true) => Err(TableError::NotThere { list, prefix }),
            _ => Ok(()),
        }
    }

    /// Begins a change of many.
    pub(super) fn stage(&mut self, bulk: &Bulk) -> Result<super::super::Staging, TableError> {
        let staging = self.table.stage(bulk.prepared())?;
        self.staged = Some(bulk.apply(&self.model));
        Ok(staging)
    }

    pub(super) fn committed(&mut self) {
        self.model = self.staged.take().unwrap();
        self.forget_hits();
    }

    /// Reads what has been counted so far for what is newly listed, and forgets what is listed no more.
    fn forget_hits(&mut self) {
        self.hits.retain(|key, _| self.model.contains_key(key));
        for (list, prefix) in self.model.keys() {
            if !self.hits.contains_key(&(*list, *prefix)) {
                // Whatever it decided earlier, in another generation, has been taken out of the leaves by now.
                self.hits.insert((*list, *prefix), self.table.get(*list, *prefix).unwrap().hits);
            }
        }
    }

    /// Looks an address up as a packet would; it must fare as the model says.
    pub(super) fn look_up(&mut self, address: Address) {
        let found = find(&*self.tables, &self.tables.settings[0], address, true);
        let decided = decides(&self.model, address);
        let expected = decided.map_or(Leaf::Nothing, |(list, prefix)| {
            *self.hits.entry((list, prefix)).or_default() += 1;
            let number = self.table.get(list, prefix).unwrap().rule;
            let covering = |(of, other): &(List, Prefix)| *of == list && other.contains(address);
            let all: Vec<_> =
                self.model.iter().filter(|(key, _)| covering(key)).map(|(_, owner)| *owner).collect();
            let is_ban = all.iter().all(|owner| *owner != 0 && *owner & !0b1110 == 0);
            match list {
                List::Allow => Leaf::Allow(number),
                List::Block if is_ban => Leaf::Ban(number),
                List::Block => Leaf::Block(number),
            }
        });
        assert_eq!(found, Some(expected), "{address:x?} {decided:?}");
        let matching = self.table.matching(address);
        assert_eq!(matching.map(|listed| (listed.list, listed.prefix)), decided);
    }

    /// Looks up addresses at and around the ends of these prefixes.
    pub(super) fn look_around<'a>(&mut self, prefixes: impl IntoIterator<Item = &'a Prefix>) {
        let mut addresses = BTreeSet::new();
        for prefix in prefixes {
            let last = prefix.last_bits();
            for bits in [prefix.bits(), last, prefix.bits() + (last - prefix.bits()) / 3] {
                let step = 1u128 << (128 - Prefix::longest(prefix.family()));
                for bits in [bits, bits.wrapping_sub(step), bits.wrapping_add(step)] {
                    addresses.insert((prefix.family(), bits));
                }
            }
        }
        for (family, bits) in addresses {
            self.look_up(Prefix::of_bits(family, bits, Prefix::longest(family)).address());
        }
    }

    /// Checks all that can be asked of the table.
    pub(super) fn check(&mut self) {
        let prefixes: BTreeSet<Prefix> = self.model.keys().map(|(_, prefix)| *prefix).collect();
        self.look_around(&prefixes);
        for list in List::ALL {
            let expected: Vec<(Prefix, u32)> = self
                .model
                .iter()
                .filter(|((of, _), _)| *of == list)
                .map(|((_, prefix), owner)| (*prefix, *owner))
                .collect();
            let plain = |listed: Listed| (listed.prefix, listed.owner);
            assert_eq!(self.table.iter(list).map(plain).collect::<Vec<_>>(), expected);
            assert_eq!(self.table.len(list) as usize, expected.len());
            let (mut pages, mut after) = (Vec::new(), None);
            loop {
                let page = self.table.range_after(list, after, 3);
                let Some(last) = page.last() else { break };
                after = Some(last.prefix);
                pages.extend(page.into_iter().map(plain));
            }
            assert_eq!(pages, expected);
        }
        for prefix in prefixes.iter().step_by(7) {
            let covering: Vec<_> =
                self.table.covering(prefix.address()).map(|it| (it.list, it.prefix)).collect();
            let mut expected: Vec<_> =
                self.model.keys().filter(|(_, other)| other.contains(prefix.address())).copied().collect();
            expected.sort_by_key(|(list, prefix)| (*list, std::cmp::Reverse(prefix.length())));
            assert_eq!(covering, expected);
        }
        // Those of shorter ones take long, as they read many slots.
        let keys: Vec<_> = self.hits.keys().filter(|(_, prefix)| prefix.length() > 11).copied().collect();
        keys.into_iter().for_each(|(list, prefix)| self.check_hits(list, prefix));
        self.table.harvest(0..PrefixTable::SLOTS);
        for ((list, prefix), hits) in &self.hits {
            assert_eq!(self.table.get(*list, *prefix).unwrap().hits, *hits);
        }
    }

    /// Checks the hits of a listed prefix.
    pub(super) fn check_hits(&mut self, list: List, prefix: Prefix) {
        let hits = self.hits[&(list, prefix)];
        assert_eq!(self.table.hits(list, prefix), Ok(hits), "{list} {prefix}");
    }

    /// Frees all that can be freed, and checks that just what is in force is left.
    pub(super) fn settle(&mut self) {
        while let Some(ticket) = self.table.retired() {
            while !self.table.free(&ticket, 10) {}
        }
        let engine = &self.table.engine;
        let mut lines = BTreeMap::new();
        for place in 0..PLACES {
            let mut trees: Vec<u64> =
                engine.roots(self.table.half, place).iter().map(|root| root.load()).collect();
            while let Some(tree) = trees.pop() {
                let (line, count) = extent(tree);
                if count > 0 {
                    lines.insert(line, count);
                }
                trees.extend(engine.forest.slots(tree).map(|slot| slot.load()));
            }
        }
        for place in 0..SLOTS_V4 {
            let bits = engine.bits(self.table.half, place).iter().map(|word| word.load());
            assert!(bits.eq(bits_wanted(&self.table.active, place)), "bits of place {place}");
        }
        if matches!(self.table.other, Other::Nothing) {
            let used = engine.forest.space().len() - engine.forest.space().free();
            assert_eq!(used, lines.values().sum::<u32>(), "lines that are not in use were not freed");
            assert_eq!(engine.rules.taken(), self.model.len(), "rules");
            let other = self.table.half.other();
            let roots = (0..PLACES).flat_map(|place| engine.roots(other, place));
            let bits = (0..SLOTS_V4).flat_map(|place| engine.bits(other, place));
            assert!(roots.chain(bits).all(|word| word.load() == 0), "the other half is not clear");
        }
    }
}

/// A single change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Insert(u32),
    Join(u32),
    Leave(u32),
    Remove,
}
