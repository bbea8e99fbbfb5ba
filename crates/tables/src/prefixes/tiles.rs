//! The runs of an IPv4 slot as the tiles, stretches and nodes of the last octet that [`floodwall_common::wire`]
//! describes.

use floodwall_common::wire::{
    LINE_WORDS, Leaf, OCTET_RANKS, OCTET_RUNS_MAX, SMALL_OCTET_RUNS, STRETCHES_PER_LINE, Shape, Slot,
    TILE_BLOCKS, TILES_PER_SLOT, Word,
};

use super::{
    forest::{Forest, Run, is_reference, push_run},
    free_lines::NoLines,
};

/// Values of the last octet.
const OCTETS: u32 = OCTET_RUNS_MAX;
/// Values of the last 16 bits of an IPv4 address in a tile.
pub(super) const TILE_VALUES: u32 = TILE_BLOCKS * OCTETS;
/// [`Shape::open`] of a slot that is for all addresses.
const ALL_OPEN: u8 = OCTETS.ilog2() as u8;

const _: () = assert!(TILE_VALUES * TILES_PER_SLOT == 1 << 16);

/// A stretch that is to be written.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    shape: Shape,
    slot: u64,
}

/// The lines that a tile of so many starts takes.
pub(super) const fn tile_lines(starts: u32) -> u32 {
    stretches(starts).div_ceil(STRETCHES_PER_LINE)
}

/// How many stretches a tile has.
pub(super) const fn stretches(starts: u32) -> u32 {
    1 + (starts & !Slot::SHARED).count_ones()
}

/// The lines of a node of the last octet.
pub(super) const fn octet_lines(runs: u32) -> u32 {
    if runs <= SMALL_OCTET_RUNS { 1 } else { 1 + runs.div_ceil(LINE_WORDS as u32) }
}

/// The number of the word in a node of the last octet that the first slot is in.
pub(super) const fn octet_slots(runs: u32) -> usize {
    if runs <= SMALL_OCTET_RUNS { 1 } else { LINE_WORDS }
}

impl Forest {
    /// Writes a tile for runs that cover all its values, of which `first` is the first; says how to refer to it. Where
    /// all of it fares alike, that is the leaf itself.
    pub(super) fn tile(&mut self, first: u32, runs: &[Run]) -> Result<u64, NoLines> {
        if let [run] = runs {
            return Ok(run.word);
        }
        let mut stretches: Vec<Stretch> = Vec::new();
        let written = self
            .stretches(first, runs, &mut stretches)
            .and_then(|()| self.space_mut().take((stretches.len() as u32).div_ceil(STRETCHES_PER_LINE)));
        let line = match written {
            Ok(line) => line,
            Err(error) => {
                stretches.iter().for_each(|stretch| self.discard(stretch.slot));
                return Err(error);
            }
        };
        let mut starts = 0;
        for (at, stretch) in stretches.iter().enumerate() {
            let words = self.words_from(line);
            words[2 * at].store(stretch.shape.pack());
            words[2 * at + 1].store(stretch.slot);
            starts |= u32::from(at > 0) << stretch.shape.first;
        }
        Ok(Slot::Tile { line, starts }.pack())
    }

    /// Writes a tile all of which fares as a leaf says, to be referred to by all tiles that fare the same.
    pub(super) fn shared_tile(&mut self, leaf: u64) -> Result<u64, NoLines> {
        let line = self.space_mut().take(1)?;
        let shape = Shape { first: 0, last: TILE_BLOCKS as u8 - 1, value: 0, open: ALL_OPEN };
        let words = self.words_from(line);
        words[0].store(shape.pack());
        words[1].store(leaf);
        Ok(Slot::Tile { line, starts: Slot::SHARED }.pack())
    }

    /// The stretches of a tile. After an error, those that there are refer to what was written for them.
    fn stretches(&mut self, first: u32, runs: &[Run], stretches: &mut Vec<Stretch>) -> Result<(), NoLines> {
        let mut at = 0;
        for block in 0..TILE_BLOCKS as u8 {
            let start = first + u32::from(block) * OCTETS;
            let end = start + OCTETS;
            // The run that goes on at the start of the /24, and those that start in it.
            while runs.get(at + 1).is_some_and(|run| u32::from(run.key) <= start) {
                at += 1;
            }
            let more = runs[at + 1..].partition_point(|run| u32::from(run.key) < end);
            let within = &runs[at..=at + more];
            let alone =
                |value, open, slot| Stretch { shape: Shape { first: block, last: block, value, open }, slot };
            let stretch = match within {
                [all] if all.word == Leaf::Nothing.pack() => continue,
                [all] => match stretches.last_mut() {
                    Some(Stretch { shape: Shape { last, open: ALL_OPEN, .. }, slot })
                        if *slot == all.word && *last + 1 == block =>
                    {
                        *last = block;
                        continue;
                    }
                    _ => alone(0, ALL_OPEN, all.word),
                },
                _ => match single(within, start) {
                    Some((value, open, word)) => alone(value, open, word),
                    None => alone(0, ALL_OPEN, self.octet(within, start)?),
                },
            };
            stretches.push(stretch);
        }
        Ok(())
    }

    /// Writes a node of the last octet, for the /24 that starts at `start`; says how to refer to it.
    fn octet(&mut self, runs: &[Run], start: u32) -> Result<u64, NoLines> {
        let count = runs.len() as u32;
        let line = self.space_mut().take(octet_lines(count))?;
        let words = self.words_from(line);
        let key = |run: &Run| u32::from(run.key).saturating_sub(start) as u8;
        if count <= SMALL_OCTET_RUNS {
            let mut keys = [u8::MAX; LINE_WORDS];
            keys.iter_mut().zip(runs).for_each(|(to, run)| *to = key(run));
            words[0].store(u64::from_le_bytes(keys));
        } else {
            let (mut starts, mut ranks) = ([0u64; OCTET_RANKS], 0);
            for run in runs {
                starts[usize::from(key(run) / 64)] |= 1 << (key(run) % 64);
            }
            let mut before = 0;
            for (part, bits) in starts.into_iter().enumerate() {
                words[part].store(bits);
                ranks |= before << (16 * part);
                before += u64::from(bits.count_ones());
            }
            words[OCTET_RANKS].store(ranks);
        }
        let slots = &words[octet_slots(count)..][..runs.len()];
        slots.iter().zip(runs).for_each(|(slot, run)| slot.store(run.word));
        Ok(Slot::Octet { line, runs: count }.pack())
    }

    /// The words from a line on.
    fn words_from(&self, line: u32) -> &[Word] {
        self.tables().prefix_lines[line as usize..].as_flattened()
    }
}

/// If a /24 has a single prefix in it and nothing else: the last octet, how many of its bits are open, and the leaf.
fn single(runs: &[Run], start: u32) -> Option<(u8, u8, u64)> {
    let something = |run: &&Run| run.word != Leaf::Nothing.pack();
    let mut listed = runs.iter().enumerate().filter(|(_, run)| something(run));
    let (Some((at, run)), None) = (listed.next(), listed.next()) else {
        return None;
    };
    let first = u32::from(run.key).max(start) - start;
    let end = runs.get(at + 1).map_or(OCTETS, |run| u32::from(run.key) - start);
    let length = end - first;
    let is_prefix = length.is_power_of_two() && first.is_multiple_of(length);
    (is_prefix && !is_reference(run.word)).then_some((first as u8, length.ilog2() as u8, run.word))
}

/// The runs of one tile out of those of a slot.
pub(super) fn runs_of_tile(runs: &[Run], tile: u32) -> Vec<Run> {
    let (first, end) = (tile * TILE_VALUES, (tile + 1) * TILE_VALUES);
    let from = runs.partition_point(|run| u32::from(run.key) <= first).saturating_sub(1);
    let to = runs.partition_point(|run| u32::from(run.key) < end);
    let mut cut = Vec::with_capacity(to - from);
    for run in &runs[from..to] {
        push_run(&mut cut, u32::from(run.key).max(first), run.word);
    }
    cut
}
