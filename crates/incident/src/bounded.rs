//! Maps whose number of keys is bounded, so that a flood of random addresses cannot fill the memory.

use std::{cmp::Reverse, collections::HashMap, hash::Hash};

/// Most keys of a map.
pub(crate) const MAX_KEYS: usize = 65_536;

/// Changes the value of a key. A new key is only added while there is room.
pub(crate) fn update<K: Eq + Hash, V: Default>(map: &mut HashMap<K, V>, key: K, change: impl FnOnce(&mut V)) {
    if map.len() < MAX_KEYS || map.contains_key(&key) {
        change(map.entry(key).or_default());
    }
}

/// The entries with the largest weights, in descending order.
pub(crate) fn largest<K: Ord, V>(
    map: &HashMap<K, V>,
    number: usize,
    weight: impl Fn(&V) -> u64,
) -> impl Iterator<Item = (&K, &V)> {
    let mut all: Vec<_> = map.iter().collect();
    all.sort_by_key(|(key, value)| (Reverse(weight(value)), *key));
    all.into_iter().take(number)
}
