//! What a rule counts.

use std::{fmt, str::FromStr};

use floodwall_common::traits::Traits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a rule counts: the packets of one kind, or their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Kind of packets; one bit.
    pub traits: Traits,
    /// Their bytes on the wire, and not the packets.
    pub bytes: bool,
}

impl Subject {
    /// Every packet.
    pub const PACKETS: Self = Self::of(Traits::ANY);
    /// TCP connection requests.
    pub const SYN: Self = Self::of(Traits::SYN);

    /// Packets of this kind.
    pub const fn of(traits: Traits) -> Self {
        Self { traits, bytes: false }
    }

    /// What there is to be counted, for messages.
    fn choices() -> String {
        let kinds = Traits::NAMES.map(|(_, name)| name).join(", ");
        format!("{kinds}; bytes, or the bytes of a kind, such as udp-bytes")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes && self.traits == Traits::ANY {
            return formatter.write_str("bytes");
        }
        let name = Traits::NAMES
            .iter()
            .find(|(traits, _)| *traits == self.traits)
            .map_or("packets", |(_, name)| name);
        write!(formatter, "{name}{}", if self.bytes { "-bytes" } else { "" })
    }
}

/// A text that names nothing that is counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that is counted; there are {choices}", choices = Subject::choices())]
pub struct UnknownSubject(String);

impl FromStr for Subject {
    type Err = UnknownSubject;

    fn from_str(text: &str) -> Result<Self, UnknownSubject> {
        if text == "bytes" {
            return Ok(Self { traits: Traits::ANY, bytes: true });
        }
        let (kind, bytes) = text.strip_suffix("-bytes").map_or((text, false), |kind| (kind, true));
        let found = Traits::NAMES.iter().find(|(_, name)| *name == kind);
        found
            .map(|(traits, _)| Self { traits: *traits, bytes })
            .ok_or_else(|| UnknownSubject(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_written_as_they_are_read() {
        for text in ["packets", "bytes", "syn", "dns-query", "udp-bytes", "fragment"] {
            assert_eq!(text.parse::<Subject>().map(|subject| subject.to_string()), Ok(text.to_owned()));
        }
        let error = "syns".parse::<Subject>().unwrap_err().to_string();
        assert!(error.contains("dns-query") && error.contains("udp-bytes"), "{error}");
    }
}
