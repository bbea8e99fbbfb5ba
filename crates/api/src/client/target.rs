//! Paths with parameters.

use std::fmt::{Display, Write as _};

/// `path` with the parameters that are given: `target("/v1/block", [("limit", &10)])` is
/// `/v1/block?limit=10`.
pub fn target<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, &'a dyn Display)>) -> String {
    let mut target = path.to_owned();
    for (index, (name, value)) in parameters.into_iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        for byte in value.to_string().bytes() {
            // The unreserved characters of RFC 3986, 2.3.
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                target.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                _ = write!(target, "%{byte:02X}");
            }
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_escaped() {
        assert_eq!(target("/v1/status", []), "/v1/status");
        assert_eq!(
            target(
                "/v1/block",
                [("after", &"2001:db8::/32" as &dyn Display), ("name", &"a b&ü"), ("limit", &1)]
            ),
            "/v1/block?after=2001%3Adb8%3A%3A%2F32&name=a%20b%26%C3%BC&limit=1"
        );
    }
}
