//! Single values as they are written in the configuration, and what is said of those that are none.

use std::ops::RangeInclusive;

use floodwall_common::wire::{Reason, Verdict};
use serde::{Deserialize, Deserializer, de};

use super::model::Protocol;
use crate::lists::parse_prefix;
use floodwall_tables::Prefix;

/// What is written as text, and understood by `FromStr`.
macro_rules! written_as_text {
    ($type:ident, $parse:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parse: fn(&str) -> Result<Self, String> = $parse;
                parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

/// A prefix of destinations.
#[derive(Clone, Debug)]
pub struct Destination(pub Prefix);
written_as_text!(Destination, |text| {
    parse_prefix(text).map(|prefix| Self(prefix.into())).map_err(|error| error.fault.to_string())
});

/// A span of time: `90s`, `5m`. Less than a second is a slip of the pen, and more than a year would outlast whoever wrote it.
pub type Span = floodwall_units::Span<1, { 365 * 86_400 }>;

/// A stage that can be monitored.
#[derive(Clone, Copy, Debug)]
pub struct Stage(pub Reason);
written_as_text!(Stage, |text| {
    let mut stages = Reason::ALL.into_iter().filter(|reason| reason.verdict() == Verdict::Drop);
    // What it was called before.
    let name = if text == "stray" { Reason::OutOfState.name() } else { text };
    stages.clone().find(|reason| reason.name() == name).map(Self).ok_or_else(|| {
        let names: Vec<_> = stages.by_ref().map(Reason::name).collect();
        format!("`{text}` is nothing that drops packets; there are {}", names.join(", "))
    })
});

/// A protocol by name or number.
#[derive(Clone, Copy, Debug)]
pub struct ProtocolName(pub Protocol);
impl<'de> Deserialize<'de> for ProtocolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(deserializer)?.0;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

/// A port, or a range of them.
#[derive(Clone, Debug)]
pub struct Ports(pub RangeInclusive<u16>);
impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = NumberOrText::deserialize(deserializer)?.0;
        let refused = || de::Error::custom(format!("`{text}` is no port; 443 and \"8000-8099\" are"));
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| refused());
        let (first, last) = (port(first)?, port(last)?);
        if first > last { Err(refused()) } else { Ok(Self(first..=last)) }
    }
}

/// What may be written as a number, too.
struct NumberOrText(String);
impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = NumberOrText;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number or text")
            }

            fn visit_i64<E>(self, number: i64) -> Result<NumberOrText, E> {
                Ok(NumberOrText(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<NumberOrText, E> {
                Ok(NumberOrText(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
