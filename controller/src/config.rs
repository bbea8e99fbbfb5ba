//! The configuration file: TOML, every key optional.
//!
//! ```toml
//! mode = "native"            # or "generic", "auto"
//! max-prefixes = 1250000     # both lists and families together
//! max-sources = 1000000      # sources tracked at once
//! events-per-second = 200    # drops told, of however many
//!
//! [limit]                    # per source; until `floodwall limit set` says otherwise
//! packets = { rate = 20000, burst = 40000 }
//! syn = { rate = 100, burst = 400 }
//! ```

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::{
    api::{Limit, Limits},
    options::{Mode, RunOptions},
    state::{DEFAULT_LIMITS, bucket},
    tables::Capacity,
};

/// The file's content, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How the program is to run.
    pub mode: Mode,
    /// What the tables are made for.
    pub capacity: Capacity,
    /// Drops told, per second, over all CPUs.
    pub events_per_second: u64,
    /// Limits per source.
    pub limits: Limits,
}

/// Fewest and most prefixes that tables are made for; rule numbers have 24 bits.
const PREFIXES: std::ops::RangeInclusive<u32> = 1_000..=8_000_000;
/// Fewest and most sources.
const SOURCES: std::ops::RangeInclusive<u32> = 1_024..=134_217_728;
const DEFAULT_EVENTS_PER_SECOND: u64 = 200;
const MAX_EVENTS_PER_SECOND: u64 = 100_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            capacity: Capacity::default(),
            events_per_second: DEFAULT_EVENTS_PER_SECOND,
            limits: DEFAULT_LIMITS,
        }
    }
}

/// The file as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    mode: Option<Mode>,
    max_prefixes: Option<u32>,
    max_sources: Option<u32>,
    events_per_second: Option<u64>,
    limit: Option<LimitTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitTable {
    packets: Option<Limit>,
    syn: Option<Limit>,
}

impl Config {
    /// What holds for a run: its options win over its file, and that over the defaults.
    pub fn of(options: &RunOptions) -> anyhow::Result<Self> {
        let mut config = match &options.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        config.mode = options.mode.unwrap_or(config.mode);
        config.capacity.prefixes = options.max_prefixes.unwrap_or(config.capacity.prefixes);
        config.capacity.sources = options.max_sources.unwrap_or(config.capacity.sources);
        config.check()?;
        Ok(config)
    }

    /// Reads a file. The error names the line and column, and what is allowed there.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("configuration {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let file: File = toml::from_str(text)?;
        let default = Self::default();
        let limits = file.limit.map_or(default.limits, |table| Limits {
            packets: table.packets.or(default.limits.packets),
            syn: table.syn.or(default.limits.syn),
        });
        let config = Self {
            mode: file.mode.unwrap_or(default.mode),
            capacity: Capacity {
                prefixes: file.max_prefixes.unwrap_or(default.capacity.prefixes),
                sources: file.max_sources.unwrap_or(default.capacity.sources),
            },
            events_per_second: file.events_per_second.unwrap_or(default.events_per_second),
            limits,
        };
        config.check()?;
        Ok(config)
    }

    /// Values that the tables cannot hold.
    pub fn check(&self) -> anyhow::Result<()> {
        bucket("limit.packets", self.limits.packets)?;
        bucket("limit.syn", self.limits.syn)?;
        within("max-prefixes", self.capacity.prefixes, &PREFIXES)?;
        within("max-sources", self.capacity.sources, &SOURCES)?;
        if self.events_per_second > MAX_EVENTS_PER_SECOND {
            bail!(
                "events-per-second is {}, and may be at most {MAX_EVENTS_PER_SECOND}",
                self.events_per_second
            );
        }
        Ok(())
    }
}

fn within(key: &str, value: u32, range: &std::ops::RangeInclusive<u32>) -> anyhow::Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    bail!("{key} is {value}, and must be from {} to {}", range.start(), range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").expect("valid"), Config::default());
    }

    #[test]
    fn one_limit_leaves_the_other() {
        let config = Config::parse("[limit]\nsyn = { rate = 5, burst = 10 }").expect("valid");
        assert_eq!(config.limits.syn, Some(Limit { rate: 5, burst: 10 }));
        assert_eq!(config.limits.packets, DEFAULT_LIMITS.packets);
    }

    #[test]
    fn mistakes_are_placed_and_explained() {
        for (text, expected) in [
            ("mode = \"fast\"", "native"),
            ("max-prefix = 3", "max-prefixes"),
            ("\n\nmax-sources = \"x\"", "line 3"),
            ("max-sources = 3", "1024"),
            ("[limit]\nsyn = { rate = 0, burst = 1 }", "limit.syn 0/s"),
            ("events-per-second = 100001", "100000"),
        ] {
            let error = format!("{:#}", Config::parse(text).expect_err(text));
            assert!(error.contains(expected), "`{text}`: {error}");
        }
    }
}
