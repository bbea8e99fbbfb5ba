//! A change to the wanted state, as it is applied, written to the journal, and read back after a restart.

use serde::{Deserialize, Serialize};

use super::bans::Ban;
use crate::{
    api::ListName,
    policy::{Limits, Override},
    tables::Prefix,
};

/// Who wants a prefix listed: a set of up to 32 origins, one bit each. A prefix is listed as long as somebody
/// wants it.
pub type Owners = u32;

/// One bit of [`Owners`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Origin(u8);

impl From<Origin> for u8 {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

/// An origin as it is written down; only those of imports are.
impl TryFrom<u8> for Origin {
    type Error = String;

    fn try_from(bit: u8) -> Result<Self, String> {
        let number = bit.checked_sub(1).and_then(Self::import);
        number.ok_or_else(|| format!("imports have the numbers 1 to {}, not {bit}", Self::MAX_IMPORTS))
    }
}

impl Origin {
    /// Added by hand.
    pub const HAND: Self = Self(0);
    /// How many imports can be kept apart.
    pub const MAX_IMPORTS: u8 = 30;
    /// Banned.
    pub const BAN: Self = Self(31);

    /// The import with this number, from 0.
    pub fn import(number: u8) -> Option<Self> {
        (number < Self::MAX_IMPORTS).then_some(Self(number + 1))
    }

    /// As a set of one.
    pub fn bit(self) -> Owners {
        1 << self.0
    }
}

fn nobody(owners: &Owners) -> bool {
    *owners == 0
}

/// One change. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// A prefix is wanted by hand; replaces note and expiry if it was already.
    Add {
        /// The list.
        list: ListName,
        /// The prefix.
        prefix: Prefix,
        /// When it was asked for.
        since: u64,
        /// When it is to be taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A prefix is no longer wanted, whoever wanted it.
    Remove {
        /// The list.
        list: ListName,
        /// The prefix.
        prefix: Prefix,
        /// The imports that wanted it. It stays away until they bring it again, though it stands in their files.
        #[serde(default, skip_serializing_if = "nobody")]
        imports: Owners,
    },
    /// An import is there, or has changed; its prefixes stand in a file of its own.
    Import {
        /// Its bit.
        origin: Origin,
        /// Its name.
        name: String,
        /// When it was made.
        since: u64,
        /// When it is to be taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    },
    /// An import is gone, and its prefixes with it.
    Forget {
        /// Its bit.
        origin: Origin,
    },
    /// Nothing is wanted in the list any more.
    Flush {
        /// The list.
        list: ListName,
    },
    /// A signature is wanted as it is; replaces what was wanted of the same.
    Signature {
        /// The signature, as text.
        text: String,
        /// It drops; else it only counts.
        enforced: bool,
    },
    /// A signature is not wanted any more.
    ForgetSignature {
        /// The signature, as text.
        text: String,
    },
    /// A prefix is banned, or was and is remembered.
    Ban {
        /// The prefix.
        prefix: Prefix,
        /// The ban.
        #[serde(flatten)]
        ban: Ban,
    },
    /// A ban is lifted, and the offence forgotten.
    Lift {
        /// The prefix.
        prefix: Prefix,
    },
    /// All bans are lifted, and all offences forgotten.
    LiftAll,
    /// Something is said of a rule, in place of what was said before.
    SetRule {
        /// The service.
        service: String,
        /// The rule.
        rule: String,
        /// What is said.
        #[serde(flatten)]
        said: Override,
        /// When it is to be taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    },
    /// A rule is as it is configured.
    ResetRule {
        /// The service.
        service: String,
        /// The rule.
        rule: String,
    },
    /// The limits per source, as versions before this one wrote them: rules of the default service.
    #[serde(skip_serializing)]
    Limit {
        /// All of them.
        limits: Limits,
    },
}
