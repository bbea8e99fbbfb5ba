//! What has to be known of a capture beside the verdicts.

use std::io::{self, Write};

use crate::{cli::units, replay::apart::Counts};

/// Tells of packets that are not judged, or may have been judged wrongly for not being told from others.
pub(super) fn apart(counts: &Counts, out: &mut dyn Write) -> io::Result<()> {
    let Counts { outgoing, cut, undirected } = *counts;
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
