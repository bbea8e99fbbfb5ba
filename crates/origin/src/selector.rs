//! Selectors: an autonomous system, a country or a CDN, which stands for all of its prefixes.

use std::{fmt, str::FromStr};

use crate::range_name::RangeName;

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It has the form of neither.
    #[error(
        "`{0}` is neither asn:NUMBER, such as asn:64500, nor country:XX, such as country:DE, nor cdn:NAME, such as cdn:example"
    )]
    Neither(String),
    /// What follows `asn:` is not the number of an autonomous system.
    #[error("`{0}` is no number of an autonomous system: these are 1 to 4294967295, such as asn:64500")]
    NoNumber(String),
    /// What follows `country:` is not two letters.
    #[error("`{0}` is no country: two letters name one, such as country:DE")]
    NoCountry(String),
    /// What follows `cdn:` is not a name.
    #[error("`{0}` is no name of ranges: a name is {form}, such as cdn:example", form = RangeName::FORM)]
    NoName(String),
}

/// A country, by its two-letter code (ISO 3166-1 alpha-2), in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country with this code, in upper or lower case; `None` unless it is two ASCII letters.
    pub fn new(letters: &str) -> Option<Self> {
        let &[first, second] = letters.as_bytes() else { return None };
        let letters = [first, second].map(|letter| letter.to_ascii_uppercase());
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// Its code.
    pub fn letters(&self) -> &str {
        // Both bytes are ASCII letters, so this never falls back.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its code as bytes.
    pub const fn bytes(self) -> [u8; 2] {
        self.0
    }

    /// Its code as a number other than 0, as the databases hold it.
    pub(crate) const fn number(self) -> u32 {
        u16::from_be_bytes(self.0) as u32
    }

    pub(crate) fn of_number(number: u32) -> Option<Self> {
        let [0, 0, first, second] = number.to_be_bytes() else { return None };
        Self::new(str::from_utf8(&[first, second]).ok()?)
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.letters())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.letters())
    }
}

/// An autonomous system, a country, or named ranges of a CDN or a crawler, as operators write it where a prefix is expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// `asn:64500`.
    Asn(u32),
    /// `country:XX`.
    Country(Country),
    /// `cdn:NAME`.
    Cdn(RangeName),
}

impl Selector {
    /// Whether a text begins like a selector, so that it should be parsed, and a mistake in it reported, as one.
    pub fn looks_like(text: &str) -> bool {
        let kind = text.split_once(':').map_or("", |(kind, _)| kind);
        ["asn", "as", "country", "cdn"].iter().any(|name| kind.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn(number) => write!(formatter, "asn:{number}"),
            Self::Country(country) => write!(formatter, "country:{country}"),
            Self::Cdn(name) => write!(formatter, "cdn:{name}"),
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let unknown = || SelectorError::Neither(text.to_owned());
        let (kind, value) = text.split_once(':').ok_or_else(unknown)?;
        if kind.eq_ignore_ascii_case("country") {
            let country = Country::new(value).ok_or_else(|| SelectorError::NoCountry(value.to_owned()))?;
            return Ok(Self::Country(country));
        }
        if kind.eq_ignore_ascii_case("cdn") {
            let name = RangeName::new(value).ok_or_else(|| SelectorError::NoName(value.to_owned()))?;
            return Ok(Self::Cdn(name));
        }
        if !Self::looks_like(text) {
            return Err(unknown());
        }
        let number = as_number(value).ok_or_else(|| SelectorError::NoNumber(value.to_owned()))?;
        Ok(Self::Asn(number))
    }
}

/// The number of an autonomous system, written `64500` or `AS64500`; 0 is reserved (RFC 7607) and refused.
pub(crate) fn as_number(text: &str) -> Option<u32> {
    let digits = match text.get(..2) {
        Some(start) if start.eq_ignore_ascii_case("as") => &text[2..],
        _ => text,
    };
    // `parse` alone would accept a sign.
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| only_digits && *number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autonomous_system_or_a_country_is_read_and_written() {
        for (given, written) in [
            ("asn:64500", "asn:64500"),
            ("asn:AS64500", "asn:64500"),
            ("AS:4294967295", "asn:4294967295"),
            ("country:de", "country:DE"),
            ("CDN:Example-1", "cdn:example-1"),
        ] {
            assert_eq!(
                given.parse::<Selector>().map(|selector| selector.to_string()),
                Ok(written.to_owned())
            );
        }
    }

    #[test]
    fn the_error_says_what_a_selector_looks_like() {
        for (given, expected) in [
            ("asn:0", "`0` is no number of an autonomous system"),
            ("asn:+5", "`+5` is no number"),
            ("asn:4294967296", "is no number"),
            ("country:DEU", "`DEU` is no country: two letters"),
            ("country:4!", "two letters"),
            ("cdn:", "`` is no name of ranges"),
            ("cdn:a b", "`a b` is no name of ranges: a name is 1 to 32 letters"),
            ("192.0.2.1", "`192.0.2.1` is neither"),
            ("2001:db8::1", "is neither"),
        ] {
            let error = given.parse::<Selector>().expect_err(given).to_string();
            assert!(error.contains(expected), "{given}: {error}");
        }
        assert!(!Selector::looks_like("2001:db8::1") && !Selector::looks_like("a5:b::"));
    }
}
