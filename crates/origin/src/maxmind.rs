//! Databases in MaxMind's format, of whichever maker: these name their fields in several ways.

use std::collections::HashMap;

use ipnetwork::IpNetwork;
use maxminddb::{LookupResult, PathElement, Reader, WithinOptions};

use crate::{
    error::LoadError,
    kind::Kind,
    selector::{Country, as_number},
};

/// What stands before the description of such a database, near its end.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// How far from its end that may be, bytes.
const TAIL: usize = 128 << 10;

/// Where the number of an autonomous system stands, and its name.
const NUMBERS: [&str; 2] = ["autonomous_system_number", "asn"];
const NAMES: [&str; 3] = ["autonomous_system_organization", "as_name", "name"];

/// Whether bytes are such a database.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    tail.windows(MARKER.len()).any(|window| window == MARKER)
}

/// Reads all of it: networks and whose they are, and the names of these.
///
/// # Errors
///
/// If it is damaged.
pub(crate) fn read(
    bytes: Vec<u8>,
    kind: Kind,
    mut take: impl FnMut(IpNetwork, u32),
) -> Result<HashMap<u32, String>, LoadError> {
    let reader = Reader::from_source(bytes)?;
    // Many networks share a record.
    let mut seen: HashMap<usize, Option<u32>> = HashMap::new();
    let mut names = HashMap::new();
    for found in reader.networks(WithinOptions::default())? {
        let found = found?;
        let Some(place) = found.offset() else { continue };
        let owner = match seen.get(&place) {
            Some(owner) => *owner,
            None => {
                let owner = match kind {
                    Kind::Asn => number(&found),
                    Kind::Country => country(&found).map(Country::number),
                };
                seen.insert(place, owner);
                if let (Some(owner), Kind::Asn) = (owner, kind) {
                    let name = NAMES.iter().find_map(|field| text(&found, &[field]));
                    names.extend(name.map(|name| (owner, name)));
                }
                owner
            }
        };
        if let Some(owner) = owner {
            take(found.network()?, owner);
        }
    }
    Ok(names)
}

fn number<S: AsRef<[u8]>>(found: &LookupResult<'_, S>) -> Option<u32> {
    NUMBERS.iter().find_map(|field| {
        let path = [PathElement::Key(field)];
        let number = found.decode_path::<u32>(&path).ok().flatten();
        number.or_else(|| as_number(&text(found, &[field])?)).filter(|number| *number != 0)
    })
}

fn country<S: AsRef<[u8]>>(found: &LookupResult<'_, S>) -> Option<Country> {
    const PATHS: [&[&str]; 4] =
        [&["country", "iso_code"], &["country_code"], &["country"], &["registered_country", "iso_code"]];
    PATHS.iter().find_map(|path| Country::new(&text(found, path)?))
}

/// A text at a path; none if there is something else.
fn text<S: AsRef<[u8]>>(found: &LookupResult<'_, S>, path: &[&str]) -> Option<String> {
    let path: Vec<_> = path.iter().map(|key| PathElement::Key(key)).collect();
    found.decode_path::<String>(&path).ok().flatten().filter(|text| !text.is_empty())
}
