//! Events of the bus, as the record has them.

use floodwall_incident::{Excess, Occurrence, Stage};

use crate::{
    detect::Class,
    event::{AttackEvent, Standing, What},
};

/// Translates an event of the bus; `None` if it does not belong into the record.
pub(super) fn occurrence(what: What) -> Option<Occurrence> {
    let kind = what.kind();
    let other = |text: String| Some(Occurrence::Other { kind, suffers: false, text });
    match what {
        What::Attack(AttackEvent::Began { service, class, text, .. }) => {
            Some(Occurrence::AttackBegan { service, excess: excess(class), text })
        }
        What::Attack(AttackEvent::Ended { service, text }) => Some(Occurrence::AttackEnded { service, text }),
        What::Attack(AttackEvent::NothingFound { text }) => Some(Occurrence::NothingFound { text }),
        What::Attack(AttackEvent::Noted { text }) => other(text),
        What::Signature { signature, standing, text, .. } => {
            let stage = match standing {
                Standing::Counts => Stage::Found,
                Standing::Drops => Stage::Drops,
                Standing::Gone => Stage::Gone,
            };
            Some(Occurrence::Signature { signature, stage, text })
        }
        What::Banned { bans, .. } => Some(Occurrence::Bans { bans, text: what.to_string() }),
        What::Unbanned { lifted: true, .. } => other(what.to_string()),
        What::Command { who, command } => Some(Occurrence::Command { who, text: command }),
        What::Strain { text, begins } => Some(Occurrence::Other { kind, suffers: begins, text }),
        What::List { .. }
        | What::Rule { .. }
        | What::Interface { .. }
        | What::Health { .. }
        | What::Task { .. } => other(what.to_string()),
        // These may be very many and change nothing.
        What::WouldBan { .. } | What::Unbanned { lifted: false, .. } => None,
    }
}

const fn excess(class: Class) -> Excess {
    match class {
        Class::Openings => Excess::Openings,
        Class::Segments => Excess::Segments,
        Class::Datagrams => Excess::Datagrams,
        Class::Unasked => Excess::Unasked,
        Class::Others => Excess::Others,
        Class::Fruitless => Excess::Fruitless,
        Class::Names => Excess::Names,
        Class::Returning => Excess::Returning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_no_incident_is_left_out() {
        assert_eq!(occurrence(What::WouldBan { text: "a".into() }), None);
        let told = occurrence(What::Strain { text: "OVER CAPACITY".into(), begins: true });
        assert_eq!(
            told,
            Some(Occurrence::Other { kind: "health", suffers: true, text: "OVER CAPACITY".into() })
        );
        // A disk, say, that is nearly full.
        let told = occurrence(What::Health { text: "IS NEARLY FULL".into(), loud: true });
        assert_eq!(
            told,
            Some(Occurrence::Other { kind: "health", suffers: false, text: "IS NEARLY FULL".into() })
        );
    }
}
