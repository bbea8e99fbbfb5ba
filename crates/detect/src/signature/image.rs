//! A set of signatures as the kernel program wants it: see [`floodwall_common::wire::signature`].

use std::collections::HashMap;

use floodwall_common::{
    features::{ByteField, WordField},
    wire::{
        Word,
        signature::{
            DIRECTORIES, ENFORCED, FIELDS, HALF_WORDS, LAPSING, MAX_PAGES, MAX_SIGNATURES, NEW_SOURCES,
            OCTETS, ONCE, PAGE_WORDS, PAGES, REPEAT, WATCHED, fields,
        },
    },
};

use super::{Ranges, Signature};

/// What a signature does with what it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Counts it.
    Count,
    /// Drops it, whatever becomes of the controller: an operator has named it.
    Drop,
    /// Drops it, as all that follow, for as long as the controller is there.
    DropFound,
    /// Drops it, but requests for a TCP connection only once: sent again after a second, they pass.
    DropOnce,
    /// Drops it, but requests for a TCP connection only once, and what is no TCP at all only until it is repeated.
    AskToRepeat,
}

/// Words of one half.
#[derive(Clone, Debug)]
pub struct Image {
    words: Vec<u64>,
    /// Pages in use.
    pages: u32,
}

/// Why signatures cannot be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// There are too many.
    #[error("{0} signatures, and there can be {MAX_SIGNATURES}")]
    TooMany(usize),
    /// Their ranges have too many ends.
    #[error("the ranges of the signatures need more than {MAX_PAGES} pages")]
    TooFine,
}

impl Image {
    /// Lays signatures out; each is given a bit by its place. `None` leaves a bit unused.
    ///
    /// # Errors
    /// If there is no room.
    pub fn new(signatures: &[Option<(&Signature, Effect)>]) -> Result<Self, ImageError> {
        if signatures.len() > MAX_SIGNATURES as usize {
            return Err(ImageError::TooMany(signatures.len()));
        }
        let live: Vec<(u64, &Signature, Effect)> = signatures
            .iter()
            .enumerate()
            .filter_map(|(bit, signature)| signature.map(|(signature, effect)| (1 << bit, signature, effect)))
            .collect();
        let mut image = Self { words: vec![0; HALF_WORDS as usize], pages: 0 };
        image.write_header(&live);
        for field in 0..ByteField::COUNT {
            image.write_octet(field, &live);
        }
        // Pages that are the same are written once.
        let mut known = HashMap::new();
        for field in 0..WordField::COUNT {
            image.write_short(field, &live, &mut known)?;
        }
        Ok(image)
    }

    fn write_header(&mut self, live: &[(u64, &Signature, Effect)]) {
        for (bit, signature, effect) in live {
            self.words[if *effect == Effect::Count { WATCHED } else { ENFORCED } as usize] |= bit;
            if matches!(effect, Effect::DropOnce | Effect::AskToRepeat) {
                self.words[ONCE as usize] |= bit;
            }
            if !matches!(effect, Effect::Count | Effect::Drop) {
                self.words[LAPSING as usize] |= bit;
            }
            if *effect == Effect::AskToRepeat {
                self.words[REPEAT as usize] |= bit;
            }
            if signature.new_sources {
                self.words[NEW_SOURCES as usize] |= bit;
            }
            let tcp = [WordField::Window, WordField::Options, WordField::SegmentSize];
            if signature.octets.contains_key(&(ByteField::TcpHeader as usize))
                || tcp.iter().any(|field| signature.shorts.contains_key(&(*field as usize)))
            {
                self.words[FIELDS as usize] |= fields::TCP;
            }
            let payload = ByteField::Payload as usize;
            if signature.octets.range(payload..payload + 8).next().is_some() {
                self.words[FIELDS as usize] |= fields::PAYLOAD;
            }
            if signature.octets.range(payload + 8..).next().is_some() {
                self.words[FIELDS as usize] |= fields::MORE_PAYLOAD;
            }
        }
    }

    fn write_octet(&mut self, field: usize, live: &[(u64, &Signature, Effect)]) {
        let page = OCTETS as usize + field * PAGE_WORDS as usize;
        for (bit, signature, _) in live {
            let allowed = signature.octets.get(&field);
            for value in 0..=u8::MAX {
                if allowed.is_none_or(|set| set.contains(value)) {
                    self.words[page + usize::from(value)] |= bit;
                }
            }
        }
    }

    fn write_short(
        &mut self,
        field: usize,
        live: &[(u64, &Signature, Effect)],
        known: &mut HashMap<Vec<u64>, u32>,
    ) -> Result<(), ImageError> {
        for high in 0..=u8::MAX {
            let mut page = vec![0; PAGE_WORDS as usize];
            for (bit, signature, _) in live {
                allow(&mut page, *bit, high, signature.shorts.get(&field));
            }
            let number = match known.get(&page) {
                Some(number) => *number,
                None => {
                    let number = self.pages;
                    if number == MAX_PAGES {
                        return Err(ImageError::TooFine);
                    }
                    self.pages += 1;
                    let start = (PAGES + number * PAGE_WORDS) as usize;
                    self.words[start..start + PAGE_WORDS as usize].copy_from_slice(&page);
                    known.insert(page, number);
                    number
                }
            };
            let entry = DIRECTORIES as usize + field * PAGE_WORDS as usize + usize::from(high);
            self.words[entry] = u64::from(number);
        }
        Ok(())
    }

    /// Writes the image to the half of the table that is not in force, whose words these are.
    pub fn write(&self, half: &[Word]) {
        let used = (PAGES + self.pages * PAGE_WORDS) as usize;
        for (word, value) in half.iter().zip(&self.words[..used]) {
            word.store(*value);
        }
    }
}

/// Sets a signature's bit for the values it allows among those that start with the byte `high`.
fn allow(page: &mut [u64], bit: u64, high: u8, ranges: Option<&Ranges>) {
    let base = u16::from(high) << 8;
    let mut set = |first: u16, last: u16| {
        page[usize::from(first)..=usize::from(last)].iter_mut().for_each(|word| *word |= bit);
    };
    let Some(ranges) = ranges else { return set(0, 255) };
    for (first, last) in ranges.iter() {
        if last >= base && first <= base | 0xff {
            set(first.max(base) - base, last.min(base | 0xff) - base);
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::{features::Features, signature::matches};
    use proptest::prelude::*;

    use super::*;
    use crate::signature::ByteSet;
    use floodwall_tables::{Capacity, SharedTables};

    fn signature() -> impl Strategy<Value = Signature> {
        let octet = (0..ByteField::COUNT, prop::collection::vec(0..4u8, 1..4));
        let short = (0..WordField::COUNT, prop::collection::vec((0..600u16, 0..600u16), 1..3));
        (prop::collection::vec(octet, 0..3), prop::collection::vec(short, 0..3)).prop_map(
            |(octets, shorts)| Signature {
                octets: octets
                    .into_iter()
                    .map(|(field, bytes)| (field, bytes.into_iter().collect::<ByteSet>()))
                    .collect(),
                shorts: shorts
                    .into_iter()
                    .map(|(field, ranges)| (field, ranges.into_iter().collect()))
                    .collect(),
                new_sources: false,
            },
        )
    }

    fn effect() -> impl Strategy<Value = Effect> {
        prop::sample::select(vec![
            Effect::Count,
            Effect::Drop,
            Effect::DropFound,
            Effect::DropOnce,
            Effect::AskToRepeat,
        ])
    }

    fn features() -> impl Strategy<Value = Features> {
        (prop::array::uniform32(0..4u8), prop::array::uniform7(0..600u16)).prop_map(|(octets, shorts)| {
            Features { octets: std::array::from_fn(|field| octets[field]), shorts }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn the_image_matches_what_the_signatures_match(
            signatures in prop::collection::vec((signature(), effect()), 1..64),
            packets in prop::collection::vec(features(), 50),
        ) {
            let tables = SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }).unwrap();
            let listed: Vec<_> = signatures.iter().map(|(signature, effect)| Some((signature, *effect))).collect();
            Image::new(&listed).unwrap().write(&tables.signatures[..HALF_WORDS as usize]);
            for packet in &packets {
                let found = matches(&tables, 1, false, packet).unwrap();
                let lapsed = matches(&tables, 1, true, packet).unwrap();
                for (bit, (signature, effect)) in signatures.iter().enumerate() {
                    let expected = signature.matches(packet);
                    let drops = *effect != Effect::Count;
                    prop_assert_eq!(found.enforced >> bit & 1 != 0, expected && drops);
                    prop_assert_eq!(found.watched >> bit & 1 != 0, expected && !drops);
                    let named = *effect == Effect::Drop;
                    prop_assert_eq!(lapsed.enforced >> bit & 1 != 0, expected && named);
                    prop_assert_eq!(lapsed.watched >> bit & 1 != 0, expected && !named);
                    let once = matches!(effect, Effect::DropOnce | Effect::AskToRepeat);
                    prop_assert_eq!(found.once >> bit & 1 != 0, expected && once);
                    prop_assert_eq!(found.repeat >> bit & 1 != 0, expected && *effect == Effect::AskToRepeat);
                }
            }
        }
    }

    #[test]
    fn no_more_than_fit() {
        let one = Signature::default();
        assert_eq!(Image::new(&[Some((&one, Effect::Drop)); 65]).unwrap_err(), ImageError::TooMany(65));
    }
}
