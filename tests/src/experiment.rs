//! An experiment: what stands in the tables, and frames that come one after the other.
//!
//! As text it is a fixture, as bytes the input of a fuzzer. The text has a line each:
//!
//! ```text
//! # what it is about
//! poke settings 3 0x1f        word 3 of the settings is 0x1f
//! frame 1000000 60 0200…      1 ms later, a frame of 60 bytes comes that begins so; the rest are zeros
//! leave 1000000 0 60 0200…    1 ms later, such a frame leaves that was made on the host; else the interface that it has
//!                             come in by stands in place of the 0
//! ```

use std::{fmt, str::FromStr};

use anyhow::{Context as _, bail, ensure};
use floodwall::tables::Table;

/// Most words that are set, and frames that come, in an experiment that is read from bytes.
const MOST_POKES: usize = 24;
const MOST_FRAMES: usize = 64;
/// In the byte that names a table: the word is one of the first [`FRONT`], where what matters most stands.
const AIMED: u8 = 1 << 7;
/// The header of the signatures and their first protocols, all settings, four services and eight rules.
const FRONT: u32 = 32;
/// Longest a frame can be; what both engines judge as it is.
const LONGEST: u32 = 70_000;
/// In the two bytes that say how many bytes of a frame are there: it leaves, and has come in by an interface before.
const LEAVES: u16 = 1 << 15;
const CARRIED: u16 = 1 << 14;
/// The interface that it has come in by then.
pub const CAME_IN_BY: u32 = 2;

/// What stands in the tables, and what comes and leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Experiment {
    /// What it is about, in a line.
    pub about: String,
    /// Words that are set beforehand; the others are as they always are.
    pub pokes: Vec<Poke>,
    /// In order of time.
    pub frames: Vec<Shown>,
}

/// A word of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poke {
    /// The table.
    pub table: Table,
    /// Number of the word; counted round, past the table's end.
    pub index: u32,
    /// What it is set to.
    pub value: u64,
}

/// A frame that is shown to the engines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// It leaves, and does not come: the index of the interface that it has come in by before, 0 if it was made here.
    pub leaves: Option<u32>,
    /// Time since the frame before, ns.
    pub after_ns: u64,
    /// Bytes on the wire.
    pub length: u32,
    /// The first of them.
    pub bytes: Vec<u8>,
}

/// Tables whose words may be anything, with their names in fixtures.
pub const POKED: [(Table, &str); 8] = [
    (Table::Settings, "settings"),
    (Table::Ports, "ports"),
    (Table::Destinations, "destinations"),
    (Table::Services, "services"),
    (Table::Rules, "rules"),
    (Table::Signatures, "signatures"),
    (Table::Sources, "sources"),
    (Table::Aggregates, "aggregates"),
];

impl Experiment {
    /// From any bytes; those that are missing are zeros.
    ///
    /// The first says how many words are poked; each takes a byte for the table and whether the word is one of its
    /// first, three for the index and eight for the value. Then come frames: a byte for the time, one for the length
    /// beyond the bytes that are there, two for how many those are and whether the frame leaves, and the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes);
        let pokes = usize::from(bytes.u8()) % (MOST_POKES + 1);
        let pokes = (0..pokes).map(|_| {
            let (table, index) = (bytes.u8(), u32::from_le_bytes([bytes.u8(), bytes.u8(), bytes.u8(), 0]));
            Poke {
                table: POKED[usize::from(table & !AIMED) % POKED.len()].0,
                index: if table & AIMED != 0 { index % FRONT } else { index },
                value: u64::from_le_bytes(std::array::from_fn(|_| bytes.u8())),
            }
        });
        let mut experiment = Self { pokes: pokes.collect(), ..Self::default() };
        while !bytes.0.is_empty() && experiment.frames.len() < MOST_FRAMES {
            let (time, beyond) = (bytes.u8(), u32::from(bytes.u8()));
            let there = u16::from_le_bytes([bytes.u8(), bytes.u8()]);
            let from = if there & CARRIED != 0 { CAME_IN_BY } else { 0 };
            let leaves = (there & LEAVES != 0).then_some(from);
            let taken = bytes.take(usize::from(there & !(LEAVES | CARRIED)));
            // From nothing to six days, with 16 steps to each factor of 8.
            let after_ns = u64::from(time & 15) << (3 * (time >> 4));
            let length = (taken.len() as u32 + beyond * beyond).min(LONGEST);
            let taken = &taken[..taken.len().min(length as usize)];
            experiment.frames.push(Shown { leaves, after_ns, length, bytes: taken.to_vec() });
        }
        experiment
    }

    /// Bytes that [`Self::from_bytes`] makes something alike of: lengths beyond the bytes and times are rounded.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.pokes.len() as u8];
        for Poke { table, index, value } in &self.pokes {
            let number = POKED.iter().position(|(poked, _)| poked == table).unwrap_or_default();
            bytes.push(number as u8);
            bytes.extend(&index.to_le_bytes()[..3]);
            bytes.extend(value.to_le_bytes());
        }
        for Shown { leaves, after_ns, length, bytes: there } in &self.frames {
            let flags = match leaves {
                None => 0,
                Some(0) => LEAVES,
                Some(_) => LEAVES | CARRIED,
            };
            let mut scale = 0;
            while after_ns >> (3 * scale) > 15 && scale < 15 {
                scale += 1;
            }
            let beyond = length.saturating_sub(there.len() as u32).isqrt().min(255);
            bytes.push((after_ns >> (3 * scale)).min(15) as u8 | scale << 4);
            bytes.push(beyond as u8);
            let there = &there[..there.len().min(usize::from(CARRIED - 1))];
            bytes.extend((there.len() as u16 | flags).to_le_bytes());
            bytes.extend(there);
        }
        bytes
    }
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// So many, or as many as there are.
    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "# {}", self.about)?;
        for Poke { table, index, value } in &self.pokes {
            let name = POKED.iter().find(|(poked, _)| poked == table).map_or("settings", |(_, name)| name);
            writeln!(formatter, "poke {name} {index} {value:#x}")?;
        }
        for Shown { leaves, after_ns, length, bytes } in &self.frames {
            match leaves {
                None => write!(formatter, "frame {after_ns} {length} ")?,
                Some(from) => write!(formatter, "leave {after_ns} {from} {length} ")?,
            }
            bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
            writeln!(formatter)?;
        }
        Ok(())
    }
}

impl FromStr for Experiment {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut experiment = Self::default();
        for (number, line) in text.lines().enumerate() {
            experiment.read(line).with_context(|| format!("line {}: `{line}`", number + 1))?;
        }
        Ok(experiment)
    }
}

impl Experiment {
    fn read(&mut self, line: &str) -> anyhow::Result<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            ["#", ..] => self.about = line.trim_start_matches(['#', ' ']).to_owned(),
            ["poke", name, index, value] => {
                let found = POKED.iter().find(|(_, known)| *known == name);
                let (table, _) = found.context("there is no such table")?;
                let value = u64::from_str_radix(value.trim_start_matches("0x"), 16)?;
                self.pokes.push(Poke { table: *table, index: index.parse()?, value });
            }
            ["frame", after, length, ref hex @ ..] => {
                let (after_ns, length, bytes) = (after.parse()?, length.parse()?, read_hex(hex)?);
                self.frames.push(Shown { leaves: None, after_ns, length, bytes });
            }
            ["leave", after, from, length, ref hex @ ..] => {
                let (after_ns, length, bytes) = (after.parse()?, length.parse()?, read_hex(hex)?);
                self.frames.push(Shown { leaves: Some(from.parse()?), after_ns, length, bytes });
            }
            _ => bail!("no `poke TABLE INDEX VALUE`, `frame NS LENGTH HEX` or `leave NS FROM LENGTH HEX`"),
        }
        Ok(())
    }
}

/// Bytes in hexadecimal digits, if there are any.
fn read_hex(words: &[&str]) -> anyhow::Result<Vec<u8>> {
    let hex = words.first().copied().unwrap_or_default();
    ensure!(hex.len().is_multiple_of(2) && hex.is_ascii(), "half a byte");
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    Ok(bytes.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment() -> Experiment {
        Experiment {
            about: "some frames".to_owned(),
            pokes: vec![Poke { table: Table::Rules, index: 5, value: 0xffff_0000_0000_0001 }],
            frames: vec![
                Shown { length: 60, bytes: vec![0xab; 60], ..Shown::default() },
                Shown { after_ns: 7 << 9, length: 4 + 81, bytes: vec![1, 2, 3, 4], ..Shown::default() },
                Shown { leaves: Some(0), after_ns: 1, length: 2, bytes: vec![1, 2] },
                Shown { leaves: Some(CAME_IN_BY), after_ns: 1, length: 3 + 4, bytes: vec![1, 2, 3] },
            ],
        }
    }

    #[test]
    fn text_and_bytes_are_read_again() {
        assert_eq!(experiment().to_string().parse::<Experiment>().unwrap(), experiment());
        let read = Experiment::from_bytes(&experiment().to_bytes());
        assert_eq!((read.pokes, read.frames), (experiment().pokes, experiment().frames));
    }

    #[test]
    fn a_word_can_be_aimed_at() {
        let poke = |table| Experiment::from_bytes(&[1, table, 35, 1, 0, 9]).pokes[0];
        assert_eq!(poke(5), Poke { table: Table::Signatures, index: 256 + 35, value: 9 });
        assert_eq!(poke(5 | AIMED), Poke { table: Table::Signatures, index: 3, value: 9 });
    }

    #[test]
    fn any_bytes_are_an_experiment() {
        for bytes in [&[][..], &[1], &[255; 7], &[0; 300], &[13, 1, 2, 3]] {
            let experiment = Experiment::from_bytes(bytes);
            assert!(experiment.frames.iter().all(|frame| frame.bytes.len() <= frame.length as usize));
        }
        let error = format!("{:#}", "frame 1 2 abc".parse::<Experiment>().unwrap_err());
        assert_eq!(error, "line 1: `frame 1 2 abc`: half a byte");
    }
}
