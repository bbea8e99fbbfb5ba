//! Looks up the autonomous system and the country of an address, in databases that the operator provides as files.
//!
//! A file is in MaxMind's format or in the text format of CAIDA's RouteViews prefix-to-AS data, gzipped or not. [`Origins`]
//! loads the files on [`refresh`](Origins::refresh), loads them again after they have changed, and answers from what it
//! loaded last. A [`Selector`], such as `asn:64500` or `country:XX`, stands for all prefixes that a database has for it.
//!
//! Treat the answers with care: a database is only as current as its file, a country is where a prefix was registered or is
//! said to be used, and the source address of a packet can be forged.

mod database;
mod error;
mod kind;
mod maxmind;
mod origins;
mod segments;
mod selector;
mod text;
mod unwrapped;

pub use error::OriginError;
pub use origins::{Files, Origin, Origins};
pub use selector::{Country, Selector, SelectorError};
pub use unwrapped::unwrapped;
