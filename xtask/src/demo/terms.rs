//! How the show is given.

use std::path::PathBuf;
use std::time::Duration;

/// How the show is given.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// floodwall.
    pub(super) binary: PathBuf,
    /// How it runs on the interfaces.
    pub(super) mode: String,
    /// How long the show is.
    pub(super) length: Duration,
    /// There is a page, and the last act goes on for whoever looks at it.
    pub(super) web: bool,
}
