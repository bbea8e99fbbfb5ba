//! Names of ranges: by what an operator calls a CDN or a crawler.

use std::fmt;

/// Longest name, bytes.
const MAX_NAME: usize = 32;

/// What the ranges of a CDN or a crawler are called: `cloudflare` of `cdn:cloudflare`. Lower-case letters, digits, `-`, `_` and
/// `.`; 1 to 32 of them, of which the first is a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RangeName(String);

impl RangeName {
    /// What such a name looks like, for error messages.
    pub const FORM: &str = "1 to 32 letters, digits, `-`, `_` or `.`, and begins with a letter or a digit";

    /// The name, in lower case; `None` if it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        (begins && text.len() <= MAX_NAME && text.bytes().all(is_sound))
            .then(|| Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for RangeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word() {
        for (given, expected) in
            [("cloudflare", Some("cloudflare")), ("Google-Bot.2", Some("google-bot.2")), ("1x_", Some("1x_"))]
        {
            assert_eq!(RangeName::new(given).map(|name| name.to_string()).as_deref(), expected, "{given}");
        }
        for given in ["", "-x", "a b", "a/b", "é", "a:b", "while attacked", &"a".repeat(33)] {
            assert_eq!(RangeName::new(given), None, "{given}");
        }
        assert!(RangeName::new(&"a".repeat(32)).is_some());
    }
}
