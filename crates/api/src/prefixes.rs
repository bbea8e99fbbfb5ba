//! The blocklist and the allowlist.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppliedBan, AppliedRule, AppliedSignature, Outcome, WhyReport};

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListName {
    /// Sources that always pass.
    Allow,
    /// Sources that are dropped, unless they are allowed.
    Block,
}

impl ListName {
    /// As it is said: `block` or `allow`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

/// Adds prefixes: all or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// One or more; or one or more of `asn:64500`, `country:XX` and `cdn:NAME`, which stand for the prefixes that files of the
    /// configuration have for them.
    pub prefixes: Vec<String>,
    /// Of the allowlist: the prefixes are ranges of this name, `cdn:NAME`.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// With `as`: take off what else is listed under that name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
    /// Of countries: only while a service is attacked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_while_attacked: bool,
    /// Take it back after so many seconds. `None`: never.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Why, for whoever reads the list later.
    #[serde(default)]
    pub note: Option<String>,
    /// Do it even if it would cut off this host, its gateway or the one who asks.
    #[serde(default)]
    pub force: bool,
}

/// What became of an [`AddRequest`]. The kernel enforces it already.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct AddResponse {
    /// Newly listed.
    pub added: Vec<String>,
    /// Were listed; their note and expiry are now those of the request.
    pub updated: Vec<String>,
}

/// Removes prefixes: all or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveRequest {
    /// One or more; or one or more of `asn:64500`, `country:XX` and `cdn:NAME`, as they were added.
    pub prefixes: Vec<String>,
}

/// How many prefixes were removed. The kernel passes them already.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RemoveResponse {
    /// Prefixes.
    pub removed: u64,
}

/// Empties the list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlushRequest {
    /// Only what an import under this name brought.
    #[serde(default)]
    pub name: Option<String>,
}

/// A listed prefix.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The prefix.
    pub prefix: String,
    /// Packets that it decided.
    pub hits: u64,
    /// Name of the import that brought it; `None` if it was added by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<String>,
    /// When it was listed, Unix seconds.
    pub since: u64,
    /// When it will be taken back, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A part of a list, in order of address.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListPage {
    /// At most as many as were asked for.
    pub entries: Vec<Entry>,
    /// Ask again with `after` this to go on; `None` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Length of the whole list.
    pub total: u64,
}

/// What the lists say of an address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lists {
    /// The list that decides; `None` if no prefix covers the address.
    pub decided_by: Option<ListName>,
    /// The prefix that decides.
    pub prefix: Option<String>,
    /// One sentence that says why.
    pub why: String,
    /// Every listed prefix that covers the address, the deciding one first.
    pub covering: Vec<Covering>,
    /// The blocklist only counts what it would drop, as the configuration has it.
    #[serde(default)]
    pub only_counts: bool,
}

/// What the filter makes of an address: what the lists say, and what else is considered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TestResponse {
    /// The address that was asked about.
    pub address: String,
    /// What the lists say of it.
    #[serde(flatten)]
    pub lists: Lists,
    /// What becomes of its packets, all considered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The same in a sentence, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Bans that hold for it.
    #[serde(default)]
    pub bans: Vec<AppliedBan>,
    /// Signatures that are deployed; they go by headers, and not by the address.
    #[serde(default)]
    pub signatures: Vec<AppliedSignature>,
    /// Limits and rules that count its packets.
    #[serde(default)]
    pub rules: Vec<AppliedRule>,
}

impl From<WhyReport> for TestResponse {
    fn from(why: WhyReport) -> Self {
        let WhyReport { address, outcome, verdict, lists, signatures, bans, source, rules, .. } = why;
        Self {
            address,
            lists,
            outcome: Some(outcome),
            verdict: Some(verdict),
            bans,
            signatures,
            rules: source.limits.into_iter().chain(rules).collect(),
        }
    }
}

/// A prefix that covers an address.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Covering {
    /// The list it stands in.
    pub list: ListName,
    /// Who wants it there: `hand`, `import spamhaus`, `rule web/source-syn` …
    #[serde(default)]
    pub wanted_by: Vec<String>,
    /// The prefix and what is known of it.
    #[serde(flatten)]
    pub entry: Entry,
}

/// One line of the answer to an import: progress, and at last the report or the failure.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportLine {
    /// The work has come so far.
    Progress {
        /// What is being done: `reading`, `sorting`, `building` or `saving`.
        stage: String,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// The list is in force.
    Done(super::Changed<ImportReport>),
    /// Nothing was changed. Holds the report as far as it went, if the list was at fault.
    Failed {
        /// Why.
        failure: super::Failure,
        /// What was wrong with the list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<ImportReport>,
    },
}

/// What an import found in a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ImportReport {
    /// Lines in the list.
    pub lines: u64,
    /// Prefixes that are now listed and were not before.
    pub added: u64,
    /// Prefixes that stood in the list before (in the file, or in force).
    pub duplicate: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// With `replace`: prefixes that were listed under this name before and are no longer.
    pub removed: u64,
    /// The first of the refused lines, at most 100.
    pub problems: Vec<ImportProblem>,
    /// Entries of an `ipset save` that had a timeout of their own, which was not taken over: they stay as long as
    /// the import says.
    #[serde(default)]
    pub timeouts: u64,
    /// Milliseconds that it took.
    pub milliseconds: u64,
}

/// A refused line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportProblem {
    /// Number of the line, from 1; 0 if the complaint is about a prefix, wherever it stands.
    pub line: u64,
    /// The line, shortened.
    pub text: String,
    /// What is wrong with it, and what was probably meant.
    pub message: String,
}
