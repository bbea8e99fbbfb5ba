//! The ranges that CDNs and crawlers publish: JSON of the shapes that are in use, or text of a prefix a line.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use floodwall_policy::lists;
use ipnetwork::IpNetwork;
use serde::Deserialize;

use crate::{
    database::Database,
    error::{LoadError, RangesError},
    file,
};

/// Largest accepted file after decompression, MiB.
const MAX_MEBIBYTES: u64 = 64;
/// Most addresses that ranges may cover of IPv4 (a 64th of all) and of IPv6 (those of a /16), with the words for it.
const MOST_ADDRESSES: [(u128, &str, &str); 2] =
    [(1 << 26, "IPv4", "a 64th of all"), (1 << 112, "IPv6", "what a /16 holds")];
/// Services that an error names.
const NAMED: usize = 8;

/// A file of ranges that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct RangesFileError {
    /// Which one.
    pub file: PathBuf,
    /// Why.
    #[source]
    pub why: LoadError,
}

/// Reads the published ranges that several files hold, as the fewest prefixes that cover them. Of documents that tell of several
/// services only those of `service` are taken, if it is given.
///
/// # Errors
///
/// If a file cannot be read or understood, holds no range, or they cover so much that something else is meant.
pub fn load_ranges(files: &[PathBuf], service: Option<&str>) -> Result<Vec<IpNetwork>, RangesFileError> {
    load(files, service).map_err(|(index, why)| {
        let file = files.get(index).cloned().unwrap_or_default();
        RangesFileError { file, why }
    })
}

/// As [`load_ranges`]; the error comes with the file's index in `files`.
pub(crate) fn load<P: AsRef<Path>>(
    files: &[P],
    service: Option<&str>,
) -> Result<Vec<IpNetwork>, (usize, LoadError)> {
    files.iter().enumerate().try_fold(Vec::new(), |before, (index, path)| {
        with_file(before, path.as_ref(), service).map_err(|error| (index, error))
    })
}

/// What was read before, and what a file holds.
fn with_file(
    mut all: Vec<IpNetwork>,
    path: &Path,
    service: Option<&str>,
) -> Result<Vec<IpNetwork>, LoadError> {
    all.extend(read(&file::read(path, MAX_MEBIBYTES)?, service)?);
    let all = Database::condensed(&all);
    refuse_too_much(&all)?;
    Ok(all)
}

/// Refuses prefixes that cover so many addresses that they cannot be the ranges of a CDN or a crawler.
///
/// # Errors
///
/// If so. Prefixes that overlap count twice.
pub fn refuse_too_much(prefixes: &[IpNetwork]) -> Result<(), RangesError> {
    let mut covered = [0_u128; 2];
    for prefix in prefixes {
        let (family, bits) = match prefix {
            IpNetwork::V4(_) => (0, 32),
            IpNetwork::V6(_) => (1, 128),
        };
        let addresses = 1_u128.checked_shl(bits - u32::from(prefix.prefix())).unwrap_or(u128::MAX);
        covered[family] = covered[family].saturating_add(addresses);
    }
    match covered.into_iter().zip(MOST_ADDRESSES).find(|(covered, (most, ..))| covered > most) {
        Some((_, (_, family, most))) => Err(RangesError::TooMuch { family, most }),
        None => Ok(()),
    }
}

/// The ranges of one document.
fn read(bytes: &[u8], service: Option<&str>) -> Result<Vec<IpNetwork>, RangesError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let found = match text.first() {
        Some(b'{') => serde_json::from_slice::<Document>(text).map_err(RangesError::Json)?.ranges(service)?,
        Some(b'[') => {
            let texts: Vec<String> = serde_json::from_slice(text).map_err(RangesError::Json)?;
            refuse_service(service)?;
            parsed(texts.iter().map(String::as_str))?
        }
        _ => {
            refuse_service(service)?;
            lines(bytes)?
        }
    };
    if found.is_empty() { Err(RangesError::Empty) } else { Ok(found) }
}

/// A document without services has none of that name.
fn refuse_service(service: Option<&str>) -> Result<(), RangesError> {
    service.map_or(Ok(()), |service| Err(no_such_service(service, &[])))
}

/// A prefix a line, with comments.
fn lines(bytes: &[u8]) -> Result<Vec<IpNetwork>, RangesError> {
    let list = lists::parse(bytes, bytes.len() as u64, &mut |_, _| ())?;
    if let Some(lists::Problem { line, text, message }) = list.problems.into_iter().next() {
        return Err(RangesError::Line { line, text, message });
    }
    Ok(list.prefixes)
}

fn parsed<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<IpNetwork>, RangesError> {
    /// Characters of an entry that the error quotes.
    const QUOTED: usize = 60;
    texts
        .map(|text| {
            lists::parse_prefix(text).map_err(|_| RangesError::Prefix(text.chars().take(QUOTED).collect()))
        })
        .collect()
}

/// The shapes of JSON objects in use, all in one: what a document does not have is left out.
#[derive(Default, Deserialize)]
struct Document {
    /// Fastly's.
    #[serde(default)]
    addresses: Option<Vec<String>>,
    #[serde(default)]
    ipv6_addresses: Option<Vec<String>>,
    /// Those of Amazon, Google and Bing.
    #[serde(default)]
    prefixes: Option<Vec<Entry>>,
    #[serde(default)]
    ipv6_prefixes: Option<Vec<Entry>>,
    /// What Cloudflare's API answers.
    #[serde(default)]
    result: Option<Blocks>,
}

/// A prefix, and of which service it is.
#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "ipv4Prefix")]
    ip_prefix: Option<String>,
    #[serde(alias = "ipv6Prefix")]
    ipv6_prefix: Option<String>,
    service: Option<String>,
}

#[derive(Default, Deserialize)]
struct Blocks {
    #[serde(default)]
    ipv4_cidrs: Vec<String>,
    #[serde(default)]
    ipv6_cidrs: Vec<String>,
}

impl Document {
    fn ranges(&self, service: Option<&str>) -> Result<Vec<IpNetwork>, RangesError> {
        let Self { addresses, ipv6_addresses, prefixes, ipv6_prefixes, result } = self;
        let plain = [addresses, ipv6_addresses].into_iter().flatten().flatten();
        let blocks = result.iter().flat_map(|blocks| blocks.ipv4_cidrs.iter().chain(&blocks.ipv6_cidrs));
        let mut texts: Vec<&str> = plain.chain(blocks).map(String::as_str).collect();
        let entries: Vec<&Entry> = [prefixes, ipv6_prefixes].into_iter().flatten().flatten().collect();
        let is_known = addresses.is_some()
            || ipv6_addresses.is_some()
            || prefixes.is_some()
            || ipv6_prefixes.is_some()
            || result.is_some();
        if !is_known {
            return Err(RangesError::Shape);
        }
        if let Some(service) = service
            && !entries.iter().any(|entry| entry.is_of(service))
        {
            return Err(no_such_service(service, &entries));
        }
        for entry in entries.iter().filter(|entry| service.is_none_or(|service| entry.is_of(service))) {
            let found = [&entry.ip_prefix, &entry.ipv6_prefix].into_iter().flatten().map(String::as_str);
            let before = texts.len();
            texts.extend(found);
            if texts.len() == before {
                return Err(RangesError::Shape);
            }
        }
        parsed(texts.into_iter())
    }
}

impl Entry {
    fn is_of(&self, service: &str) -> bool {
        self.service.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(service))
    }
}

fn no_such_service(service: &str, entries: &[&Entry]) -> RangesError {
    let all: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.service.as_deref()).collect();
    let named = all.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let there = match all.len() {
        0 => "it tells of none at all: leave the service out".to_owned(),
        count if count > NAMED => format!("there are {named} and {} more", count - NAMED),
        _ => format!("there are {named}"),
    };
    RangesError::NoService { service: service.to_owned(), there }
}

#[cfg(test)]
mod tests;
