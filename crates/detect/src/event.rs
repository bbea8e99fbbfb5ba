//! What the detector tells.

use floodwall_common::{address::SourceOf, source::Key};

use super::{
    alarm::{self, Excess},
    deployment::Turn,
    view::KernelView,
    would_ban::Cause,
};
use crate::signature::Signature;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// More comes that has not proven itself than chance explains.
    AttackBegan {
        /// The service that it is aimed at.
        service: u8,
        /// Number of the incident; one that begins soon after another has ended is a wave of the same.
        incident: u32,
        /// Number of the wave, from 1 on.
        wave: u32,
        /// What there is too much of.
        cause: alarm::Cause,
    },
    /// Nothing is found that could be dropped without harm to what is usual.
    NothingFound {
        /// The service that is attacked.
        service: u8,
    },
    /// What comes is close to what is usual again.
    AttackEnded {
        /// The service that was attacked.
        service: u8,
    },
    /// What came for so long, and was not dropped, is taken for what is usual now.
    Accepted {
        /// The service that it came for.
        service: u8,
    },
    /// Enough is known of what is usual.
    Settled,
    /// A signature is tried out.
    Found {
        /// Its number.
        number: usize,
        /// The signature.
        signature: Signature,
        /// Share of the unusual packets that it covers.
        covered: f64,
        /// Share of usual packets that it hits.
        usual_share: f64,
    },
    /// Nothing tells an attack's packets apart, and all of their class are asked to come again.
    AsksToRepeat {
        /// Number of the signature that stands for it.
        number: usize,
        /// The service that is attacked.
        service: u8,
        /// What is asked.
        class: alarm::Class,
        /// Known sources are not spared.
        all: bool,
    },
    /// Sources whose connections come to nothing get no new ones, or get them again.
    RefusesFruitless {
        /// The service that they ask.
        service: u8,
        /// Whether they get none.
        refuses: bool,
        /// It is only counted who would be refused.
        observed: bool,
    },
    /// New sources that come time and again get no connections for a minute each, or get them again.
    RefusesReturning {
        /// The service that they ask.
        service: u8,
        /// Whether they get none.
        refuses: bool,
        /// It is only counted who would be refused.
        observed: bool,
    },
    /// Of questions for names that were never asked for before only a few pass, or all again.
    LimitsNames {
        /// The service that they come for.
        service: u8,
        /// Whether only a few do.
        limits: bool,
        /// It is only counted which would be dropped.
        observed: bool,
    },
    /// What became of a signature.
    Turned {
        /// Its number.
        number: usize,
        /// The signature.
        signature: Signature,
        /// What became of it.
        turn: Turn,
    },
    /// A source would be banned for its conduct, were detection to ban anybody.
    WouldBan {
        /// The source.
        source: Key,
        /// What it does.
        cause: Cause,
        /// Sources that were not told of since the last one that was.
        others: u64,
    },
}

impl Event {
    /// As a line for a log. `name` knows the services; the one for what no other names is not told of.
    pub fn in_words(&self, view: &dyn KernelView, name: impl Fn(u8) -> Option<String>) -> String {
        let on = |service: u8| match name(service) {
            Some(name) if service != 0 => format!(" on {name}"),
            _ => String::new(),
        };
        match self {
            Self::AttackBegan { service, incident, wave, cause } => {
                let wave = if *wave > 1 { format!(", wave {wave}") } else { String::new() };
                let alarm::Cause { class, excess: Excess { rate, bound } } = cause;
                let on = on(*service);
                format!("attack {incident}{on}{wave}: {rate:.0} {class}, where {bound:.0} are usual at most")
            }
            Self::NothingFound { service } => format!(
                "no pattern found{} that is safe to drop; limits per source, prefix and service hold",
                on(*service)
            ),
            Self::AttackEnded { service } => format!("attack{} over", on(*service)),
            Self::Accepted { service } => format!("what comes now{} is taken as usual", on(*service)),
            Self::Settled => "enough is known of what is usual".to_owned(),
            Self::Found { number, signature, covered, usual_share } => format!(
                "signature {number} found: {signature} ({:.0} % of what is unusual, {:.3} % of what is usual)",
                covered * 100.0,
                usual_share * 100.0
            ),
            Self::AsksToRepeat { number, service, class, all } => {
                let what = match class {
                    alarm::Class::Openings => "requests for connections",
                    alarm::Class::Datagrams => "datagrams",
                    alarm::Class::Unasked => "datagrams to where nothing is offered",
                    _ => "fragments and other protocols",
                };
                let of_names = match class {
                    alarm::Class::Datagrams => {
                        "; questions for a name server are answered with a truncated answer, and pass over TCP"
                    }
                    _ => "",
                };
                let whose = if *all { "of all sources" } else { "of new sources" };
                format!(
                    "signature {number}: nothing tells what comes{} apart, so {what} {whose} pass once they are sent \
                     again, after a second{of_names}",
                    on(*service)
                )
            }
            Self::RefusesFruitless { service, refuses: false, .. } => {
                format!("new connections{} are not refused to anybody any more", on(*service))
            }
            Self::RefusesFruitless { service, observed, .. } => format!(
                "new connections{} {} refused to sources whose connections come to nothing; open ones go on",
                on(*service),
                if *observed { "would be" } else { "are" }
            ),
            Self::RefusesReturning { service, refuses: false, .. } => {
                format!("new connections{} are not refused to any new source any more", on(*service))
            }
            Self::RefusesReturning { service, observed, .. } => format!(
                "new connections{} {} refused for a minute to each new source that asks time and again; open ones go on",
                on(*service),
                if *observed { "would be" } else { "are" }
            ),
            Self::LimitsNames { service, limits: false, .. } => {
                format!("questions for new names{} pass again", on(*service))
            }
            Self::LimitsNames { service, observed, .. } => format!(
                "questions for names that were never asked for before{} {} dropped until they come again, but for 20/s",
                on(*service),
                if *observed { "would be" } else { "are" }
            ),
            Self::Turned { number, turn, .. } => format!("signature {number} {turn}"),
            Self::WouldBan { source, cause, others } => {
                let address = address_in_words(*source, view);
                let others = if *others > 0 { format!("; so would {others} others") } else { String::new() };
                format!("would ban {address}: {cause}{others} (detection bans nobody)")
            }
        }
    }
}

/// The source that a key stands for.
fn address_in_words(source: Key, view: &dyn KernelView) -> String {
    SourceOf(view.address(source)).to_string()
}

#[cfg(test)]
mod tests {
    use floodwall_common::prefix::Address;
    use floodwall_tables::{Capacity, SharedTables};

    use super::*;
    use crate::would_ban::Cause;

    #[test]
    fn a_source_is_named_though_the_kernel_program_does_not_know_it() {
        let capacity = Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 };
        let tables = SharedTables::in_memory(&capacity).expect("there is memory");
        let settings = &tables.settings[0];
        settings.seed[2].store(0x1234_5678_9abc_def1);
        for (address, expected) in [
            (Address::v4(0xc633_6407), "198.51.100.7:"),
            (Address::v6(0x2a04_a802_0000_0001, 9), "2a04:a802:0:1::/64:"),
        ] {
            let source = Key::of(settings, address);
            let event = Event::WouldBan { source, cause: Cause::Hit, others: 0 };
            let said = event.in_words(&tables, |_| None);
            assert!(said.starts_with(&format!("would ban {expected}")), "{said}");
        }
    }
}
