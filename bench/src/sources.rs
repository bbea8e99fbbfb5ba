//! Which sources the packets come from.

use anyhow::ensure;
use floodwall::tables::{Prefix, SharedTables, memory::Region};
use floodwall_common::{
    prefix::{Address, Family, find},
    wire::{Leaf, Word},
};
use floodwall_lab::random::Random;

use crate::shapes;

/// Most sources that are not listed.
pub(crate) const CLEAN: usize = 10_000_000;
/// Words of the map of sources: for each family those that are not listed, and one for each prefix.
pub(crate) const WORDS: usize = 2 * CLEAN + shapes::PREFIXES_V4 + shapes::PREFIXES_V6;

/// A part of the map of sources.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) family: Family,
    /// Index of the first.
    pub(crate) first: usize,
    /// How many are gone through, again and again.
    pub(crate) count: usize,
}

impl Window {
    /// Room for sources that are not listed.
    pub(crate) const fn clean(family: Family, count: usize) -> Self {
        Self { family, first: family as usize * CLEAN, count }
    }

    /// Room for sources that are listed.
    pub(crate) const fn blocked(family: Family) -> Self {
        let first = 2 * CLEAN + family as usize * shapes::PREFIXES_V4;
        let count = match family {
            Family::V4 => shapes::PREFIXES_V4,
            Family::V6 => shapes::PREFIXES_V6,
        };
        Self { family, first, count }
    }

    /// No more than so many of them.
    pub(crate) fn up_to(self, count: usize) -> Self {
        Self { count: self.count.min(count), ..self }
    }

    /// Writes them.
    fn fill(
        &self,
        map: &Region<Word>,
        mut source: impl FnMut() -> anyhow::Result<Address>,
    ) -> anyhow::Result<()> {
        for word in &map[self.first..self.first + self.count] {
            word.store(source()?.high);
        }
        Ok(())
    }
}

/// Writes sources that `tables` do not list: anywhere, or (`near`) in the /24 of some prefix.
pub(crate) fn fill_clean(
    map: &Region<Word>,
    window: Window,
    tables: &SharedTables,
    near: Option<&[Prefix]>,
    random: &mut Random,
) -> anyhow::Result<()> {
    window.fill(map, || {
        for _ in 0..10_000 {
            let address = match near {
                Some(prefixes) => {
                    let prefix = prefixes[random.below(prefixes.len() as u32) as usize];
                    let high = prefix.address().high & !(0xff << 32) | u64::from(random.below(256)) << 32;
                    Address { high, ..prefix.address() }
                }
                None => shapes::any_address(window.family, random),
            };
            if find(tables, &tables.settings[0], address, false) == Some(Leaf::Nothing) {
                return Ok(address);
            }
        }
        anyhow::bail!("nearly every address is listed: there are no clean sources to be had")
    })
}

/// Writes any sources.
pub(crate) fn fill_any(map: &Region<Word>, window: Window, random: &mut Random) -> anyhow::Result<()> {
    window.fill(map, || Ok(shapes::any_address(window.family, random)))
}

/// Writes one source in each prefix, in random order.
pub(crate) fn fill_blocked(
    map: &Region<Word>,
    window: Window,
    prefixes: &[Prefix],
    random: &mut Random,
) -> anyhow::Result<()> {
    ensure!(window.count <= prefixes.len(), "there are fewer prefixes than sources to be drawn from them");
    let mut order: Vec<u32> = (0..prefixes.len() as u32).collect();
    let mut left = order.len();
    window.fill(map, || {
        // Fisher & Yates, from the end.
        let picked = random.below(left as u32) as usize;
        left -= 1;
        order.swap(picked, left);
        Ok(shapes::address_in(&prefixes[order[left] as usize], random))
    })
}
