//! Spans of time as people write them.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::spelled_span;

/// A span of time, such as `90s` or `5m`, that is from `LEAST` to `MOST` seconds long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<const LEAST: u64, const MOST: u64>(pub Duration);

impl<const LEAST: u64, const MOST: u64> FromStr for Span<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let length = humantime::parse_duration(text)
            .map_err(|_| format!("`{text}` is no span of time; 90s, 5m, 1h and 1d are"))?;
        if (Duration::from_secs(LEAST)..=Duration::from_secs(MOST)).contains(&length) {
            return Ok(Self(length));
        }
        Err(format!("`{text}` is not from {} to {}", spelled_span(LEAST), spelled_span(MOST)))
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Span<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_within_its_range() {
        let read = |text: &str| text.parse::<Span<1, 300>>().map(|span| span.0);
        assert_eq!(read("90s"), Ok(Duration::from_secs(90)));
        assert_eq!([read("1s"), read("5m")], [1, 300].map(|seconds| Ok(Duration::from_secs(seconds))));
        for text in ["999ms", "301s", "1d"] {
            assert_eq!(read(text), Err(format!("`{text}` is not from 1 s to 5 min")));
        }
        assert_eq!(read("soon"), Err("`soon` is no span of time; 90s, 5m, 1h and 1d are".to_owned()));
    }
}
