//! A database as it was read from its files.

use std::{collections::HashMap, fs::File, io::Read as _, net::IpAddr, path::Path};

use flate2::read::MultiGzDecoder;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::{error::LoadError, kind::Kind, maxmind, segments::Segments, text, unwrapped::unwrapped};

/// Longest file, unpacked: several times what the largest of them hold, MiB.
const MOST_MEBIBYTES: u64 = 1_024;
/// What a gzipped file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Whose addresses are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    v4: Segments<u32>,
    v6: Segments<u128>,
    names: HashMap<u32, String>,
}

/// Prefixes as they are read.
#[derive(Default)]
struct Prefixes {
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
}

impl Prefixes {
    fn take(&mut self, prefix: IpNetwork, owner: u32) {
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

impl Database {
    /// Reads files that tell the same of different addresses.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or is no database of this kind; with its place among them.
    pub(crate) fn load<P: AsRef<Path>>(files: &[P], kind: Kind) -> Result<Self, (usize, LoadError)> {
        let mut prefixes = Prefixes::default();
        let mut names = HashMap::new();
        for (place, file) in files.iter().enumerate() {
            read(file.as_ref(), kind, &mut prefixes, &mut names).map_err(|error| (place, error))?;
        }
        let Prefixes { v4, v6 } = prefixes;
        Ok(Self { v4: Segments::of(v4), v6: Segments::of(v6), names })
    }

    /// Whose an address is.
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

    /// The prefixes of an owner.
    pub(crate) fn prefixes(&self, owner: u32) -> Vec<IpNetwork> {
        let v4 = self.v4.prefixes(owner).into_iter().filter_map(|(address, length)| {
            Ipv4Network::new((address as u32).into(), length).ok().map(IpNetwork::V4)
        });
        let v6 = self.v6.prefixes(owner).into_iter();
        let v6 = v6
            .filter_map(|(address, length)| Ipv6Network::new(address.into(), length).ok().map(IpNetwork::V6));
        v4.chain(v6).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

fn read(
    path: &Path,
    kind: Kind,
    prefixes: &mut Prefixes,
    names: &mut HashMap<u32, String>,
) -> Result<(), LoadError> {
    let mut file = File::open(path)?;
    let mut bytes = whole(&mut file)?;
    if bytes.starts_with(&GZIP) {
        bytes = whole(&mut MultiGzDecoder::new(bytes.as_slice()))?;
    }
    let mut found = false;
    let mut take = |prefix, owner| {
        found = true;
        prefixes.take(prefix, owner);
    };
    if maxmind::is_one(&bytes) {
        names.extend(maxmind::read(bytes, kind, &mut take)?);
    } else if kind == Kind::Country {
        return Err(LoadError::NoCountries);
    } else {
        text::read(&bytes, &mut take)?;
    }
    if found { Ok(()) } else { Err(LoadError::Nothing(kind.words())) }
}

fn whole(from: &mut impl std::io::Read) -> Result<Vec<u8>, LoadError> {
    let most = MOST_MEBIBYTES << 20;
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(LoadError::TooLong(MOST_MEBIBYTES));
    }
    Ok(bytes)
}
