//! The file of an import: a prefix a line, as people write it.

use std::io::{self, Write};

use anyhow::Context as _;

use crate::tables::Prefix;

pub(super) fn write<'a>(file: &mut impl Write, prefixes: impl Iterator<Item = &'a Prefix>) -> io::Result<()> {
    for prefix in prefixes {
        writeln!(file, "{prefix}")?;
    }
    Ok(())
}

pub(super) fn read(text: &str) -> anyhow::Result<Vec<Prefix>> {
    text.lines()
        .enumerate()
        .map(|(index, line)| line.parse::<Prefix>().with_context(|| format!("line {}: `{line}`", index + 1)))
        .collect()
}
