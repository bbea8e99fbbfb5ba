//! What is asked to come again, where nothing tells the packets of an attack apart: see [`crate::repetition`].

use std::collections::{BTreeMap, HashMap};

use floodwall_common::wire::Reason;

use super::{Detector, RECENT};
use crate::{
    alarm::Class,
    deployment::{Asked, Turn},
    event::Event,
    packet_kind::Kind,
    repetition::{self, Coming, Order, RETURNS, Whose},
    sample::Sample,
    service_load::Standing,
    signature::Signature,
    would_ban::LONG,
};

impl Detector {
    /// Where too much still passes of a kind, and nothing tells what, has all of that kind come again.
    pub(super) fn ask_to_repeat(
        &mut self,
        now_ns: u64,
        standings: &[(u8, Standing)],
        events: &mut Vec<Event>,
    ) {
        let several = standings.len() > 1;
        for (service, standing) in standings {
            if !self.attacks.contains_key(service) {
                continue;
            }
            let coming = self.coming(*service, standing.sampled, now_ns);
            let coming = |class| coming.get(&class).copied().unwrap_or_default();
            let deployment = &self.deployment;
            let found_since = |since_ns| deployment.found_since(*service, since_ns);
            for order in self.repetition.follow(*service, standing.unheld, coming, found_since, now_ns) {
                let (service, class, whose) = match order {
                    Order::Ask { service, class, whose } => (service, class, whose),
                    Order::Stop { service, class, useless } => {
                        let turn = if useless { Turn::Useless } else { Turn::NeededNoMore };
                        let stopped = self.stop_asking(service, class);
                        events.extend(stopped.into_iter().map(|(number, signature)| Event::Turned {
                            number,
                            signature,
                            turn,
                        }));
                        continue;
                    }
                };
                self.stop_asking(service, class);
                // That says as much as that nothing is found.
                self.attacks.entry(service).and_modify(|attack| attack.told = true);
                let place = several.then_some(service);
                for signature in repetition::signatures(class, whose, place) {
                    let asked = Asked { service, class };
                    let Some(number) = self.deployment.ask(signature, asked, now_ns) else { break };
                    self.changed = true;
                    events.push(Event::AsksToRepeat {
                        number,
                        service,
                        class,
                        all: whose == Whose::Everybodys,
                    });
                }
            }
        }
    }

    /// What comes for a service that no other signature tells of, by class.
    fn coming(&self, service: u8, sampled: f64, now_ns: u64) -> BTreeMap<Class, Coming> {
        let mut seen: BTreeMap<Class, HashMap<u64, Seen>> = BTreeMap::new();
        for sample in self.recent.iter().filter(|sample| sample.service() == service && !sample.answers) {
            let Some(class) = class_of(sample).filter(|_| !self.deployment.covers(sample)) else { continue };
            let flow = seen.entry(class).or_default().entry(sample.flow()).or_insert(Seen {
                first_ns: sample.time_ns,
                known: sample.known,
                asked: false,
                again: false,
            });
            let dropped = sample.reason == Reason::Signature;
            flow.again |= !dropped && self.deployment.asks(sample);
            flow.asked |= dropped;
        }
        let per_second = |flows: usize, ns: u64| flows as f64 * 1e9 / (ns as f64 * sampled);
        let coming = seen.into_iter().map(|(class, flows)| {
            let count = |is: &dyn Fn(&Seen) -> bool| flows.values().filter(|seen| is(seen)).count();
            let long_ago = |seen: &Seen| seen.first_ns + RETURNS <= now_ns && (seen.asked || seen.again);
            let is_new = |seen: &Seen| seen.first_ns + RECENT > now_ns;
            let new = count(&|seen| is_new(seen) && !seen.known);
            let new_of_known = count(&|seen| is_new(seen) && seen.known);
            let asked = count(&long_ago);
            let again = count(&|seen| long_ago(seen) && seen.again);
            let asked_for = LONG - RETURNS;
            (
                class,
                Coming {
                    new: per_second(new, RECENT),
                    new_of_known: per_second(new_of_known, RECENT),
                    asked: per_second(asked, asked_for),
                    again: per_second(again, asked_for),
                },
            )
        });
        coming.collect()
    }

    /// Whether too many requests for connections to a service pass that nothing follows, and most claim to be of known sources.
    pub(super) fn forges_known(&self, service: u8, standing: &Standing, now_ns: u64) -> bool {
        if !standing.unheld.openings || !self.attacks.contains_key(&service) {
            return false;
        }
        let coming = self.coming(service, standing.sampled, now_ns);
        coming.get(&Class::Openings).is_some_and(|coming| coming.new_of_known > coming.new)
    }

    /// Takes back what asks packets of a class to come again; returns it.
    fn stop_asking(&mut self, service: u8, class: Class) -> Vec<(usize, Signature)> {
        let stopped = self.deployment.ask_no_more(|asked| *asked == Asked { service, class });
        self.changed |= !stopped.is_empty();
        stopped
    }
}

/// A flow as it was seen within [`LONG`].
struct Seen {
    first_ns: u64,
    /// Its source is known.
    known: bool,
    /// A packet of its was dropped.
    asked: bool,
    /// One was let in by a signature that asks to come again.
    again: bool,
}

/// What a packet counts as that can be asked to come again.
fn class_of(sample: &Sample) -> Option<Class> {
    match Kind::of(&sample.features) {
        Kind::Opening => Some(Class::Openings),
        Kind::Segment => None,
        Kind::Datagram if !sample.is_fragment() => {
            Some(if sample.unprovable { Class::Unasked } else { Class::Datagrams })
        }
        Kind::Datagram | Kind::Other if sample.known => None,
        Kind::Datagram | Kind::Other => Some(Class::Others),
    }
}
