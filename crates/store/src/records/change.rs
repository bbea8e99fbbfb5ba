//! A change to the wanted state, as it is applied, written to the journal, and read back after a restart.

use floodwall_api::ListName;
use floodwall_policy::{Limits, Override};
use floodwall_tables::Prefix;
use serde::{Deserialize, Serialize};

use super::{
    bans::Ban,
    lockdown::LockdownRecord,
    origin::{Origin, Origins},
    trial::Trial,
};

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
        #[serde(default, skip_serializing_if = "Origins::is_empty")]
        imports: Origins,
    },
    /// A prefix that was taken off the blocklist is there again for the imports that want it.
    Return {
        /// The prefix.
        prefix: Prefix,
        /// These imports.
        imports: Origins,
    },
    /// An import is there, or has changed; its prefixes stand in a file of its own.
    Import {
        /// Which it is.
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
        /// Which it is.
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
        /// When it is to be taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
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
    /// A service is closed to all but known clients; replaces what was said of it before.
    Close {
        /// The service.
        service: String,
        /// How.
        #[serde(flatten)]
        lockdown: LockdownRecord,
    },
    /// A service is open to all again.
    Open {
        /// The service.
        service: String,
    },
    /// Whether a service is closed by itself once it is attacked and nothing else relieves it.
    Automatic {
        /// The service.
        service: String,
        /// `None`: as it is configured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        automatic: Option<bool>,
    },
    /// The configuration file is not to be used as long as it says this: another one is.
    HoldConfiguration {
        /// What the file says.
        refused: String,
        /// What is used.
        text: String,
    },
    /// The configuration file is used, whatever it says.
    UseConfiguration {
        /// What it says.
        text: String,
    },
    /// The changes before, in the same batch, are undone unless somebody confirms them.
    Trial(Trial),
    /// A trial is over: what was on trial stays, or the changes before, in the same batch, have undone it.
    TrialOver {
        /// Its number.
        number: u64,
    },
    /// The limits per source, as versions before this one wrote them: rules of the default service.
    #[serde(skip_serializing)]
    Limit {
        /// All of them.
        limits: Limits,
    },
}

/// What a change is about: two changes about the same thing replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About<'a> {
    Prefix(ListName, Prefix),
    /// What imports want of a prefix.
    Imports(Prefix),
    Import(Origin),
    Signature(&'a str),
    Ban(Prefix),
    Rule(&'a str, &'a str),
    Lockdown(&'a str),
    Automatic(&'a str),
    Configuration,
}

impl Change {
    /// What it is about, if that is one thing.
    pub(super) fn about(&self) -> Option<About<'_>> {
        match self {
            Self::Add { list, prefix, .. } | Self::Remove { list, prefix, .. } => {
                Some(About::Prefix(*list, *prefix))
            }
            Self::Return { prefix, .. } => Some(About::Imports(*prefix)),
            Self::Import { origin, .. } | Self::Forget { origin } => Some(About::Import(*origin)),
            Self::Signature { text, .. } | Self::ForgetSignature { text } => Some(About::Signature(text)),
            Self::Ban { prefix, .. } | Self::Lift { prefix } => Some(About::Ban(*prefix)),
            Self::SetRule { service, rule, .. } | Self::ResetRule { service, rule } => {
                Some(About::Rule(service, rule))
            }
            Self::Close { service, .. } | Self::Open { service } => Some(About::Lockdown(service)),
            Self::Automatic { service, .. } => Some(About::Automatic(service)),
            Self::HoldConfiguration { .. } | Self::UseConfiguration { .. } => Some(About::Configuration),
            Self::Flush { .. }
            | Self::LiftAll
            | Self::Limit { .. }
            | Self::Trial(_)
            | Self::TrialOver { .. } => None,
        }
    }

    /// Whether it is about what a list holds.
    pub(super) fn is_of_list(&self, list: ListName) -> bool {
        match self.about() {
            Some(About::Prefix(of, _)) => of == list,
            Some(About::Imports(_) | About::Import(_) | About::Ban(_)) => list == ListName::Block,
            Some(
                About::Signature(_)
                | About::Rule(..)
                | About::Lockdown(_)
                | About::Automatic(_)
                | About::Configuration,
            )
            | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_of_the_list_that_it_is_about() {
        let lists = |change: &str| {
            let change: Change = serde_json::from_str(change).expect("a change");
            [ListName::Block, ListName::Allow].map(|list| change.is_of_list(list))
        };
        let remove = |list: &str| format!(r#"{{"change":"remove","list":"{list}","prefix":"192.0.2.0/24"}}"#);
        assert_eq!(lists(&remove("block")), [true, false]);
        assert_eq!(lists(&remove("allow")), [false, true]);
        assert_eq!(lists(r#"{"change":"lift","prefix":"192.0.2.0/24"}"#), [true, false], "a ban is a block");
        assert_eq!(lists(r#"{"change":"forget-signature","text":"ttl=1"}"#), [false, false]);
        assert_eq!(lists(r#"{"change":"open","service":"web"}"#), [false, false]);
        assert_eq!(lists(r#"{"change":"reset-rule","service":"web","rule":"syn"}"#), [false, false]);
    }
}
