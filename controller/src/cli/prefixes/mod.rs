//! `floodwall block` and `floodwall allow`: the two lists. Where a verb takes both, it is one file.

mod add;
mod add_ranges;
mod export;
mod flush;
mod import;
mod list;
mod pages;
mod report;
mod rm;
mod test;

use clap::Subcommand;

pub(super) use self::{pages::Pages, test::covering};

use super::{
    exit::{Done, Stop},
    session::Session,
};
use crate::api::ListName;

#[derive(Debug, Subcommand)]
pub(super) enum Block {
    /// Block prefixes: their packets are dropped before this command returns.
    ///
    /// All or none of them. Blocking what would cut off this host, its gateway or you takes --force.
    Add(add::Add),
    /// Take prefixes off the blocklist.
    ///
    /// All or none of them: if one is not listed, nothing is removed, and the exit code is 3.
    Rm(rm::Rm),
    /// Show the blocklist, in order of address.
    ///
    /// With --json, one entry a line.
    List(list::List),
    /// Say whether an address is listed, and what else decides about it: bans, signatures, limits and rules.
    ///
    /// `floodwall why` says more of what there is beside the lists.
    /// The exit code is 0 whatever the answer, unless --exit-code is given.
    Test(test::Test),
    /// Block a whole list out of a file.
    ///
    /// Reads addresses, prefixes and ranges, one a line: plain lists, .netset and .ipset files, what `ipset
    /// save` prints, tables whose first column is the address; plain or gzipped. Comments start with #, ; or
    /// //. All or nothing, unless --skip-bad is given.
    Import(import::Import),
    /// Print the blocklist in a form that can be imported.
    ///
    /// Notes and counters stay behind. With --json they do not: it prints one entry a line, as `list` does.
    Export(export::Export),
    /// Empty the blocklist, or remove what one import brought.
    Flush(flush::Flush),
}

#[derive(Debug, Subcommand)]
pub(super) enum Allow {
    /// Allow prefixes: their packets always pass.
    ///
    /// All or none of them. Allowing every address there is takes --force.
    Add(add::Add),
    /// Take prefixes off the allowlist.
    ///
    /// All or none of them: if one is not listed, nothing is removed, and the exit code is 3.
    Rm(rm::Rm),
    /// Show the allowlist, in order of address.
    ///
    /// With --json, one entry a line.
    List(list::List),
    /// Say whether an address is listed, and what else decides about it: bans, signatures, limits and rules.
    ///
    /// `floodwall why` says more of what there is beside the lists.
    /// The exit code is 0 whatever the answer, unless --exit-code is given.
    Test(test::Test),
    /// Allow the ranges that a CDN or a crawler publishes, under a name.
    ///
    /// Reads text of a prefix a line, and JSON of the shapes in use: `addresses` and `ipv6_addresses`, `prefixes` with
    /// `ip_prefix` and `ipv6_prefix` or with `ipv4Prefix` and `ipv6Prefix`, `ipv4_cidrs` and `ipv6_cidrs`, or a list of
    /// prefixes; plain or gzipped. What had the name before and is not in the files leaves the list. All or nothing.
    Import(add_ranges::AddRanges),
}

impl Block {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        const LIST: ListName = ListName::Block;
        match self {
            Self::Add(verb) => verb.apply(LIST, session).await,
            Self::Rm(verb) => verb.apply(LIST, session).await,
            Self::List(verb) => verb.apply(LIST, session).await,
            Self::Test(verb) => verb.apply(LIST, session).await,
            Self::Import(verb) => verb.apply(session).await,
            Self::Export(verb) => verb.apply(session).await,
            Self::Flush(verb) => verb.apply(session).await,
        }
    }
}

impl Allow {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        const LIST: ListName = ListName::Allow;
        match self {
            Self::Add(verb) => verb.apply(LIST, session).await,
            Self::Rm(verb) => verb.apply(LIST, session).await,
            Self::List(verb) => verb.apply(LIST, session).await,
            Self::Test(verb) => verb.apply(LIST, session).await,
            Self::Import(verb) => verb.apply(session).await,
        }
    }
}

/// As paths and people name it.
fn name(list: ListName) -> &'static str {
    match list {
        ListName::Allow => "allow",
        ListName::Block => "block",
    }
}

/// What being listed does to a source.
fn fate(list: ListName) -> &'static str {
    match list {
        ListName::Allow => "allowed",
        ListName::Block => "blocked",
    }
}
