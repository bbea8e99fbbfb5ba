//! The file that a chart is drawn into.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use crate::{
    cli::exit::{Failed, Kind},
    replay::{chart, summary::Summary},
};

/// A chart to be. Its file is opened before the replay begins, so that one that cannot be written is refused at once, and
/// not after the hour that a long capture may take; what it holds stays until there is something to draw.
pub(super) struct Drawing<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Drawing<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self, Failed> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| failed(path, &error))?;
        Ok(Self { path, file })
    }

    /// Draws what has become of the packets of captures.
    pub(super) fn draw(mut self, captures: &str, summary: &Summary) -> Result<(), Failed> {
        let chart = chart::render(captures, summary);
        let drawn = self.file.set_len(0).and_then(|()| self.file.write_all(chart.as_bytes()));
        drawn.map_err(|error| failed(self.path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Failed {
    Failed::new(Kind::of_io(error), format!("writing the chart {}: {error}", path.display()))
}
