//! What a rule's `when` says: a signal of the host's or of the service's, and a limit. The daemon holds it against what it sees
//! (`daemon/rule_conditions.rs`).

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Something that tells "slow, not down".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// How long the service's probe takes, ms. One that fails takes for ever.
    Probe,
    /// Connections that the host's listen queues had no room for, per second.
    ListenOverflows,
    /// Connection requests that the host dropped, for whatever reason, per second.
    ListenDrops,
    /// SYN cookies that the host sent, per second.
    SynCookies,
    /// Datagrams that the queues of the host's sockets had no room for, per second.
    UdpOverflows,
    /// How full the table of tracked connections is, percent.
    Conntrack,
    /// Share of the busiest CPU's time that goes into handling packets, percent.
    Softirq,
}

impl Signal {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Probe, "probe"),
        (Self::ListenOverflows, "listen-overflows"),
        (Self::ListenDrops, "listen-drops"),
        (Self::SynCookies, "syn-cookies"),
        (Self::UdpOverflows, "udp-overflows"),
        (Self::Conntrack, "conntrack"),
        (Self::Softirq, "softirq"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(signal, _)| *signal == self).map_or("", |(_, name)| name)
    }

    /// A value that it may have, for messages.
    fn example(self) -> String {
        self.words(match self {
            Self::Probe => 500,
            _ => 80,
        })
    }

    /// A value of it, with its unit.
    pub fn words(self, value: u64) -> String {
        match self {
            Self::Probe => humantime::format_duration(Duration::from_millis(value)).to_string(),
            Self::ListenOverflows | Self::ListenDrops | Self::SynCookies | Self::UdpOverflows => {
                format!("{value}/s")
            }
            Self::Conntrack | Self::Softirq => format!("{value}%"),
        }
    }
}

/// A condition: `probe over 500ms`, `syn-cookies over 100/s`, `conntrack over 80%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// What is watched.
    pub signal: Signal,
    /// The condition holds while it is over this: ms, per second, or percent.
    pub over: u64,
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} over {}", self.signal.name(), self.signal.words(self.over))
    }
}

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It does not have the form of a condition.
    #[error("`{0}` is no condition; `probe over 500ms` and `syn-cookies over 100/s` are")]
    Malformed(String),
    /// There is no such signal.
    #[error("`{0}` is no signal; there are {names}", names = Signal::ALL.map(|(_, name)| name).join(", "))]
    UnknownSignal(String),
    /// The signal cannot have this value.
    #[error("`{value}` is no value of {name}; {example} is", name = .signal.name(), example = .signal.example())]
    Value {
        /// The signal.
        signal: Signal,
        /// The value as written.
        value: String,
    },
}

impl FromStr for When {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let mut words = text.split_whitespace();
        let (Some(name), Some("over"), Some(value), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(ConditionError::Malformed(text.to_owned()));
        };
        let Some((signal, _)) = Signal::ALL.into_iter().find(|(_, known)| *known == name) else {
            return Err(ConditionError::UnknownSignal(name.to_owned()));
        };
        let over = match signal {
            Signal::Probe => {
                humantime::parse_duration(value).ok().and_then(|span| span.as_millis().try_into().ok())
            }
            Signal::ListenOverflows | Signal::ListenDrops | Signal::SynCookies | Signal::UdpOverflows => {
                value.strip_suffix("/s").unwrap_or(value).parse().ok()
            }
            Signal::Conntrack | Signal::Softirq => {
                value.strip_suffix('%').unwrap_or(value).parse().ok().filter(|percent| *percent <= 100)
            }
        };
        over.map(|over| Self { signal, over })
            .ok_or_else(|| ConditionError::Value { signal, value: value.to_owned() })
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_written_as_they_are_read() {
        for text in ["probe over 500ms", "syn-cookies over 100/s", "conntrack over 80%", "softirq over 90%"] {
            assert_eq!(text.parse::<When>().map(|when| when.to_string()), Ok(text.to_owned()));
        }
        for (text, expected) in [
            ("probe > 5s", "probe over 500ms"),
            ("load over 3", "softirq"),
            ("softirq over 101%", "80%"),
            ("probe over 5", "500ms"),
        ] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains(expected), "`{text}`: {error}");
        }
    }
}
