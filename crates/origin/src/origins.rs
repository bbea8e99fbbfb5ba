//! The configured databases: loaded once, and again when their files have changed.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, sync::Arc};

use ipnetwork::IpNetwork;

use crate::{
    database::Database,
    dataset::Dataset,
    error::OriginError,
    kind::Kind,
    published_ranges,
    range_name::RangeName,
    selector::{Country, Selector},
};

/// The files of the databases, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Those that map addresses to autonomous systems.
    pub asn: Vec<PathBuf>,
    /// Those that map addresses to countries.
    pub country: Vec<PathBuf>,
    /// Those that tell the ranges of a CDN or a crawler, by its name.
    pub cdn: BTreeMap<RangeName, RangeFiles>,
}

/// The files that tell the ranges of one CDN or crawler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeFiles {
    /// All of them together are its ranges.
    pub files: Vec<PathBuf>,
    /// Of documents that tell of several services, the one that is meant.
    pub service: Option<String>,
}

/// What the databases say about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The autonomous system that announces it.
    pub asn: Option<u32>,
    /// The name of that autonomous system.
    pub name: Option<String>,
    /// The country that it is said to be in.
    pub country: Option<Country>,
}

/// Answers which autonomous system and country an address belongs to. Without configured files it knows of none.
#[derive(Debug)]
pub struct Origins {
    asn: Dataset<Database>,
    country: Dataset<Database>,
    cdn: BTreeMap<RangeName, Ranges>,
}

/// The ranges of one CDN or crawler.
#[derive(Debug)]
struct Ranges {
    dataset: Dataset<Vec<IpNetwork>>,
    service: Option<String>,
}

impl Ranges {
    fn new(name: &RangeName, RangeFiles { files, service }: RangeFiles) -> Self {
        Self { dataset: Dataset::new(format!("cdn.{name}"), files), service }
    }

    fn refresh(&self) -> bool {
        self.dataset.refresh(|files| published_ranges::load(files, self.service.as_deref()))
    }
}

impl Origins {
    /// Loads nothing yet: see [`Self::refresh`].
    pub fn new(Files { asn, country, cdn }: Files) -> Self {
        let ranges = |(name, files)| {
            let ranges = Ranges::new(&name, files);
            (name, ranges)
        };
        Self {
            asn: Dataset::new(Kind::Asn.key(), asn),
            country: Dataset::new(Kind::Country.key(), country),
            cdn: cdn.into_iter().map(ranges).collect(),
        }
    }

    /// Loads databases that were not loaded yet, and those whose files have changed and then stayed the same between two
    /// refreshes, so that a half-written file is not read. Returns whether a database was loaded. Takes seconds for large
    /// files.
    ///
    /// A database that cannot be loaded leaves the previous one in use, and is reported by [`Self::problems`].
    pub fn refresh(&self) -> bool {
        // Without short circuit: all are refreshed.
        let [asn, country] = [(&self.asn, Kind::Asn), (&self.country, Kind::Country)]
            .map(|(dataset, kind)| dataset.refresh(|files| Database::load(files, kind)));
        let cdn = self.cdn.values().filter(|ranges| ranges.refresh()).count();
        asn || country || cdn > 0
    }

    /// Why databases differ from what their files hold now.
    pub fn problems(&self) -> Vec<String> {
        let databases = [self.asn.problem(), self.country.problem()].into_iter().flatten();
        databases.chain(self.cdn.values().filter_map(|ranges| ranges.dataset.problem())).collect()
    }

    /// Whether any file is configured.
    pub fn are_configured(&self) -> bool {
        self.asn.is_configured() || self.country.is_configured() || !self.cdn.is_empty()
    }

    /// Whether the prefixes of a selector are those that files tell: always, but for ranges that were named by hand.
    pub fn tell_of(&self, selector: &Selector) -> bool {
        match selector {
            Selector::Asn(_) | Selector::Country(_) => true,
            Selector::Cdn(name) => self.cdn.contains_key(name),
        }
    }

    /// The autonomous system that announces an address, and its country.
    pub fn asn_and_country(&self, address: IpAddr) -> (Option<u32>, Option<Country>) {
        let [asn, country] =
            [&self.asn, &self.country].map(|dataset| dataset.content().and_then(|all| all.owner(address)));
        (asn, country.and_then(Country::of_number))
    }

    /// Everything that the databases say about an address.
    pub fn of(&self, address: IpAddr) -> Origin {
        let (asn, country) = self.asn_and_country(address);
        Origin { asn, name: asn.and_then(|asn| self.name(asn)), country }
    }

    /// The name of an autonomous system.
    pub fn name(&self, asn: u32) -> Option<String> {
        self.asn.content()?.name(asn).map(str::to_owned)
    }

    /// The fewest prefixes that cover exactly the addresses of an autonomous system or a country, or the ranges of a CDN.
    ///
    /// # Errors
    ///
    /// If no file of this kind is loaded, or it has no prefix for the selector.
    pub fn prefixes(&self, selector: &Selector) -> Result<Vec<IpNetwork>, OriginError> {
        match selector {
            Selector::Asn(number) => of_database(&self.asn, selector, Kind::Asn, *number),
            Selector::Country(country) => {
                of_database(&self.country, selector, Kind::Country, country.number())
            }
            Selector::Cdn(name) => {
                let Some(Ranges { dataset, .. }) = self.cdn.get(name) else {
                    return Err(OriginError::NoRanges { name: name.clone() });
                };
                loaded(dataset, selector).map(|prefixes| (*prefixes).clone())
            }
        }
    }
}

/// What a database has for a selector.
fn of_database(
    dataset: &Dataset<Database>,
    selector: &Selector,
    kind: Kind,
    owner: u32,
) -> Result<Vec<IpNetwork>, OriginError> {
    if !dataset.is_configured() {
        return Err(OriginError::NotConfigured { selector: selector.clone(), key: kind.key() });
    }
    let prefixes = loaded(dataset, selector)?.prefixes(owner);
    if prefixes.is_empty() {
        return Err(OriginError::NoPrefix { selector: selector.clone(), files: dataset.file_names() });
    }
    Ok(prefixes)
}

fn loaded<T>(dataset: &Dataset<T>, selector: &Selector) -> Result<Arc<T>, OriginError> {
    dataset.content().ok_or_else(|| {
        let why =
            dataset.problem().unwrap_or_else(|| "it was not read yet; try again in a moment".to_owned());
        OriginError::NotLoaded { selector: selector.clone(), why }
    })
}

impl Default for Origins {
    fn default() -> Self {
        Self::new(Files::default())
    }
}

#[cfg(test)]
mod tests;
