//! Reads databases in MaxMind's format. Makers other than MaxMind use it with other field names, so several are tried.

use std::collections::HashMap;

use ipnetwork::IpNetwork;
use maxminddb::{LookupResult, PathElement, Reader, WithinOptions};

use crate::{
    error::LoadError,
    kind::Kind,
    selector::{Country, as_number},
};

/// Precedes the metadata section, which is the last part of a file.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Largest size of the metadata section by the format's specification, bytes.
const TAIL: usize = 128 << 10;

/// Fields that may hold the number of an autonomous system, and its name.
const NUMBERS: [&str; 2] = ["autonomous_system_number", "asn"];
const NAMES: [&str; 3] = ["autonomous_system_organization", "as_name", "name"];

/// Whether the bytes are a database in this format.
pub(crate) fn is_database(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    tail.windows(MARKER.len()).any(|window| window == MARKER)
}

/// Passes every network with its owner to `add`, and returns the names of the owners.
///
/// # Errors
///
/// If the database is damaged.
pub(crate) fn read(
    bytes: Vec<u8>,
    kind: Kind,
    mut add: impl FnMut(IpNetwork, u32),
) -> Result<HashMap<u32, String>, LoadError> {
    let reader = Reader::from_source(bytes)?;
    // Many networks share one record, which is decoded once.
    let mut seen: HashMap<usize, Option<u32>> = HashMap::new();
    let mut names = HashMap::new();
    for found in reader.networks(WithinOptions::default())? {
        let found = found?;
        let Some(offset) = found.offset() else { continue };
        let owner = match seen.get(&offset) {
            Some(owner) => *owner,
            None => {
                let owner = match kind {
                    Kind::Asn => number(&found),
                    Kind::Country => country(&found).map(Country::number),
                };
                seen.insert(offset, owner);
                if let (Some(owner), Kind::Asn) = (owner, kind) {
                    let name = NAMES.iter().find_map(|field| text(&found, &[field]));
                    names.extend(name.map(|name| (owner, name)));
                }
                owner
            }
        };
        if let Some(owner) = owner {
            add(found.network()?, owner);
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

/// The string at a path of keys; `None` if it is missing, empty, or of another type.
fn text<S: AsRef<[u8]>>(found: &LookupResult<'_, S>, path: &[&str]) -> Option<String> {
    let path: Vec<_> = path.iter().map(|key| PathElement::Key(key)).collect();
    found.decode_path::<String>(&path).ok().flatten().filter(|text| !text.is_empty())
}
