//! What may be wrong with a database, or with what is asked of it.

use std::io;

use crate::selector::Selector;

/// Why a file is no database.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is longer than any such database.
    #[error("it holds more than {0} MiB")]
    TooLong(u64),
    /// It says that it is in MaxMind's format, and is damaged.
    #[error("it is in MaxMind's format, and damaged: {0}")]
    Damaged(#[from] maxminddb::MaxMindDbError),
    /// It is neither in MaxMind's format nor text.
    #[error(
        "it is neither in MaxMind's format nor text of a prefix and a number a line, such as `192.0.2.0 24 64500`; is it gzipped \
         twice, or a page that says that it could not be had?"
    )]
    NoText,
    /// A line of it is not right.
    #[error(
        "line {line} is no prefix with the number of an autonomous system: `{text}`; `192.0.2.0 24 64500` is one"
    )]
    Line {
        /// Its number, from 1.
        line: u64,
        /// Its beginning.
        text: String,
    },
    /// It knows nothing of what it was named for.
    #[error("it tells of no {0}; is it another kind of database?")]
    Nothing(&'static str),
    /// Countries are asked for, and it is text.
    #[error(
        "it is text, which tells of autonomous systems only; countries come from a file in MaxMind's format"
    )]
    NoCountries,
}

/// Why something stands for no prefixes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// No database was named.
    #[error(
        "no database tells which prefixes {selector} has: name a file in the configuration, `[origin]` with `{key} = \"/path\"`, \
         and start floodwall again"
    )]
    NotConfigured {
        /// What was asked for.
        selector: Selector,
        /// What has to be configured.
        key: &'static str,
    },
    /// A database was named, and could not be read.
    #[error("the database that tells which prefixes {selector} has could not be read: {why}")]
    NotLoaded {
        /// What was asked for.
        selector: Selector,
        /// Why.
        why: String,
    },
    /// There is none of it.
    #[error("{selector} has no prefix in {files}; is it the right one?")]
    NoPrefix {
        /// What was asked for.
        selector: Selector,
        /// Where it was looked for.
        files: String,
    },
}
