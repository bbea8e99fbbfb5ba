//! Notes below the tables: packets that were not judged, and damage of the captures.

use std::io::{self, Write};

use crate::{
    cli::{style::Style, units},
    replay::caveats::Caveats,
};

/// Writes that captures are damaged, if they are, and how many packets were read nevertheless.
pub(super) fn damage(
    damage: Option<&str>,
    packets: u64,
    out: &mut dyn Write,
    style: Style,
) -> io::Result<()> {
    let Some(damage) = damage else { return Ok(()) };
    let (word, packets) = (style.bad("DAMAGED"), units::count(packets));
    writeln!(out, "\n{word}: {damage}; {packets} packets could be read, and are above")
}

/// Writes how many packets were not judged, or may have been judged wrongly because their direction is unknown.
pub(super) fn caveats(counts: &Caveats, out: &mut dyn Write) -> io::Result<()> {
    let Caveats { outgoing, cut, undirected } = *counts;
    if outgoing > 0 {
        writeln!(
            out,
            "note: {} more packets are the host's own, which are not judged: they tell what it has asked for",
            units::count(outgoing)
        )?;
    }
    if cut > 0 {
        writeln!(
            out,
            "note: {} more packets are not judged: the capture has cut them off within their headers",
            units::count(cut)
        )?;
    }
    if undirected > 0 {
        writeln!(
            out,
            "note: nothing says which way {} packets went: they are taken to have come in (--host helps)",
            units::count(undirected)
        )?;
    }
    Ok(())
}
