//! What the kernel program knows of sources, to read and not to change.

use floodwall_common::{
    prefix::Address,
    source::{self, Key},
    wire::{History, Volume},
};
use floodwall_tables::SharedTables;

/// The source table, as the detector may see it.
pub trait KernelView {
    /// What is known of a source; `None` if the table does not hold it.
    fn history(&self, source: Key) -> Option<History>;
    /// What a source has sent since it was entered; `None` if the table does not hold it.
    fn volume(&self, source: Key) -> Option<Volume>;
    /// The address that a key stands for.
    fn address(&self, source: Key) -> Address;
}

impl KernelView for SharedTables {
    fn history(&self, source: Key) -> Option<History> {
        let way = source::way_of(self, &self.settings[0], source)?;
        Some(History::unpack(way.history.load()))
    }

    fn volume(&self, source: Key) -> Option<Volume> {
        let way = source::way_of(self, &self.settings[0], source)?;
        Some(Volume(way.volume.load()))
    }

    fn address(&self, source: Key) -> Address {
        source.address(&self.settings[0], source.family(&self.settings[0]))
    }
}
