//! A rule: whose packets are counted, which, how many may come, and what becomes of the rest.

use std::{fmt, str::FromStr, time::Duration};

use floodwall_common::wire::{self, BucketSpec, Terms};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{condition::When, subject::Subject};

/// Whose packets a rule counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Each source: an IPv4 address or an IPv6 /64.
    Source,
    /// Each prefix of sources, see [`PrefixLengths`].
    SourcePrefix,
    /// All that comes for the service.
    Service,
}

impl Per {
    /// As the tables have it.
    pub fn wire(self) -> wire::Per {
        match self {
            Self::Source => wire::Per::Source,
            Self::SourcePrefix => wire::Per::Prefix,
            Self::Service => wire::Per::Service,
        }
    }
}

impl fmt::Display for Per {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Source => "source",
            Self::SourcePrefix => "source-prefix",
            Self::Service => "service",
        })
    }
}

/// A text that does not say whose packets are counted together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nobody that is counted; there are source, source-prefix and service")]
pub struct UnknownPer(String);

impl FromStr for Per {
    type Err = UnknownPer;

    fn from_str(text: &str) -> Result<Self, UnknownPer> {
        match text {
            "source" => Ok(Self::Source),
            "source-prefix" | "prefix" => Ok(Self::SourcePrefix),
            "service" => Ok(Self::Service),
            _ => Err(UnknownPer(text.to_owned())),
        }
    }
}

/// How much may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// In the long run: packets/s or bytes/s.
    pub rate: u64,
    /// At once: packets or bytes.
    pub burst: u64,
}

/// What becomes of a packet over the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is dropped.
    Limit,
    /// It is dropped, and whatever its source (or the prefix) sends for so long.
    Ban(Duration),
    /// It passes, and is told of.
    Alert,
}

impl fmt::Display for Then {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit => formatter.write_str("limit"),
            Self::Ban(time) => write!(formatter, "ban for {}", humantime::format_duration(*time)),
            Self::Alert => formatter.write_str("alert"),
        }
    }
}

/// Why a text does not say what happens to a packet over the rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThenError {
    /// It is none of the things that can happen.
    #[error("`{0}` is nothing that is done; there are limit, alert, and `ban for 60s`")]
    Unknown(String),
    /// A ban is shorter or longer than allowed.
    #[error(
        "a ban of {length} is not from {shortest} to {longest} days",
        length = humantime::format_duration(*.0),
        shortest = humantime::format_duration(SHORTEST_BAN),
        longest = LONGEST_BAN.as_secs() / 86_400
    )]
    BanLength(Duration),
}

impl FromStr for Then {
    type Err = ThenError;

    fn from_str(text: &str) -> Result<Self, ThenError> {
        let refused = || ThenError::Unknown(text.to_owned());
        match text.trim() {
            "limit" => Ok(Self::Limit),
            "alert" => Ok(Self::Alert),
            text => {
                let time = text.strip_prefix("ban").and_then(|rest| rest.trim().strip_prefix("for"));
                let time =
                    humantime::parse_duration(time.ok_or_else(refused)?.trim()).map_err(|_| refused())?;
                if time < SHORTEST_BAN || time > LONGEST_BAN {
                    return Err(ThenError::BanLength(time));
                }
                Ok(Self::Ban(time))
            }
        }
    }
}

/// Shorter ones would be lost between two ticks of the kernel's clock.
const SHORTEST_BAN: Duration = Duration::from_millis(100);
/// Longer ones are a matter of the blocklist.
const LONGEST_BAN: Duration = Duration::from_secs(365 * 86_400);

/// Whether a rule does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleMode {
    /// It does.
    Enforce,
    /// It only counts what it would do.
    Monitor,
    /// There is no such rule: takes a default away.
    Off,
}

/// Which known sources (those that have taken part in conversations before) a rule leaves alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spares {
    /// None.
    #[default]
    Nobody,
    /// All, while the service that their packets are for is not attacked.
    KnownInPeace,
    /// All, at all times.
    Known,
}

impl Spares {
    /// As the tables have it.
    pub fn wire(self) -> wire::Spares {
        match self {
            Self::Nobody => wire::Spares::Nobody,
            Self::KnownInPeace => wire::Spares::KnownInPeace,
            Self::Known => wire::Spares::Known,
        }
    }
}

/// Who wants a rule to be as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// Nobody in particular: it is a default, and nothing was said of it.
    Default,
    /// The operator, who has named it in the configuration, or has said something of it since.
    #[default]
    Operator,
}

/// Lengths of the prefixes that a rule per source prefix counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrefixLengths {
    /// Of IPv4 prefixes, 1 to 32.
    pub v4: u8,
    /// Of IPv6 prefixes, 1 to 64.
    pub v6: u8,
}

impl Default for PrefixLengths {
    /// What one network is usually given: the smallest that is routed in the Internet, and a site.
    fn default() -> Self {
        Self { v4: 24, v6: 48 }
    }
}

/// What a rule may do before it is thought to be mistaken; beyond, it only counts, and an alert is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Ceiling {
    /// Bans per minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bans_per_minute: Option<u64>,
    /// Percent of the known sources that were seen in the last minute that it may ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_percent: Option<u64>,
}

/// A rule of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, unique within the service.
    pub name: String,
    /// Whose packets are counted together.
    pub per: Per,
    /// Which are counted.
    pub of: Subject,
    /// How many may come.
    #[serde(flatten)]
    pub rate: Rate,
    /// What becomes of the rest.
    pub then: Then,
    /// Only counts what it would do.
    pub monitor: bool,
    /// Who wants it to be so.
    #[serde(default)]
    pub author: Author,
    /// Which sources it leaves alone.
    pub spares: Spares,
    /// Which prefixes it counts, if per source prefix.
    pub prefix: PrefixLengths,
    /// What it may do before it is thought to be mistaken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
    /// Holds only while this does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

impl Rule {
    /// The same rule, as an operator wants it who has named it: a default that only counts then does what it says, unless
    /// `mode` says otherwise.
    pub fn named_by_operator(self, mode: Option<RuleMode>) -> Self {
        let monitor = match mode {
            Some(mode) => mode == RuleMode::Monitor,
            None => self.monitor && self.author == Author::Operator,
        };
        // An operator's limit holds for all whom it does not leave alone in so many words.
        let spares = match self.spares {
            Spares::KnownInPeace if self.author == Author::Default => Spares::Nobody,
            spares => spares,
        };
        Self { monitor, spares, author: Author::Operator, ..self }
    }

    /// The name of a rule that was given none: `source-syn`, `prefix-udp`.
    pub fn name_of(per: Per, of: Subject) -> String {
        let per = match per {
            Per::Source => "source",
            Per::SourcePrefix => "prefix",
            Per::Service => "service",
        };
        format!("{per}-{of}")
    }

    /// The token bucket; `None` if the arithmetic cannot hold it.
    pub fn bucket(&self) -> Option<BucketSpec> {
        let Rate { rate, burst } = self.rate;
        if self.of.bytes { Terms::byte_bucket(rate, burst) } else { BucketSpec::new(rate, burst) }
    }

    /// How long it bans, ns; 0 if it does not.
    pub fn ban_ns(&self) -> u64 {
        match self.then {
            Then::Ban(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX >> 1),
            Then::Limit | Then::Alert => 0,
        }
    }

    /// What is wrong with its numbers, if anything.
    pub fn fault(&self) -> Option<String> {
        let Rate { rate, burst } = self.rate;
        if rate == 0 || burst == 0 {
            return Some("nothing would ever pass; mode = \"off\" takes a rule away".to_owned());
        }
        if self.bucket().is_none() {
            return Some(if self.of.bytes {
                format!(
                    "{rate} bytes/s burst {burst}: a rate is 250 bytes/s to 20 GB/s, and a burst takes at most \
                         {} seconds of it",
                    BucketSpec::MAX_DRAIN_SECONDS
                )
            } else {
                format!(
                    "{rate}/s burst {burst}: a rate is 1/s to {}/s, and a burst takes at most {} seconds of it",
                    BucketSpec::MAX_RATE,
                    BucketSpec::MAX_DRAIN_SECONDS
                )
            });
        }
        if self.of.bytes && burst < LARGEST_PACKET {
            return Some(format!(
                "a burst of {burst} bytes would never let a packet of {LARGEST_PACKET} bytes through"
            ));
        }
        let PrefixLengths { v4, v6 } = self.prefix;
        if !(1..=32).contains(&v4) || !(1..=64).contains(&v6) {
            return Some(format!("prefixes of /{v4} and /{v6}: v4 is 1 to 32, and v6 1 to 64"));
        }
        if let Some(Ceiling { bans_per_minute, known_percent }) = self.ceiling {
            if bans_per_minute.is_none() && known_percent.is_none() {
                return Some(
                    "its ceiling says nothing; there are bans-per-minute and known-percent".to_owned(),
                );
            }
            if let Some(percent) = known_percent.filter(|percent| *percent > 100) {
                return Some(format!("known-percent is {percent}, and must be from 0 to 100"));
            }
        }
        if self.per == Per::Service && matches!(self.then, Then::Ban(_)) {
            return Some(
                "a rule per service has nobody to ban: whoever comes last would be hit; use limit".to_owned(),
            );
        }
        None
    }
}

/// Of an ordinary link, header included.
const LARGEST_PACKET: u64 = 1_514;

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name: _,
            per,
            of,
            rate: Rate { rate, burst },
            then,
            monitor,
            author: _,
            spares,
            prefix,
            ceiling,
            when,
        } = self;
        write!(formatter, "{of}")?;
        match spares {
            Spares::Nobody => {}
            Spares::KnownInPeace => formatter.write_str(" of new sources (in an attack, of all)")?,
            Spares::Known => formatter.write_str(" of new sources")?,
        }
        write!(formatter, " per {per}")?;
        if *per == Per::SourcePrefix {
            write!(formatter, " (/{}, /{})", prefix.v4, prefix.v6)?;
        }
        write!(formatter, " {rate}/s burst {burst}, then {then}")?;
        if let Some(when) = when {
            write!(formatter, ", when {when}")?;
        }
        if let Some(bans) = ceiling.and_then(|ceiling| ceiling.bans_per_minute) {
            write!(formatter, ", at most {bans} bans/min")?;
        }
        if let Some(percent) = ceiling.and_then(|ceiling| ceiling.known_percent) {
            write!(formatter, ", at most {percent}% of known sources")?;
        }
        if *monitor {
            formatter.write_str(" (monitor)")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Then {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Then {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
