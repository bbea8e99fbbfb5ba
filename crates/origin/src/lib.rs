//! Looks up the autonomous system and the country of an address, in databases that the operator provides as files, and reads
//! the ranges that CDNs and crawlers publish.
//!
//! A file is in MaxMind's format or in the text format of CAIDA's RouteViews prefix-to-AS data, gzipped or not. [`Origins`]
//! loads the files on [`refresh`](Origins::refresh), loads them again after they have changed, and answers from what it
//! loaded last. A [`Selector`], such as `asn:64500`, `country:XX` or `cdn:NAME`, stands for all prefixes that a database or the
//! published ranges have for it.
//!
//! Treat the answers with care: a database is only as current as its file, a country is where a prefix was registered or is
//! said to be used, and the source address of a packet can be forged.

mod database;
mod dataset;
mod error;
mod file;
mod kind;
mod maxmind;
mod origins;
mod published_ranges;
mod range_name;
mod segments;
mod selector;
mod text;
mod unwrapped;

pub use error::{LoadError, OriginError, RangesError};
pub use origins::{Files, Origin, Origins, RangeFiles};
pub use published_ranges::{RangesFileError, load_ranges, refuse_too_much};
pub use range_name::RangeName;
pub use selector::{Country, Selector, SelectorError};
pub use unwrapped::unwrapped;
