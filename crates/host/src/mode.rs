//! How an XDP program is to be attached.

use std::{fmt, str::FromStr};

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
