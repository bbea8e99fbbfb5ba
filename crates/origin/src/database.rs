//! One database in memory, as read from its files: address ranges with their owners, and the owners' names.

use std::{collections::HashMap, net::IpAddr, path::Path};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::{error::LoadError, file, kind::Kind, maxmind, segments::Segments, text, unwrapped::unwrapped};

/// Largest accepted file after decompression, MiB: several times the size of the largest published databases.
const MAX_MEBIBYTES: u64 = 1_024;

/// Maps addresses to owners: autonomous system numbers, or countries as [`Country::number`](crate::Country) packs them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    v4: Segments<u32>,
    v6: Segments<u128>,
    names: HashMap<u32, String>,
}

/// Prefixes collected while the files are read, each as its first address, its last address and its owner.
#[derive(Default)]
struct Prefixes {
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
}

impl Prefixes {
    fn push(&mut self, prefix: IpNetwork, owner: u32) {
        match prefix {
            IpNetwork::V4(prefix) => {
                self.v4.push((prefix.network().to_bits(), prefix.broadcast().to_bits(), owner));
            }
            IpNetwork::V6(prefix) => {
                let (first, last) = (prefix.network().to_bits(), prefix.broadcast().to_bits());
                self.v6.push((first, last, owner));
            }
        }
    }
}

impl From<Prefixes> for Database {
    fn from(Prefixes { v4, v6 }: Prefixes) -> Self {
        Self { v4: Segments::of(v4), v6: Segments::of(v6), names: HashMap::new() }
    }
}

impl Database {
    /// Reads several files of one kind into one database; usually they cover different address families.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is not a database of this kind. The error comes with the file's index in `files`.
    pub(crate) fn load<P: AsRef<Path>>(files: &[P], kind: Kind) -> Result<Self, (usize, LoadError)> {
        let mut prefixes = Prefixes::default();
        let mut names = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            read(file.as_ref(), kind, &mut prefixes, &mut names).map_err(|error| (index, error))?;
        }
        Ok(Self { names, ..prefixes.into() })
    }

    /// The fewest prefixes that cover exactly the same addresses as these.
    pub(crate) fn condensed(prefixes: &[IpNetwork]) -> Vec<IpNetwork> {
        /// Stands for the one owner that there is.
        const OWNER: u32 = 1;
        let mut all = Prefixes::default();
        prefixes.iter().for_each(|prefix| all.push(*prefix, OWNER));
        Self::from(all).prefixes(OWNER)
    }

    /// The owner of an address.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<u32> {
        match unwrapped(address) {
            IpAddr::V4(address) => self.v4.owner(address.to_bits()),
            IpAddr::V6(address) => self.v6.owner(address.to_bits()),
        }
    }

    /// The name of an owner.
    pub(crate) fn name(&self, owner: u32) -> Option<&str> {
        self.names.get(&owner).map(String::as_str)
    }

    /// The fewest prefixes that cover exactly an owner's addresses.
    pub(crate) fn prefixes(&self, owner: u32) -> Vec<IpNetwork> {
        let v4 = self.v4.prefixes(owner).into_iter().filter_map(|(address, length)| {
            Ipv4Network::new((address as u32).into(), length).ok().map(IpNetwork::V4)
        });
        let v6 = self.v6.prefixes(owner).into_iter();
        let v6 = v6
            .filter_map(|(address, length)| Ipv6Network::new(address.into(), length).ok().map(IpNetwork::V6));
        v4.chain(v6).collect()
    }
}

fn read(
    path: &Path,
    kind: Kind,
    prefixes: &mut Prefixes,
    names: &mut HashMap<u32, String>,
) -> Result<(), LoadError> {
    let bytes = file::read(path, MAX_MEBIBYTES)?;
    let mut found = false;
    let mut add = |prefix, owner| {
        found = true;
        prefixes.push(prefix, owner);
    };
    if maxmind::is_database(&bytes) {
        names.extend(maxmind::read(bytes, kind, &mut add)?);
    } else if kind == Kind::Country {
        return Err(LoadError::NoCountries);
    } else {
        text::read(&bytes, &mut add)?;
    }
    if found { Ok(()) } else { Err(LoadError::Nothing(kind.noun())) }
}
