//! What happens: one type, and one bus that all of it goes over.
//!
//! Whoever does something publishes it here and knows nothing of who listens. The [log](log) and the stream of events
//! that clients read hang off the [`Bus`], and so does whatever else wants to know. Packets are no events: the kernel
//! samples drops, and that sample has a stream of its own.

mod bus;
mod log;

use std::{fmt, time::SystemTime};

pub use bus::{Bus, Heard, Subscriber};
pub use log::Log;

use floodwall_detect::Class;
use floodwall_units::unix;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unix time, ms.
    pub time_ms: u64,
    /// What it is.
    pub what: What,
}

impl Event {
    /// That this happens now.
    pub fn now(what: What) -> Self {
        Self { time_ms: unix::millis(SystemTime::now()), what }
    }
}

/// How much it asks for an operator's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Somebody should look.
    Warning,
    /// Something is not as it was ordered to be.
    Error,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Detection has noticed something of an attack.
    Attack(AttackEvent),
    /// A signature is deployed, or stands otherwise than before.
    Signature {
        /// Its number.
        number: usize,
        /// The signature, with services by their names; `None` if it only says what class of packets it stands for.
        signature: Option<String>,
        /// How it stands now.
        standing: Standing,
        /// In words.
        text: String,
    },
    /// Detection would have banned a source.
    WouldBan {
        /// In words.
        text: String,
    },
    /// Bans were made.
    Banned {
        /// How many.
        bans: u64,
        /// Some of them: prefix and rule.
        first: Vec<(String, Option<String>)>,
    },
    /// Bans have ended, or were lifted.
    Unbanned {
        /// How many.
        bans: u64,
        /// Before their time.
        lifted: bool,
    },
    /// A list has changed.
    List {
        /// `block` or `allow`.
        list: &'static str,
        /// Prefixes that are listed now.
        added: u64,
        /// Prefixes that are listed no more.
        removed: u64,
        /// On whose account: `manual`, `import NAME`, `expiry`.
        account: String,
    },
    /// A rule has tripped its ceiling, or its condition has begun or ceased to hold.
    Rule {
        /// Its name, with that of its service.
        rule: String,
        /// What has become of it.
        text: String,
        /// It asks for attention.
        loud: bool,
    },
    /// An interface is filtered again, or not any more.
    Interface {
        /// Its name.
        interface: String,
        /// Whether its packets are filtered now.
        filtered: bool,
        /// In words.
        text: String,
    },
    /// The host fares otherwise than before, or other checks are in force.
    Health {
        /// In words.
        text: String,
        /// It asks for attention.
        loud: bool,
    },
    /// The host, a link or a service has more to do than it can, or not any more.
    Strain {
        /// In words.
        text: String,
        /// It begins; else it is over.
        begins: bool,
    },
    /// An operator has changed something.
    Command {
        /// Who: user and process.
        who: String,
        /// What was asked for.
        command: String,
    },
    /// A task of the daemon has ended that should not have.
    Task {
        /// Its name.
        task: &'static str,
        /// What is done about it.
        text: String,
    },
}

/// How a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It only counts.
    Counts,
    /// It drops what it matches.
    Drops,
    /// It was taken back.
    Gone,
}

/// What detection has noticed of an attack.
#[derive(Clone, Debug, PartialEq)]
pub enum AttackEvent {
    /// It has begun; one that begins soon after another has ended is a wave of the same incident.
    Began {
        /// Number of the incident.
        incident: u32,
        /// Number of the wave, from 1 on.
        wave: u32,
        /// Name of the service that is attacked.
        service: String,
        /// What there is too much of.
        class: Class,
        /// In words.
        text: String,
    },
    /// It is over.
    Ended {
        /// Name of the service that was attacked.
        service: String,
        /// In words.
        text: String,
    },
    /// Nothing is found that could be dropped without harm to what is usual.
    NothingFound {
        /// In words.
        text: String,
    },
    /// Anything else that an operator should know of it.
    Noted {
        /// In words.
        text: String,
    },
}

impl Severity {
    /// As clients know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl What {
    /// How much it asks for attention.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Interface { filtered: false, .. } | Self::Task { .. } => Severity::Error,
            // That it is filtered again tells that it was not.
            Self::Interface { .. } => Severity::Warning,
            Self::Rule { loud: true, .. }
            | Self::Health { loud: true, .. }
            | Self::Strain { begins: true, .. } => Severity::Warning,
            Self::Attack(AttackEvent::Began { .. }) => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// The kind of thing, as clients know it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Attack(_) => "attack",
            Self::Signature { .. } => "signature",
            Self::WouldBan { .. } => "would-ban",
            Self::Banned { .. } | Self::Unbanned { .. } => "ban",
            Self::List { .. } => "list",
            Self::Rule { .. } => "rule",
            Self::Interface { .. } => "interface",
            Self::Health { .. } | Self::Strain { .. } => "health",
            Self::Command { .. } => "command",
            Self::Task { .. } => "task",
        }
    }
}

/// As a line for a log.
impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attack(
                AttackEvent::Began { text, .. }
                | AttackEvent::Ended { text, .. }
                | AttackEvent::NothingFound { text }
                | AttackEvent::Noted { text },
            )
            | Self::Signature { text, .. }
            | Self::WouldBan { text }
            | Self::Interface { text, .. }
            | Self::Health { text, .. }
            | Self::Strain { text, .. } => formatter.write_str(text),
            Self::Banned { bans, first } => {
                write!(formatter, "banned {bans}")?;
                for (place, (prefix, rule)) in first.iter().enumerate() {
                    formatter.write_str(if place == 0 { ": " } else { ", " })?;
                    formatter.write_str(prefix)?;
                    if let Some(rule) = rule {
                        write!(formatter, " by {rule}")?;
                    }
                }
                let untold = bans.saturating_sub(first.len() as u64);
                if untold > 0 { write!(formatter, " and {untold} more") } else { Ok(()) }
            }
            Self::Unbanned { bans, lifted: false } => write!(formatter, "{bans} bans are over"),
            Self::Unbanned { bans, lifted: true } => write!(formatter, "{bans} bans were lifted"),
            Self::List { list, added, removed, account } => {
                write!(formatter, "{list}list: {added} added, {removed} removed ({account})")
            }
            Self::Rule { rule, text, .. } => write!(formatter, "rule {rule}: {text}"),
            Self::Command { who, command } => write!(formatter, "{who}: {command}"),
            Self::Task { task, text } => write!(formatter, "the task {task} has ended: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bans_are_one_line() {
        let first = vec![("203.0.113.7/32".to_owned(), Some("web/source-syn".to_owned()))];
        let what = What::Banned { bans: 3, first: first.clone() };
        assert_eq!(what.to_string(), "banned 3: 203.0.113.7/32 by web/source-syn and 2 more");
        assert_eq!(What::Banned { bans: 1, first }.to_string(), "banned 1: 203.0.113.7/32 by web/source-syn");
    }

    #[test]
    fn what_is_not_as_it_was_ordered_is_an_error() {
        let interface = |filtered| What::Interface { interface: "e0".into(), filtered, text: String::new() };
        assert_eq!(interface(false).severity(), Severity::Error);
        assert_eq!(interface(true).severity(), Severity::Warning);
        assert_eq!(What::Unbanned { bans: 1, lifted: true }.severity(), Severity::Info);
    }
}
