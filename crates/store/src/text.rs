//! The state as text, to be kept elsewhere, looked at, or brought into another directory.
//!
//! Lines of JSON. The first says that it is a state and of which form; then come changes as they are written down
//! ([`Change`]), each import's followed by lines with its prefixes, a thousand at most in each; the last one counts the
//! lines before it and has their checksum, so that a text that was cut off or changed is refused:
//!
//! ```text
//! {"floodwall":"state","format":1,"by":"0.1.0","complete":true}
//! {"change":"import","origin":1,"name":"list","since":1796000000}
//! {"prefixes":["192.0.2.0/24","2001:db8::/32"],"origin":1}
//! {"change":"add","list":"block","prefix":"203.0.113.0/24","since":1796000000}
//! {"lines":4,"sum":"…"}
//! ```
//!
//! The sum is the first 128 bits of the SHA-256 over the lines before, each with its end, in hexadecimal.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
};

use anyhow::{Context as _, bail, ensure};
use floodwall_tables::Prefix;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::record::Sum;
use crate::records::{Change, Origin, Records};

/// Form of the text.
const FORMAT: u32 = 1;
/// Prefixes in a line.
const IN_A_LINE: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct First {
    floodwall: String,
    format: u32,
    by: String,
    /// All that there was could be read.
    complete: bool,
}

#[derive(Serialize, Deserialize)]
struct Prefixes {
    prefixes: Vec<Prefix>,
    origin: Origin,
}

#[derive(Serialize, Deserialize)]
struct Last {
    lines: u64,
    sum: Sum,
}

/// Any line between the first and the last.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Prefixes(Prefixes),
    Last(Last),
    Change(Change),
}

/// Writes lines, counts them, and sums them up.
struct Lines<'a> {
    out: &'a mut dyn Write,
    lines: u64,
    hash: Sha256,
}

impl Lines<'_> {
    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.lines += 1;
        self.out.write_all(&line)
    }
}

fn sum_of(hash: Sha256) -> Sum {
    let mut sum = [0; 16];
    sum.copy_from_slice(&hash.finalize()[..16]);
    Sum(sum)
}

/// Writes all that is known as text; `complete`: nothing of it was lost.
pub(super) fn write(
    out: &mut dyn Write,
    records: &Records,
    lists: &BTreeMap<Origin, Vec<Prefix>>,
    complete: bool,
) -> io::Result<()> {
    let mut lines = Lines { out, lines: 0, hash: Sha256::new() };
    let by = env!("CARGO_PKG_VERSION").to_owned();
    lines.line(&First { floodwall: "state".to_owned(), format: FORMAT, by, complete })?;
    for change in records.changes() {
        lines.line(&change)?;
        let Change::Import { origin, .. } = change else { continue };
        let prefixes = lists.get(&origin).map_or(&[][..], Vec::as_slice);
        for prefixes in prefixes.chunks(IN_A_LINE) {
            lines.line(&Prefixes { prefixes: prefixes.to_vec(), origin })?;
        }
    }
    let Lines { out, lines, hash } = lines;
    let mut last = serde_json::to_vec(&Last { lines, sum: sum_of(hash) })?;
    last.push(b'\n');
    out.write_all(&last)
}

/// What a text holds.
#[derive(Default)]
pub(super) struct Text {
    pub(super) records: Records,
    pub(super) lists: BTreeMap<Origin, Vec<Prefix>>,
    /// Nothing was lost of the state that it was written of.
    pub(super) complete: bool,
}

/// Reads such a text: all of it, or nothing.
///
/// # Errors
///
/// If it is no state, of a later form, or not as it was written.
pub(super) fn read(text: impl BufRead) -> anyhow::Result<Text> {
    let mut read = Text::default();
    let mut hash = Sha256::new();
    let mut ended = false;
    for (number, line) in (1_u64..).zip(text.split(b'\n')) {
        let line = line.with_context(|| format!("reading line {number}"))?;
        ensure!(!ended, "line {number} comes after the end");
        if number == 1 {
            let no_state =
                "line 1 does not say that this is a state of floodwall; `floodwall state export` writes one";
            let first: First = serde_json::from_slice(&line).context(no_state)?;
            ensure!(first.floodwall == "state", no_state);
            ensure!(
                first.format <= FORMAT,
                "it is of form {}, and this floodwall reads form {FORMAT}; use the version that wrote it ({})",
                first.format,
                first.by
            );
            read.complete = first.complete;
        } else {
            match serde_json::from_slice(&line).with_context(|| format!("line {number} is not understood"))? {
                Line::Last(last) => {
                    let sum = sum_of(hash.clone());
                    ensure!(
                        (last.lines, last.sum) == (number - 1, sum),
                        "it is not as it was written: the checksum in line {number} is that of another text"
                    );
                    ended = true;
                    continue;
                }
                Line::Prefixes(Prefixes { prefixes, origin }) => {
                    ensure!(
                        read.records.import(origin).is_some(),
                        "line {number} is of an import that no line tells of"
                    );
                    read.lists.entry(origin).or_default().extend(prefixes);
                }
                Line::Change(change) => read.records.apply(&change),
            }
        }
        hash.update(&line);
        hash.update(b"\n");
    }
    if !ended {
        bail!("it is cut off: its last line, with the checksum, is missing");
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (Records, BTreeMap<Origin, Vec<Prefix>>) {
        let mut records = Records::default();
        let origin = Origin::Import(3);
        for line in [
            r#"{"change":"import","origin":3,"name":"list","since":1,"expires":9}"#,
            r#"{"change":"add","list":"block","prefix":"203.0.113.0/24","since":1,"note":"x"}"#,
            r#"{"change":"signature","text":"udp sport=7 len=28","enforced":true}"#,
            r#"{"change":"ban","prefix":"192.0.2.1/32","since":1,"until":2,"forget":3,"count":1}"#,
        ] {
            records.apply(&serde_json::from_str(line).unwrap());
        }
        let prefixes = (0..2_500_u32).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250).parse().unwrap());
        (records, BTreeMap::from([(origin, prefixes.collect())]))
    }

    fn written(complete: bool) -> Vec<u8> {
        let (records, lists) = state();
        let mut text = Vec::new();
        write(&mut text, &records, &lists, complete).unwrap();
        text
    }

    #[test]
    fn what_was_written_is_read() {
        let Text { records, lists, complete } = read(&written(true)[..]).unwrap();
        let (expected, expected_lists) = state();
        assert!(records.changes().eq(expected.changes()));
        assert_eq!(lists, expected_lists);
        assert!(complete && !read(&written(false)[..]).unwrap().complete);
    }

    #[test]
    fn a_text_that_was_cut_off_or_changed_is_refused() {
        let text = written(true);
        let whole = String::from_utf8(text.clone()).unwrap();
        for length in (0..text.len() - 1).step_by(61) {
            assert!(read(&text[..length]).is_err(), "cut to {length}");
            let mut changed = text.clone();
            changed[length] ^= 1;
            assert!(read(&changed[..]).is_err(), "byte {length} changed");
        }
        let lines: Vec<_> = whole.lines().collect();
        for gone in 0..lines.len() {
            let rest: String = lines
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != gone)
                .map(|(_, line)| format!("{line}\n"))
                .collect();
            assert!(read(rest.as_bytes()).is_err(), "without line {}", gone + 1);
        }
        let newer = whole.replacen("\"format\":1", "\"format\":2", 1);
        assert!(format!("{:#}", read(newer.as_bytes()).err().unwrap()).contains("of form 2"));
    }
}
