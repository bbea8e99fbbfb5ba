//! Where nothing tells the packets of an attack from what is usual, all packets of their kind are asked to come again.
//!
//! Clients send a request that is not answered again after a second (RFC 6298, 2.1), and whoever asks by UDP does likewise (RFC
//! 8085, 3.1.1); who forges sources does not learn what became of a packet, and sends none again: of forged requests in
//! captures 0.02 % at most came twice. So that costs a customer a second, and shuts nobody out. It is the last resort: it
//! begins once an attack has gone on for a moment and too much of the kind still passes, spares known sources first, and ends
//! as soon as little is left that does not come again, or if most does: then it only costs time.

use std::collections::BTreeMap;

use floodwall_common::{
    features::{ByteField, WordField, form},
    parse::protocol,
};

use super::{
    alarm::{Class, Unheld},
    packet_kind::Kind,
};
use crate::signature::{Ranges, Signature};

/// How long an attack goes on, and too much passes, before all are asked to repeat: signatures are found meanwhile; and how
/// long before that holds for known sources, too, ns.
const PATIENCE: u64 = 750_000_000;
/// How long too much passes of which no signature was found: one mostly is within three ticks, ns.
const PATIENCE_IN_VAIN: u64 = 350_000_000;
/// How long too much passes where all were asked within [`BEFORE`], as signatures of that attack were found then, if there are any,
/// ns.
const PATIENCE_AGAIN: u64 = 100_000_000;
const BEFORE: u64 = 600_000_000_000;
/// How long it goes on though it would not be needed, ns.
const LINGERS: u64 = 3_000_000_000;
/// How long it is not tried again once it was of no use, ns.
const USELESS: u64 = 60_000_000_000;
/// Flows/s that are new, or that do not come again, of which it is needed.
const NEEDED: f64 = 100.0;
/// Flows of datagrams of known sources, new ones a second, of which these are asked as well, where known sources are forged for
/// requests.
const MANY_OF_KNOWN: f64 = 200.0;
/// Share of the flows of which more do not come again by accident: it is of no use then.
const MOST_AGAIN: f64 = 0.5;
/// How long ago a flow was first seen of which it is asked whether it came again, ns: clients do so after a second.
pub(super) const RETURNS: u64 = 1_500_000_000;

/// Ports of protocols whose clients ask from a new port each time, also when they ask again: DNS and NTP.
pub(super) const NEVER_REPEATED: [u16; 2] = [53, 123];
/// Of these, those that nobody is asked at. Questions of DNS are answered with a truncated answer in place of that, or let
/// through where that can't be ([`floodwall_common::truncation`]).
const NEVER_ASKED: [u16; 1] = [123];

/// What is asked to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Packets of sources that are not known.
    NewSources,
    /// Everybody's.
    Everybodys,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    /// To ask packets of a class to come again, in place of what is in force for the service.
    Ask { service: u8, class: Class, whose: Whose },
    /// To ask no more: it is not needed any more, or, if `useless`, most comes again.
    Stop { service: u8, class: Class, useless: bool },
}

/// What comes of a class for a service that no other signature tells of: flows, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Coming {
    /// Those that were not seen before, of sources that are not known, and of those that are.
    pub(super) new: f64,
    pub(super) new_of_known: f64,
    /// Those that were asked to come again, a while ago.
    pub(super) asked: f64,
    /// Of these, those that have come again.
    pub(super) again: f64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    whose: Whose,
    since_ns: u64,
    needed_ns: u64,
}

/// What was asked, and when, ns.
#[derive(Clone, Copy, Debug)]
struct Before {
    whose: Whose,
    at_ns: u64,
}

/// What is asked to come again, by service.
#[derive(Debug, Default)]
pub(super) struct Repetition {
    asked: BTreeMap<(u8, Class), Asked>,
    /// Since when too much of a class passes.
    unheld: BTreeMap<(u8, Class), u64>,
    /// Until when it is not tried again.
    useless: BTreeMap<(u8, Class), u64>,
    /// What was asked a while ago, and had its use.
    before: BTreeMap<(u8, Class), Before>,
}

impl Repetition {
    /// Takes how an attacked service stands: of which classes too much passes, what comes of each, and whether a signature was
    /// found since a time.
    pub(super) fn follow(
        &mut self,
        service: u8,
        unheld: Unheld,
        coming: impl Fn(Class) -> Coming,
        found_since: impl Fn(u64) -> bool,
        now_ns: u64,
    ) -> Vec<Order> {
        self.useless.retain(|_, until_ns| *until_ns > now_ns);
        self.before.retain(|_, before| now_ns < before.at_ns + BEFORE);
        let classes = [
            (Class::Openings, unheld.openings),
            (Class::Datagrams, unheld.datagrams),
            (Class::Unasked, unheld.unasked),
            (Class::Others, unheld.others),
        ];
        let asks_everybody = |asked: &Asked| asked.whose == Whose::Everybodys;
        let forges_known = self.asked.get(&(service, Class::Openings)).is_some_and(asks_everybody);
        let orders = classes.into_iter().filter_map(|(class, is_unheld)| {
            let place = (service, class);
            if !is_unheld {
                self.unheld.remove(&place);
            }
            let since_ns = if is_unheld { *self.unheld.entry(place).or_insert(now_ns) } else { now_ns };
            let before = self.before_of(place);
            let patience = match before {
                Some(_) => PATIENCE_AGAIN,
                None if found_since(since_ns) => PATIENCE,
                None => PATIENCE_IN_VAIN,
            };
            let lasts = is_unheld && now_ns >= since_ns + patience;
            let coming = coming(class);
            let forged = class == Class::Datagrams && forges_known && coming.new_of_known >= MANY_OF_KNOWN;
            if let Some(asked) = self.asked.get_mut(&place) {
                if coming.asked - coming.again >= NEEDED {
                    asked.needed_ns = now_ns;
                }
                // That customers all come again once a flood is over says nothing of it.
                let most_come_again = coming.asked >= NEEDED && coming.again > MOST_AGAIN * coming.asked;
                if is_unheld && most_come_again {
                    self.asked.remove(&place);
                    self.before.remove(&place);
                    self.useless.insert(place, now_ns + USELESS);
                    return Some(Order::Stop { service, class, useless: true });
                }
                // Of requests it is counted what passes all the same. Of other classes it is not, and known sources are not in
                // these.
                let lasts = class == Class::Openings && lasts && now_ns >= asked.since_ns + PATIENCE;
                let widens = asked.whose == Whose::NewSources && (lasts || forged);
                if widens {
                    *asked = Asked { whose: Whose::Everybodys, since_ns: now_ns, needed_ns: now_ns };
                    self.before.insert(place, Before { whose: Whose::Everybodys, at_ns: now_ns });
                    return Some(Order::Ask { service, class, whose: Whose::Everybodys });
                }
                if now_ns >= asked.needed_ns + LINGERS {
                    self.asked.remove(&place);
                    return Some(Order::Stop { service, class, useless: false });
                }
                return None;
            }
            let new = coming.new + if class == Class::Openings { coming.new_of_known } else { 0.0 };
            let enough = new >= NEEDED;
            let begins = (lasts && enough || forged) && !self.useless.contains_key(&place);
            begins.then(|| {
                // Where known sources are forged, sparing these would only take time.
                let known_most = class == Class::Openings && coming.new_of_known > coming.new;
                let whose = match before {
                    Some(before) => before.whose,
                    None if known_most || forged => Whose::Everybodys,
                    None => Whose::NewSources,
                };
                self.asked.insert(place, Asked { whose, since_ns: now_ns, needed_ns: now_ns });
                self.before.insert(place, Before { whose, at_ns: now_ns });
                Order::Ask { service, class, whose }
            })
        });
        orders.collect()
    }

    /// What was asked a while ago, and had its use; of datagrams, whatever these came for. Known sources that were forged for what
    /// is offered may be those that answer the host.
    fn before_of(&self, (service, class): (u8, Class)) -> Option<Before> {
        let of_datagrams = || {
            let before = self.before.get(&(service, Class::Datagrams)).filter(|_| class == Class::Unasked)?;
            Some(Before { whose: Whose::NewSources, ..*before })
        };
        self.before.get(&(service, class)).copied().or_else(of_datagrams)
    }

    /// An attack is over.
    pub(super) fn end(&mut self, service: u8) {
        self.asked.retain(|(of, _), _| *of != service);
        self.unheld.retain(|(of, _), _| *of != service);
    }
}

/// Signatures of all packets of a class; none of those that could not be asked.
pub(super) fn signatures(class: Class, whose: Whose, service: Option<u8>) -> Vec<Signature> {
    let mut signatures = match class {
        Class::Openings => vec![Kind::Opening.signature()],
        Class::Datagrams => {
            let mut datagrams = Kind::Datagram.signature();
            datagrams.shorts.insert(WordField::DestinationPort as usize, all_but(&NEVER_ASKED));
            vec![datagrams]
        }
        Class::Unasked => vec![unoffered()],
        Class::Others => vec![Kind::Other.signature(), fragments()],
        Class::Segments | Class::Fruitless | Class::Names | Class::Returning => Vec::new(),
    };
    for signature in &mut signatures {
        signature.new_sources = whose == Whose::NewSources;
        if let Some(service) = service {
            signature.octets.insert(ByteField::Service as usize, [service].into_iter().collect());
        }
    }
    signatures
}

/// Datagrams to where nothing is offered. They can be asked only where it is not known what the host has asked itself: elsewhere
/// those that answer nothing are dropped before.
fn unoffered() -> Signature {
    let mut unoffered = Kind::Datagram.signature();
    let is_unoffered = |form: &u8| form & form::OFFERED == 0;
    unoffered.octets.insert(ByteField::Form as usize, (0..=u8::MAX).filter(is_unoffered).collect());
    unoffered
}

/// Fragments of datagrams: later ones tell no port.
fn fragments() -> Signature {
    let mut fragments = Signature::default();
    let is_fragment = |form: &u8| form & (form::FIRST_FRAGMENT | form::LATER_FRAGMENT) != 0;
    fragments.octets.insert(ByteField::Protocol as usize, [protocol::UDP].into_iter().collect());
    fragments.octets.insert(ByteField::Form as usize, (0..=u8::MAX).filter(is_fragment).collect());
    fragments
}

/// All ports but a few, which are in order.
fn all_but(ports: &[u16]) -> Ranges {
    let firsts = std::iter::once(0).chain(ports.iter().map(|port| port + 1));
    let lasts = ports.iter().map(|port| port - 1).chain(std::iter::once(u16::MAX));
    firsts.zip(lasts).collect()
}

#[cfg(test)]
mod tests {
    use floodwall_common::features::Features;

    use super::*;

    const TICK: u64 = 50_000_000;
    const NOTHING: Unheld = Unheld { openings: false, datagrams: false, unasked: false, others: false };
    const OPENINGS: Unheld = Unheld { openings: true, ..NOTHING };
    const DATAGRAMS: Unheld = Unheld { datagrams: true, ..NOTHING };

    /// What is ordered, and after how many seconds, if so much passes for so long and so many come for the first time.
    fn orders(
        repetition: &mut Repetition,
        from: u64,
        seconds: u64,
        unheld: Unheld,
        coming: Coming,
    ) -> Vec<(f64, Order)> {
        let ticks = (from * 20)..((from + seconds) * 20);
        let orders = ticks.flat_map(|tick| {
            let orders = repetition.follow(3, unheld, |_| coming, |_| true, tick * TICK);
            orders.into_iter().map(move |order| (tick as f64 / 20.0, order))
        });
        orders.collect()
    }

    /// A flood of so many new flows/s, of which such a share comes again.
    fn flood(rate: f64, share: f64) -> Coming {
        Coming { new: rate, asked: rate, again: rate * share, ..Coming::default() }
    }

    fn ask(class: Class, whose: Whose) -> Order {
        Order::Ask { service: 3, class, whose }
    }

    #[test]
    fn requests_are_asked_to_come_again_and_then_those_of_known_sources_too() {
        let mut repetition = Repetition::default();
        assert_eq!(
            orders(&mut repetition, 10, 5, OPENINGS, flood(2_000.0, 0.3)),
            [
                (10.75, ask(Class::Openings, Whose::NewSources)),
                (11.5, ask(Class::Openings, Whose::Everybodys)),
            ]
        );
        let stop = Order::Stop { service: 3, class: Class::Openings, useless: false };
        let rush = Coming { new: 300.0, asked: 300.0, again: 290.0, ..Coming::default() };
        assert_eq!(orders(&mut repetition, 15, 3, Unheld::default(), flood(2_000.0, 0.3)), []);
        assert_eq!(orders(&mut repetition, 18, 9, Unheld::default(), rush), [(20.95, stop)]);
    }

    #[test]
    fn where_known_sources_are_forged_they_are_asked_at_once_and_their_datagrams_as_well() {
        let mut repetition = Repetition::default();
        let forged = Coming { new: 900.0, new_of_known: 1_500.0, asked: 2_400.0, again: 0.0 };
        let everybody = |class| ask(class, Whose::Everybodys);
        let all = [(10.75, everybody(Class::Openings)), (10.8, everybody(Class::Datagrams))];
        assert_eq!(orders(&mut repetition, 10, 5, OPENINGS, forged), all);
        // Most of it comes from known sources, but nothing says that these are forged.
        let mut repetition = Repetition::default();
        assert_eq!(orders(&mut repetition, 10, 1, Unheld::default(), forged), []);
        let few = Coming { new_of_known: 150.0, new: 100.0, ..forged };
        assert_eq!(orders(&mut repetition, 20, 5, OPENINGS, few), [(20.75, everybody(Class::Openings))]);
    }

    #[test]
    fn where_no_signature_was_found_it_is_asked_sooner() {
        for (found_ns, expected) in [(20_000_000_000, 20.75), (19_000_000_000, 20.35)] {
            let mut repetition = Repetition::default();
            let found_since = |since_ns| found_ns >= since_ns;
            let first = (400..440).find(|tick| {
                let flood = |_| flood(2_000.0, 0.0);
                !repetition.follow(3, OPENINGS, flood, found_since, tick * TICK).is_empty()
            });
            assert_eq!(first.map(|tick| tick as f64 / 20.0), Some(expected));
        }
    }

    #[test]
    fn what_was_of_use_is_asked_sooner_the_next_time() {
        let mut repetition = Repetition::default();
        orders(&mut repetition, 10, 5, OPENINGS, flood(2_000.0, 0.0));
        repetition.end(3);
        let again = [(20.1, ask(Class::Openings, Whose::Everybodys))];
        assert_eq!(orders(&mut repetition, 20, 2, OPENINGS, flood(2_000.0, 0.0)), again);
        repetition.end(3);
        let much_later = orders(&mut repetition, 1_000, 1, OPENINGS, flood(2_000.0, 0.0));
        assert_eq!(much_later, [(1_000.75, ask(Class::Openings, Whose::NewSources))]);
    }

    #[test]
    fn datagrams_to_where_nothing_is_offered_are_asked_by_themselves() {
        let unasked = Unheld { unasked: true, ..NOTHING };
        let first = |unheld, from| {
            let mut repetition = Repetition::default();
            orders(&mut repetition, 10, 2, DATAGRAMS, flood(2_000.0, 0.0));
            repetition.end(3);
            orders(&mut repetition, from, 2, unheld, flood(2_000.0, 0.0))
        };
        let asks = ask(Class::Unasked, Whose::NewSources);
        assert_eq!(first(unasked, 20), [(20.1, asks.clone())], "datagrams were asked lately");
        assert_eq!(first(unasked, 1_000), [(1_000.75, asks)]);
        let signatures = signatures(Class::Unasked, Whose::NewSources, None);
        let hits = |form| {
            let mut features = Features::default();
            features.octets[ByteField::Protocol as usize] = protocol::UDP;
            features.octets[ByteField::Form as usize] = form;
            signatures.iter().any(|signature| signature.matches(&features))
        };
        assert!(hits(0) && !hits(form::OFFERED));
    }

    #[test]
    fn what_is_held_soon_is_not_asked() {
        let mut repetition = Repetition::default();
        for tick in 0..200 {
            let unheld = if tick % 15 == 0 { Unheld::default() } else { OPENINGS };
            assert_eq!(
                repetition.follow(3, unheld, |_| flood(2_000.0, 0.0), |_| true, tick * TICK),
                [],
                "tick {tick}"
            );
        }
    }

    #[test]
    fn datagrams_of_known_sources_are_never_asked_and_few_are_not_worth_it() {
        let mut repetition = Repetition::default();
        assert_eq!(orders(&mut repetition, 0, 5, DATAGRAMS, flood(50.0, 0.0)), []);
        let asked = orders(&mut repetition, 5, 20, DATAGRAMS, flood(500.0, 0.0));
        assert_eq!(asked, [(5.0, ask(Class::Datagrams, Whose::NewSources))]);
    }

    #[test]
    fn what_was_of_no_use_is_not_tried_again_for_a_while() {
        let mut repetition = Repetition::default();
        let came = orders(&mut repetition, 0, 100, OPENINGS, flood(2_000.0, 0.6));
        let stop = Order::Stop { service: 3, class: Class::Openings, useless: true };
        let asks = ask(Class::Openings, Whose::NewSources);
        let expected = [(0.75, asks.clone()), (0.8, stop.clone()), (60.8, asks), (60.85, stop)];
        assert_eq!(came, expected);
        repetition.end(3);
        assert!(repetition.asked.is_empty());
    }

    #[test]
    fn signatures_are_of_all_that_can_be_asked() {
        let text = |class, whose| {
            signatures(class, whose, Some(3)).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let datagrams = text(Class::Datagrams, Whose::NewSources);
        assert!(
            datagrams[0].starts_with("udp ") && datagrams[0].contains("dport=0-122,124-65535 new-sources")
        );
        assert_eq!(text(Class::Others, Whose::NewSources).len(), 2);
        assert!(!text(Class::Openings, Whose::Everybodys)[0].contains("new-sources"));
        assert!(text(Class::Segments, Whose::NewSources).is_empty());
    }
}
