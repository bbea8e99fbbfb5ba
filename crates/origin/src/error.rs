//! Errors of loading a database, and of asking it for prefixes.

use std::io;

use floodwall_policy::lists;

use crate::{range_name::RangeName, selector::Selector};

/// Why a file could not be loaded as a database.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is larger than any database of this kind should be. The limit is in MiB.
    #[error("it holds more than {0} MiB")]
    TooLong(u64),
    /// It has MaxMind's metadata marker, but its contents cannot be decoded.
    #[error("it is in MaxMind's format, and damaged: {0}")]
    Damaged(#[from] maxminddb::MaxMindDbError),
    /// It is neither in MaxMind's format nor text.
    #[error(
        "it is neither in MaxMind's format nor text of a prefix and a number a line, such as `192.0.2.0 24 64500`; is it gzipped \
         twice, or a page that says that it could not be had?"
    )]
    NoText,
    /// A line of a text database cannot be parsed.
    #[error(
        "line {line} is no prefix with the number of an autonomous system: `{text}`; `192.0.2.0 24 64500` is one"
    )]
    Line {
        /// Its number, counted from 1.
        line: u64,
        /// Its first characters.
        text: String,
    },
    /// It holds no entry of the kind that it was configured for.
    #[error("it tells of no {0}; is it another kind of database?")]
    Nothing(&'static str),
    /// A text file was configured as a source of countries.
    #[error(
        "it is text, which tells of autonomous systems only; countries come from a file in MaxMind's format"
    )]
    NoCountries,
    /// It holds no ranges that could be meant.
    #[error(transparent)]
    Ranges(#[from] RangesError),
}

/// Why a document's ranges are not used.
#[derive(Debug, thiserror::Error)]
pub enum RangesError {
    /// It is damaged, or something else than JSON although it begins like it.
    #[error("it begins like JSON and cannot be read as such: {0}; was it cut off?")]
    Json(#[source] serde_json::Error),
    /// JSON of another shape.
    #[error(
        "it is JSON that tells of no ranges in a shape that is known: `addresses`, `prefixes` with `ip_prefix` or `ipv4Prefix`, \
         `ipv4_cidrs`, or a list of prefixes; is it another document?"
    )]
    Shape,
    /// An entry is no prefix.
    #[error("`{0}` in it is no prefix")]
    Prefix(String),
    /// A line of text is no prefix.
    #[error("line {line} of it, `{text}`: {message}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// How it begins.
        text: String,
        /// What is wrong with it.
        message: String,
    },
    /// Text that is no list.
    #[error(transparent)]
    Text(#[from] lists::ListError),
    /// There is no range in it.
    #[error("it holds no range")]
    Empty,
    /// The service that was named is not among those that it tells of.
    #[error("it tells of no service `{service}`; {there}")]
    NoService {
        /// The one that was named.
        service: String,
        /// What there is, in words.
        there: String,
    },
    /// More addresses than anybody's ranges should have.
    #[error(
        "its ranges cover more {family} addresses than a CDN or a crawler has (the most is {most}); is it the right document, \
         and if it tells of several services, is one of them named?"
    )]
    TooMuch {
        /// The family of which it is too much.
        family: &'static str,
        /// As much would be accepted, in words.
        most: &'static str,
    },
}

/// Why a selector could not be turned into prefixes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The configuration names no database of the kind that the selector needs.
    #[error(
        "no database tells which prefixes {selector} has: name a file in the configuration, `[origin]` with `{key} = \"/path\"`, \
         and start floodwall again"
    )]
    NotConfigured {
        /// What was asked for.
        selector: Selector,
        /// The key of `[origin]` that is missing.
        key: &'static str,
    },
    /// The configuration names no file for the ranges of this name.
    #[error(
        "no file tells which ranges cdn:{name} has: name one in the configuration, `[origin]` with `cdn.{name} = \"/path\"`, and \
         start floodwall again; or allow ranges under that name by `floodwall allow import FILE --as cdn:{name}`"
    )]
    NoRanges {
        /// What was asked for.
        name: RangeName,
    },
    /// A database is configured, and could not be read.
    #[error("the database that tells which prefixes {selector} has could not be read: {why}")]
    NotLoaded {
        /// What was asked for.
        selector: Selector,
        /// The problem that reading it met.
        why: String,
    },
    /// The database has no prefix for the selector.
    #[error("{selector} has no prefix in {files}; is it the right one?")]
    NoPrefix {
        /// What was asked for.
        selector: Selector,
        /// The files that were searched, joined by commas.
        files: String,
    },
}
