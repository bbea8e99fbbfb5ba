//! Which autonomous system, and which country, an address is of: by databases in files that the operator names.
//!
//! Files are in MaxMind's format, or in the text that CAIDA makes of RouteViews; gzipped or not. [`Origins`] reads them
//! when it is asked to [look](Origins::look), again when they have changed, and answers from what it has read last. A
//! [`Selector`] names one of both, as `asn:64500` or `country:XX`, and stands for the prefixes that a database has for it.
//!
//! A database is as old as its file, a country is where a prefix was registered or is said to be used, and an address in a
//! packet can be forged: none of it accuses anybody.

mod database;
mod error;
mod kind;
mod maxmind;
mod origins;
mod segments;
mod selector;
mod text;
mod unwrapped;

pub use error::{LoadError, OriginError};
pub use origins::{Files, Origin, Origins};
pub use selector::{Country, Selector, SelectorError};
pub use unwrapped::unwrapped;
