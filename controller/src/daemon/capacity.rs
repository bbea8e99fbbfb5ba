//! Whether the host, or a service, is over its capacity: an alarm of its own kind.
//!
//! It is told by what suffers, and not by what comes: customers may do it as well as attackers, and a flood may be one that
//! the host bears. What is over its limit in three looks of five is told once, and once more when none has been for ten.

use std::collections::BTreeMap;

use super::strain::{Look, Strain, Turn};
use crate::{event::What, policy::Signal};

/// Above this a signal tells of too much; `None`: it does not. Units are those of [`Signal`].
pub(super) const fn limit(signal: Signal) -> Option<u64> {
    match signal {
        // Two seconds, or it has failed.
        Signal::Probe => Some(2_000),
        Signal::ListenOverflows | Signal::SynCookies => Some(10),
        // Those that overflow, and others that are no strain; what one slow program does not take; and what is told with more of
        // its causes (`link_load`).
        Signal::ListenDrops | Signal::UdpOverflows | Signal::Softirq => None,
        Signal::Conntrack => Some(95),
    }
}

/// What is looked at: a signal of the host, or of one of its services.
pub(super) type Subject = (Signal, Option<String>);

/// What is strained.
#[derive(Debug, Default)]
pub(super) struct Capacity {
    strains: BTreeMap<Subject, Strain>,
}

impl Capacity {
    /// Whether anything is strained.
    pub(super) fn is_strained(&self) -> bool {
        self.strains.values().any(Strain::is_strained)
    }

    /// Whether this is.
    pub(super) fn strains(&self, subject: &Subject) -> bool {
        self.strains.get(subject).is_some_and(Strain::is_strained)
    }

    /// Looks at values, of a probe that has failed the greatest there is. What is to be told.
    pub(super) fn look(&mut self, values: impl Iterator<Item = (Subject, u64)>) -> Vec<What> {
        let mut told = Vec::new();
        for ((signal, service), value) in values {
            let Some(limit) = limit(signal) else { continue };
            let look = if value > limit { Look::Over } else { Look::Within };
            let Some(turn) = self.strains.entry((signal, service.clone())).or_default().look(look) else {
                continue;
            };
            let of = service.map_or_else(|| "the host".to_owned(), |service| format!("service {service}"));
            let text = match turn {
                Turn::Strained => {
                    let value = if value == u64::MAX { "failed".to_owned() } else { signal.words(value) };
                    format!("OVER CAPACITY: {of}, by its {}: {value}", signal.name())
                }
                Turn::Relieved => format!("within its capacity again: {of}, by its {}", signal.name()),
            };
            told.push(What::Strain { text, begins: turn == Turn::Strained });
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(capacity: &mut Capacity, subject: &Subject, values: &[u64]) -> Vec<String> {
        let look = |value: &u64| capacity.look(std::iter::once((subject.clone(), *value)));
        values.iter().flat_map(look).map(|what| what.to_string()).collect()
    }

    #[test]
    fn what_lasts_is_told_once_and_its_end() {
        let mut capacity = Capacity::default();
        let host = (Signal::ListenOverflows, None);
        assert_eq!(looks(&mut capacity, &host, &[0, 500, 0, 400, 0, 0]), Vec::<String>::new());
        let told = looks(&mut capacity, &host, &[300, 300, 300, 0, 300, 300]);
        assert_eq!(told, ["OVER CAPACITY: the host, by its listen-overflows: 300/s"]);
        assert_eq!(
            looks(&mut capacity, &host, &[0; 20]),
            ["within its capacity again: the host, by its listen-overflows"]
        );
    }

    #[test]
    fn a_service_is_told_of_by_its_probe() {
        let mut capacity = Capacity::default();
        let web = (Signal::Probe, Some("web".to_owned()));
        assert_eq!(looks(&mut capacity, &web, &[900; 10]), Vec::<String>::new(), "slow, and no more");
        let told = looks(&mut capacity, &web, &[u64::MAX; 3]);
        assert_eq!(told, ["OVER CAPACITY: service web, by its probe: failed"]);
        assert!(capacity.strains(&web) && !capacity.strains(&(Signal::Probe, Some("dns".to_owned()))));
        let drops = (Signal::ListenDrops, None);
        assert_eq!(looks(&mut capacity, &drops, &[9_000; 9]), Vec::<String>::new());
    }
}
