//! Rates and bursts as people write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

/// A number of packets or bytes, or so many a second: `200`, `"200/s"`, `"5k"`, `"20 MB/s"`, `"1 Gbit/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(pub u64);

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It is not a number with an optional unit.
    #[error("`{0}` is no number; 200, 200/s, 5k, 20MB/s and 1Gbit/s are")]
    Malformed(String),
    /// It is a rate per something else than a second.
    #[error("rates are per second, such as {0}/s")]
    NotPerSecond(String),
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let refused = || QuantityError::Malformed(text.to_owned());
        let mut rest = text.trim();
        if let Some((number, unit)) = rest.split_once('/') {
            if !matches!(unit, "s" | "sec" | "second") {
                return Err(QuantityError::NotPerSecond(number.trim().to_owned()));
            }
            rest = number.trim_end();
        }
        let (rest, divisor) = match rest {
            _ if rest.ends_with("bit") => (&rest[..rest.len() - 3], 8),
            _ if rest.ends_with('B') => (&rest[..rest.len() - 1], 1),
            _ => (rest, 1),
        };
        let rest = rest.trim_end();
        let (digits, factor) = match rest.as_bytes().last() {
            Some(b'k' | b'K') => (&rest[..rest.len() - 1], 1_000),
            Some(b'm' | b'M') => (&rest[..rest.len() - 1], 1_000_000),
            Some(b'g' | b'G') => (&rest[..rest.len() - 1], 1_000_000_000),
            _ => (rest, 1),
        };
        let digits = digits.trim_end();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused());
        }
        let number: u64 = digits.parse().map_err(|_| refused())?;
        number.checked_mul(factor).map(|number| Self(number / divisor)).ok_or_else(refused)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Quantity;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, or text such as \"200/s\", \"5k\", \"20MB/s\"")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        u64::try_from(number).map(Quantity).map_err(|_| E::custom(format!("{number} is negative")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        Ok(Quantity(number))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Quantity, E> {
        Err(E::custom(format!("{number} is far beyond anything that can be counted")))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
        Err(E::custom(format!("{number} is no whole number; 200, \"200/s\", \"5k\" and \"20MB/s\" are")))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        for (text, number) in [
            ("200", 200),
            ("200/s", 200),
            ("5k/s", 5_000),
            ("20 MB/s", 20_000_000),
            ("1 Gbit/s", 125_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Quantity(number)), "{text}");
        }
        for text in ["", "/s", "k", "-1", "+1", "1.5k", "1e3", "99999999999999999999", "5 x"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        assert_eq!("300/m".parse::<Quantity>(), Err(QuantityError::NotPerSecond("300".into())));
    }
}
