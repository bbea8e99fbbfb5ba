//! What `floodwall run` was asked to do.

use std::path::PathBuf;

use floodwall_host::Mode;

/// What `floodwall run` was asked to do. A value that is `None` comes from the configuration file, and else
/// from the default.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Interfaces to protect; where none is named here, those that the configuration names.
    pub interfaces: Vec<String>,
    /// Configuration file.
    pub config: Option<PathBuf>,
    /// Where lists and limits outlive a reboot.
    pub state_dir: PathBuf,
    /// Go on with what can be read of a state that is damaged.
    pub accept_state: bool,
    /// Control socket.
    pub socket: PathBuf,
    /// How the program is to run.
    pub mode: Option<Mode>,
    /// Directory on a BPF file system that belongs to this daemon.
    pub bpffs: PathBuf,
    /// Prefixes that both lists can hold together.
    pub max_prefixes: Option<u32>,
    /// Sources that are tracked at once.
    pub max_sources: Option<u32>,
    /// Flows that are known at once.
    pub max_flows: Option<u32>,
    /// Only what the operator names is in force; everything else counts.
    pub observe: bool,
}
