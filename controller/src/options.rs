//! What `floodwall run` was asked to do.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

/// How the program is to run on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In the driver, or not at all.
    #[default]
    Native,
    /// In the network stack: runs everywhere, and costs several times as much per packet.
    Generic,
    /// Native where it can be, else generic, and say so.
    Auto,
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Auto => "auto",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "native" => Ok(Self::Native),
            "generic" => Ok(Self::Generic),
            "auto" => Ok(Self::Auto),
            _ => Err(format!("`{text}` is not a mode; there are native, generic and auto")),
        }
    }
}

/// What `floodwall run` was asked to do. A value that is `None` comes from the configuration file, and else
/// from the default.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Interfaces to protect; at least one.
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
