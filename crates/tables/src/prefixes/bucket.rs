//! The prefixes that share their first 16 bits, in order.

use std::sync::Arc;

use super::entry::{Entry, Key, List};
use crate::Prefix;

/// Most entries of a chunk, 12 KiB of them: what one change copies at most.
const CHUNK_MAX: usize = 512;
/// Entries of a chunk of a bucket that was built as a whole, so that there is room for some more.
const CHUNK_FILL: usize = 384;

/// The prefixes of both lists that share their first 16 bits, sorted by [`Key`].
///
/// In chunks that are never changed but replaced, so that a clone costs next to nothing, and a change little
/// even where there are a million of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// None is empty.
    chunks: Vec<Arc<[Entry]>>,
    lengths: [u32; 2],
}

/// A bucket in the making.
#[derive(Debug)]
pub(super) struct Builder {
    bucket: Bucket,
    /// The last entries.
    rest: Vec<Entry>,
}

impl Builder {
    /// Of about so many entries.
    pub(super) fn new(count: usize) -> Self {
        Self { bucket: Bucket::default(), rest: Vec::with_capacity(count.min(CHUNK_MAX)) }
    }

    /// Adds an entry that comes after all others.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.rest.len() == CHUNK_MAX {
            self.bucket.chunks.push(Arc::from(&self.rest[..CHUNK_FILL]));
            self.rest.drain(..CHUNK_FILL);
        }
        self.bucket.lengths[entry.list() as usize] += 1;
        self.rest.push(entry);
    }

    /// The bucket; [`Bucket::is_empty`] if there is nothing in it.
    pub(super) fn finish(mut self) -> Bucket {
        if !self.rest.is_empty() {
            self.bucket.chunks.push(Arc::from(self.rest));
        }
        self.bucket
    }
}

impl Bucket {
    /// How many there are of a list.
    pub(super) fn len_of(&self, list: List) -> u32 {
        self.lengths[list as usize]
    }

    pub(super) fn len(&self) -> usize {
        (self.lengths[0] + self.lengths[1]) as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// All chunks, in order.
    pub(super) fn chunks(&self) -> &[Arc<[Entry]>] {
        &self.chunks
    }

    /// All entries, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The chunk and the place in it where `key` is, or belongs. The chunk exists unless the bucket is empty.
    fn seek(&self, key: &Key) -> (usize, Result<usize, usize>) {
        let chunk = self.chunks.partition_point(|chunk| chunk[0].key() <= *key).saturating_sub(1);
        let place =
            self.chunks.get(chunk).map_or(Err(0), |chunk| chunk.binary_search_by_key(key, Entry::key));
        (chunk, place)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        let (chunk, place) = self.seek(key);
        place.ok().map(|at| &self.chunks[chunk][at])
    }

    /// The entries from `key` on.
    pub(super) fn from(&self, key: Key) -> impl Iterator<Item = &Entry> {
        let (chunk, place) = self.seek(&key);
        let (first, rest) = self.chunks[chunk..].split_first().map_or((&[][..], &[][..]), |(first, rest)| {
            let (Ok(at) | Err(at)) = place;
            (&first[at..], rest)
        });
        first.iter().chain(rest.iter().flat_map(|chunk| chunk.iter()))
    }

    /// The entries that lie in `range`, be it only such as are longer.
    pub(super) fn within<'a>(
        &'a self,
        range: &Prefix,
        longer: bool,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let (last, length) = (range.last_bits(), range.length() + u8::from(longer));
        self.from(Key::first(range.bits(), length)).take_while(move |entry| entry.bits() <= last)
    }

    /// Adds an entry whose key is not there yet, or takes the place of the one whose key is.
    pub(super) fn put(&mut self, entry: Entry) {
        let (at, place) = self.seek(&entry.key());
        let Some(chunk) = self.chunks.get(at) else {
            self.chunks.push(Arc::from([entry]));
            self.lengths[entry.list() as usize] += 1;
            return;
        };
        let (before, after) = match place {
            Ok(place) => (&chunk[..place], &chunk[place + 1..]),
            Err(place) => {
                self.lengths[entry.list() as usize] += 1;
                chunk.split_at(place)
            }
        };
        let chunk: Arc<[Entry]> = before.iter().chain([&entry]).chain(after).copied().collect();
        if chunk.len() <= CHUNK_MAX {
            self.chunks[at] = chunk;
        } else {
            let (one, other) = chunk.split_at(chunk.len() / 2);
            self.chunks.splice(at..=at, [Arc::from(one), Arc::from(other)]);
        }
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let (at, place) = self.seek(key);
        let place = place.ok()?;
        let chunk = &self.chunks[at];
        let entry = chunk[place];
        self.lengths[entry.list() as usize] -= 1;
        let (before, after) = (&chunk[..place], &chunk[place + 1..]);
        let left = before.len() + after.len();
        // What is left joins a neighbour that has room, lest removals leave a chunk for each entry.
        let next =
            self.chunks.get(at + 1).filter(|next| left < CHUNK_MAX / 4 && left + next.len() <= CHUNK_FILL);
        match next {
            Some(next) => {
                let joined = before.iter().chain(after).chain(next.iter()).copied().collect();
                self.chunks.splice(at..=at + 1, [joined]);
            }
            None if left == 0 => {
                self.chunks.remove(at);
            }
            None => self.chunks[at] = before.iter().chain(after).copied().collect(),
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use floodwall_common::prefix::{Address, Family};
    use proptest::prelude::*;

    use super::{super::entry::Rule, *};

    fn prefix(seed: u16) -> (List, Prefix) {
        let list = List::ALL[usize::from(seed & 1)];
        let address = Address::v4(u32::from(seed >> 1) << 4);
        (list, Prefix::around(address, 28 + (seed >> 1 & 3) as u8).unwrap())
    }

    proptest! {
        #[test]
        fn is_a_sorted_map(built in prop::collection::vec(any::<u16>(), 0..3000), steps in prop::collection::vec((any::<u16>(), any::<bool>()), 0..2000)) {
            let mut model: BTreeMap<Key, Entry> = BTreeMap::new();
            for seed in built {
                let (list, prefix) = prefix(seed);
                let entry = Entry::new(list, &prefix, Rule { number: u32::from(seed), owner: 0 });
                model.insert(entry.key(), entry);
            }
            let mut builder = Builder::new(model.len());
            model.values().for_each(|entry| builder.push(*entry));
            let mut bucket = builder.finish();
            for (seed, put) in steps {
                let (list, prefix) = prefix(seed);
                let entry = Entry::new(list, &prefix, Rule { number: u32::from(seed), owner: 1 });
                if put {
                    bucket.put(entry);
                    model.insert(entry.key(), entry);
                } else {
                    prop_assert_eq!(bucket.remove(&entry.key()), model.remove(&entry.key()));
                }
                prop_assert_eq!(bucket.get(&entry.key()), model.get(&entry.key()));
            }
            let first = Key::first(0, 0);
            prop_assert!(bucket.from(first).eq(model.values()));
            prop_assert!(bucket.chunks().iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_MAX));
            for list in List::ALL {
                let count = model.values().filter(|entry| entry.list() == list).count();
                prop_assert_eq!(bucket.len_of(list) as usize, count);
            }
            for (address, length) in [(0, 16), (0x1000, 20), (0x10_0000, 13), (0x7_fff0, 28)] {
                let range = Prefix::around(Address::v4(address), length).unwrap();
                let all = || model.values().map(|entry| entry.prefix(Family::V4)).filter(|prefix| range.covers(prefix));
                let within = |longer| bucket.within(&range, longer).map(|entry| entry.prefix(Family::V4));
                prop_assert!(within(false).eq(all()));
                prop_assert!(within(true).eq(all().filter(|prefix| *prefix != range)));
            }
        }
    }
}
