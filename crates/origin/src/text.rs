//! Reads text databases: prefixes and the autonomous systems that announce them. A line is either the three columns of
//! CAIDA's RouteViews data (`pfx2as`), which are address, length and number, or a prefix and a number.

use ipnetwork::IpNetwork;

use crate::{error::LoadError, selector::as_number};

/// Characters of a bad line that the error quotes.
const QUOTED: usize = 60;

/// Passes the prefix and the number of each line to `add`.
///
/// # Errors
///
/// If the bytes are not text, or a line cannot be parsed.
pub(crate) fn read(bytes: &[u8], mut add: impl FnMut(IpNetwork, u32)) -> Result<(), LoadError> {
    let text = str::from_utf8(bytes).map_err(|_| LoadError::NoText)?;
    let first = text.trim_start_matches('\u{feff}').trim_start();
    if text.contains('\0') || first.starts_with('<') || first.starts_with('{') {
        return Err(LoadError::NoText);
    }
    for (number, line) in (1..).zip(first.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (prefix, owner) = prefix_of(line)
            .ok_or_else(|| LoadError::Line { line: number, text: line.chars().take(QUOTED).collect() })?;
        if let Some(owner) = owner {
            add(prefix, owner);
        }
    }
    Ok(())
}

/// A prefix and the autonomous system that announces it. The latter is `None` for the reserved number 0.
fn prefix_of(line: &str) -> Option<(IpNetwork, Option<u32>)> {
    let mut fields = line.split_whitespace();
    let (address, second, third) = (fields.next()?, fields.next()?, fields.next());
    if fields.next().is_some() {
        return None;
    }
    let (prefix, owner) = match third {
        Some(owner) => (IpNetwork::new(address.parse().ok()?, second.parse().ok()?).ok()?, owner),
        None if address.contains('/') => (address.parse::<IpNetwork>().ok()?, second),
        None => return None,
    };
    // Several origins are joined by `_`, and the members of an AS set by `,`; the most frequent comes first.
    let first = owner.split(['_', ',']).next()?.trim_matches(['{', '}']);
    match as_number(first) {
        Some(owner) => Some((prefix, Some(owner))),
        None => (first == "0").then_some((prefix, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(String, u32)>, LoadError> {
        let mut found = Vec::new();
        read(text.as_bytes(), |prefix, owner| found.push((prefix.to_string(), owner)))?;
        Ok(found)
    }

    #[test]
    fn both_forms_are_read() {
        let text = "# made by hand\n192.0.2.0\t24\t64500\n198.51.100.0 24 64501_64502\n\n2001:db8:: 32 64503,64504\n\
                    203.0.113.0/24 AS64505\n10.0.0.0 8 0\n";
        let expected = [
            ("192.0.2.0/24", 64_500),
            ("198.51.100.0/24", 64_501),
            ("2001:db8::/32", 64_503),
            ("203.0.113.0/24", 64_505),
        ];
        let expected: Vec<_> = expected.map(|(prefix, owner)| (prefix.to_owned(), owner)).into();
        assert_eq!(all(text).expect("sound"), expected);
    }

    #[test]
    fn what_is_something_else_is_told_with_its_line() {
        for (text, expected) in [
            ("192.0.2.0 24 64500\n192.0.2.0 33 64500", "line 2"),
            ("192.0.2.0 24", "line 1"),
            ("a,b,c", "line 1"),
            ("<html>not found", "a page"),
            ("\0\0", "neither in MaxMind's format nor text"),
        ] {
            let error = all(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
