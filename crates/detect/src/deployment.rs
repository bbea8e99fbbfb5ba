//! The signatures that are deployed, from trial to retirement. One that was found only counts at first, then drops. It is
//! withdrawn if it hits known sources ([`Deployed::is_harmful`]) or if too much of what it drops comes again, and retired once it
//! matches nothing.

mod deployed;
mod turn;

use floodwall_common::wire::{MAX_SERVICES, Verdict, signature::MAX_SIGNATURES};

pub(super) use deployed::Asked;
pub use deployed::Deployed;
pub use turn::{Held, Turn};

use super::{mining::Finding, sample::Sample};
use crate::signature::{Image, ImageError, Signature};

/// How long a signature only counts before it drops, ns.
const TRIAL: u64 = 50_000_000;
/// How long after it was decided that a signature drops it does, ns.
const IN_FORCE: u64 = 50_000_000;
/// How long a signature stays that matches nothing, ns.
const QUIET: u64 = 300_000_000_000;
/// Requests that came again which are put up with: so many, or this share of all. Who forges requests sends none again
/// (0.02 % at most in captures). If more do, the signature is taken back, since they may be customers. If nobody usual looks like
/// that, they are bots, and it drops them for good.
const FEW_AGAIN: u64 = 8;
const AGAIN_SHARE: f64 = 0.2;
/// How long a signature drops before a request can come again, ns.
const AGAIN_AFTER: u64 = 800_000_000;
/// Requests that are usual, for a signature that hits next to none of them to hit at most 5 % of those of new customers,
/// with a certainty of 95 % (the rule of three: Hanley & Lippman-Hand, "If nothing goes wrong, is everything all right?",
/// JAMA 1983).
const ENOUGH_OPENINGS: usize = 60;

/// Which bit stands for the signature with a number, and which counter is its: the kernel program knows it by that.
pub const fn place_of(number: usize) -> usize {
    number % MAX_SIGNATURES as usize
}

/// All of them, by their bit.
#[derive(Debug, Default)]
pub(super) struct Deployment {
    /// As many as are needed: each sample is held against all.
    slots: Vec<Option<Deployed>>,
    /// How many had each bit so far.
    had: Vec<usize>,
    /// Bits that were given away, and whose counters tell of those that had them before.
    fresh: Vec<usize>,
    /// Only those that an operator wants may drop.
    observe: bool,
}

impl Deployment {
    /// Whether those that were found only count.
    pub(super) fn is_observing(&self) -> bool {
        self.observe
    }

    /// Lets those that were found drop or not. Says whether one that did does not any more.
    pub(super) fn observe(&mut self, observe: bool, now_ns: u64) -> bool {
        if std::mem::replace(&mut self.observe, observe) == observe {
            return false;
        }
        let mut any = false;
        for deployed in self.slots.iter_mut().flatten().filter(|deployed| !deployed.pinned) {
            any |= deployed.enforced;
            // Tried again, and then told of.
            (deployed.enforced, deployed.rests, deployed.since_ns) = (false, false, now_ns);
        }
        any
    }

    /// Why a signature only counts, if it is not for an operator to say.
    pub(super) fn held(&self, deployed: &Deployed) -> Option<Held> {
        if deployed.pinned {
            return None;
        }
        let too_broad =
            deployed.signature.too_broad().filter(|_| deployed.asks.is_none()).map(Held::TooBroad);
        too_broad.or(self.observe.then_some(Held::Observe))
    }

    /// Signatures by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Deployed)> {
        self.slots.iter().flatten().map(|deployed| (deployed.number, deployed))
    }

    /// Deploys a signature that was found, to count only; it was held against so many usual requests for a connection, or,
    /// if that is `None`, against what all clients are assumed to send. Returns its number; `None` if there is no room for another.
    pub(super) fn try_out(
        &mut self,
        finding: &Finding,
        openings: Option<usize>,
        now_ns: u64,
    ) -> Option<usize> {
        let harmless = finding.usual_share == 0.0;
        let enough = openings.is_none_or(|openings| openings >= ENOUGH_OPENINGS);
        let strange = !finding.signature.new_sources && enough;
        self.add(Deployed { harmless, strange, ..Deployed::new(finding.signature.clone(), now_ns) })
    }

    /// Deploys one that asks all packets of a class to come again. Returns its number; `None` if there is no room for another.
    pub(super) fn ask(&mut self, signature: Signature, asked: Asked, now_ns: u64) -> Option<usize> {
        self.add(Deployed { asks: Some(asked), ..Deployed::new(signature, now_ns) })
    }

    /// Takes back those that ask packets to come again; returns them.
    pub(super) fn ask_no_more(&mut self, of: impl Fn(&Asked) -> bool) -> Vec<(usize, Signature)> {
        let asks = |deployed: &mut Deployed| !deployed.pinned && deployed.asks.as_ref().is_some_and(&of);
        let stopped = self.slots.iter_mut().filter_map(|slot| slot.take_if(asks));
        let stopped = stopped.map(|deployed| (deployed.number, deployed.signature)).collect();
        self.trim();
        stopped
    }

    /// Whether any asked a sample to come again as it came.
    pub(super) fn asks(&self, sample: &Sample) -> bool {
        self.iter().any(|(_, deployed)| {
            let in_force =
                deployed.enforced && sample.time_ns >= deployed.enforced_ns.saturating_add(IN_FORCE);
            deployed.asks.is_some() && in_force && sample.matches(&deployed.signature)
        })
    }

    /// Deploys a signature that an operator wants. Returns its number; `None` if there is no room for another.
    pub(super) fn pin(&mut self, signature: Signature, enforced: bool, now_ns: u64) -> Option<usize> {
        let there = self.slots.iter_mut().flatten().find(|deployed| deployed.signature == signature);
        if let Some(deployed) = there {
            (deployed.pinned, deployed.enforced, deployed.rests) = (true, enforced, false);
            return Some(deployed.number);
        }
        self.add(Deployed { pinned: true, enforced, ..Deployed::new(signature, now_ns) })
    }

    /// Deploys a signature that another detector has, as it stands there. Returns its number; `None` if there is no room
    /// for another.
    pub(super) fn take_over(
        &mut self,
        signature: Signature,
        pinned: bool,
        enforced: bool,
        now_ns: u64,
    ) -> Option<usize> {
        // Of those that were found, only a resting one stays for longer than a moment without dropping.
        let rests = !pinned && !enforced;
        self.add(Deployed { pinned, enforced, rests, harmless: enforced, ..Deployed::new(signature, now_ns) })
    }

    /// Takes a signature back; returns it.
    pub(super) fn remove(&mut self, number: usize) -> Option<Deployed> {
        let slot = self.slots.get_mut(place_of(number))?;
        let removed = slot.take_if(|deployed| deployed.number == number);
        self.trim();
        removed
    }

    /// Gives it a bit that nobody has, of those the one that the fewest had, and a number.
    fn add(&mut self, deployed: Deployed) -> Option<usize> {
        self.had.resize(MAX_SIGNATURES as usize, 0);
        let is_free = |place: &usize| self.slots.get(*place).is_none_or(Option::is_none);
        let free = (0..MAX_SIGNATURES as usize).filter(is_free).min_by_key(|place| self.had[*place])?;
        let number = free + self.had[free] * MAX_SIGNATURES as usize;
        self.had[free] += 1;
        self.fresh.push(free);
        self.slots.resize(self.slots.len().max(free + 1), None);
        self.slots[free] = Some(Deployed { number, ..deployed });
        Some(number)
    }

    /// Bits that were given away since this was last asked.
    pub(super) fn take_fresh(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.fresh)
    }

    fn trim(&mut self) {
        while self.slots.pop_if(|slot| slot.is_none()).is_some() {}
    }

    /// Notes which signatures a sample matches.
    pub(super) fn note(&mut self, sample: &Sample, source_is_known: bool) {
        for deployed in self.slots.iter_mut().flatten() {
            if sample.matches(&deployed.signature) {
                deployed.hits += 1;
                if source_is_known {
                    deployed.note_known(sample);
                }
                // What comes again was dropped before: that takes a while.
                let long_enforced = sample.time_ns >= deployed.enforced_ns.saturating_add(AGAIN_AFTER);
                if deployed.enforced && long_enforced && (sample.opens() || deployed.asks.is_some()) {
                    deployed.requests += 1;
                    deployed.again += u64::from(sample.reason.verdict() == Verdict::Pass);
                }
                deployed.last_hit_ns = sample.time_ns;
            }
        }
    }

    /// Notes that a sample is of a source that is known otherwise, which the signatures that it matches should not have hit.
    pub(super) fn note_known(&mut self, sample: &Sample) {
        for deployed in self.slots.iter_mut().flatten().filter(|deployed| sample.matches(&deployed.signature))
        {
            deployed.note_known(sample);
        }
    }

    /// An attack is over, and only services of which `attacked` says so are under one: what hits a little of what is usual,
    /// and concerns none of them, only counts until the next. Says whether there is any.
    pub(super) fn rest(&mut self, attacked: impl Fn(u8) -> bool) -> bool {
        let mut any = false;
        let passing = |deployed: &&mut Deployed| {
            let needed =
                (0..MAX_SERVICES as u8).any(|service| attacked(service) && deployed.concerns(service));
            !deployed.harmless && !deployed.pinned && !needed
        };
        for deployed in self.slots.iter_mut().flatten().filter(passing) {
            any |= deployed.enforced;
            (deployed.rests, deployed.enforced) = (true, false);
        }
        any
    }

    /// An attack on a service has begun: what rests and concerns it is tried again. Says whether there is any.
    pub(super) fn wake(&mut self, service: u8, now_ns: u64) -> bool {
        let mut any = false;
        let woken = |deployed: &&mut Deployed| deployed.rests && deployed.concerns(service);
        for deployed in self.slots.iter_mut().flatten().filter(woken) {
            (deployed.rests, deployed.since_ns, any) = (false, now_ns, true);
        }
        any
    }

    /// Whether any tells that a sample is one of an attack. One that is too broad to drop by itself tells nothing: what it hits
    /// still passes.
    pub(super) fn covers(&self, sample: &Sample) -> bool {
        let tells = |deployed: &Deployed| deployed.asks.is_none() && (!deployed.rests || self.observe);
        self.iter().any(|(_, deployed)| tells(deployed) && sample.matches(&deployed.signature))
    }

    /// Whether one that concerns a service, and may drop by itself, was found since, or is tried again.
    pub(super) fn found_since(&self, service: u8, since_ns: u64) -> bool {
        self.iter().any(|(_, deployed)| {
            let found = deployed.asks.is_none() && !deployed.pinned && !deployed.rests;
            // One that is tried again and hits nothing says nothing.
            found && deployed.concerns(service) && deployed.since_ns.min(deployed.last_hit_ns) >= since_ns
        })
    }

    /// Those that were found, and only count until the next attack.
    pub(super) fn resting(&self) -> impl Iterator<Item = &Signature> {
        self.iter().filter(|(_, deployed)| deployed.rests).map(|(_, deployed)| &deployed.signature)
    }

    /// Whether one that concerns a service and drops, or would if nothing were only observed, has matched something
    /// since.
    pub(super) fn holds_since(&self, service: u8, since_ns: u64) -> bool {
        self.iter().any(|(_, deployed)| {
            let counts = deployed.enforced || self.held(deployed) == Some(Held::Observe);
            counts && deployed.concerns(service) && deployed.hits > 0 && deployed.last_hit_ns >= since_ns
        })
    }

    /// Enforces what has stood its trial, and takes back what has not, or is not needed any more.
    pub(super) fn turn(&mut self, now_ns: u64) -> Vec<(usize, Signature, Turn)> {
        let mut turns = Vec::new();
        for place in 0..self.slots.len() {
            let held = self.slots[place].as_ref().and_then(|deployed| self.held(deployed));
            let slot = &mut self.slots[place];
            let Some(deployed) = slot.as_mut().filter(|deployed| !deployed.pinned) else { continue };
            // Where a signature asks all to come again, flows tell how many do (`detector/asking.rs`).
            let again = !deployed.for_good
                && deployed.asks.is_none()
                && deployed.again > FEW_AGAIN
                && deployed.again as f64 > AGAIN_SHARE * deployed.requests as f64;
            let turn = if deployed.is_harmful() {
                Turn::Withdrawn
            } else if again && deployed.strange {
                deployed.for_good = true;
                Turn::ForGood
            } else if again {
                Turn::ComesAgain
            } else if !deployed.enforced && !deployed.rests && now_ns >= deployed.since_ns + TRIAL {
                // One that is held rests, and is tried again in the next attack.
                (deployed.enforced, deployed.rests) = (held.is_none(), held.is_some());
                deployed.enforced_ns = now_ns;
                held.map_or(Turn::Enforced, Turn::Held)
            } else if now_ns >= deployed.last_hit_ns + QUIET {
                Turn::Retired
            } else {
                continue;
            };
            turns.push((deployed.number, deployed.signature.clone(), turn));
            if matches!(turn, Turn::Withdrawn | Turn::ComesAgain | Turn::Retired) {
                *slot = None;
            }
        }
        self.trim();
        turns
    }

    /// As the kernel program wants them.
    ///
    /// # Errors
    ///
    /// If their ranges are too many.
    pub(super) fn image(&self) -> Result<Image, ImageError> {
        let listed: Vec<_> = self
            .slots
            .iter()
            .map(|slot| slot.as_ref().map(|deployed| (&deployed.signature, deployed.effect())))
            .collect();
        Image::new(&listed)
    }

    /// Takes the youngest back that nobody wants as it is, or else the youngest.
    pub(super) fn drop_youngest(&mut self) {
        let youngest = self
            .iter()
            .max_by_key(|(_, deployed)| (!deployed.pinned, deployed.since_ns))
            .map(|(number, _)| number);
        if let Some(number) = youngest {
            self.remove(number);
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use floodwall_common::{features::WordField, parse::tcp_flag, wire::Reason};

    use super::*;
    use crate::signature::Effect;

    /// A request for a connection, and what became of it.
    fn request(number: u64, reason: Reason) -> Sample {
        let mut sample = Sample { reason, ..Sample::segment(tcp_flag::SYN, number, 2 * TRIAL + AGAIN_AFTER) };
        sample.features.shorts[WordField::Window as usize] = 512;
        sample
    }

    /// What becomes of a signature that was held against so many usual requests, and of which so many of a hundred come
    /// again; and what it does then.
    fn after(text: &str, openings: Option<usize>, again: u64) -> (Vec<Turn>, Option<Effect>) {
        let mut deployment = Deployment::default();
        let finding = Finding { signature: text.parse().unwrap(), covered: 100, usual_share: 0.0 };
        let number = deployment.try_out(&finding, openings, 0).unwrap();
        let early = Sample { time_ns: TRIAL, ..request(0, Reason::Clean) };
        (0..100).for_each(|_| deployment.note(&early, false));
        let mut turns = deployment.turn(TRIAL);
        (0..100).for_each(|_| deployment.note(&early, false));
        for number in 0..100 {
            let reason = if number < again { Reason::Clean } else { Reason::Signature };
            deployment.note(&request(number, reason), false);
        }
        turns.extend(deployment.turn(3 * TRIAL));
        turns.extend(deployment.turn(4 * TRIAL));
        let turns = turns.into_iter().map(|(_, _, turn)| turn).collect();
        (turns, deployment.iter().find(|(there, _)| *there == number).map(|(_, deployed)| deployed.effect()))
    }

    #[test]
    fn who_asks_again_ends_a_signature_unless_nobody_usual_looks_like_that() {
        const ANYBODY: &str = "tcp flags=syn window=512 dport=0";
        const NEW_SOURCES: &str = "tcp flags=syn window=512 dport=0 new-sources";
        let drops_once = (vec![Turn::Enforced], Some(Effect::DropOnce));
        for text in [ANYBODY, NEW_SOURCES] {
            for few in [0, 8, 20] {
                assert_eq!(after(text, Some(1_000), few), drops_once, "{few} of 100 come again");
            }
        }
        let withdrawn = (vec![Turn::Enforced, Turn::ComesAgain], None);
        assert_eq!(after(NEW_SOURCES, Some(1_000), 21), withdrawn);
        assert_eq!(after(ANYBODY, Some(ENOUGH_OPENINGS - 1), 21), withdrawn, "too little is known");
        let for_good = (vec![Turn::Enforced, Turn::ForGood], Some(Effect::DropFound));
        assert_eq!(after(ANYBODY, Some(ENOUGH_OPENINGS), 21), for_good);
        assert_eq!(after(ANYBODY, None, 21), for_good);
    }

    /// What becomes of a signature that hits a hundred packets, in the name of so many known sources.
    fn hitting_known(text: &str, sources: u64, openings: usize) -> Vec<Turn> {
        let mut deployment = Deployment::default();
        let finding = Finding { signature: text.parse().unwrap(), covered: 100, usual_share: 0.0 };
        deployment.try_out(&finding, Some(openings), 0).unwrap();
        for number in 0..100 {
            let sample = Sample { time_ns: TRIAL, ..request(number % sources, Reason::Clean) };
            deployment.note(&sample, true);
        }
        deployment.turn(TRIAL).into_iter().map(|(_, _, turn)| turn).collect()
    }

    #[test]
    fn requests_forged_in_the_name_of_known_sources_do_not_end_a_signature() {
        const REQUESTS: &str = "tcp flags=syn window=512 dport=0";
        assert_eq!(hitting_known(REQUESTS, 3, 0), [Turn::Enforced]);
        assert_eq!(hitting_known(REQUESTS, 4, ENOUGH_OPENINGS - 1), [Turn::Withdrawn], "too little is known");
        assert_eq!(
            hitting_known(REQUESTS, 100, ENOUGH_OPENINGS),
            [Turn::Enforced],
            "no customer looks like that"
        );
        let sparing = format!("{REQUESTS} new-sources");
        assert_eq!(hitting_known(&sparing, 4, ENOUGH_OPENINGS), [Turn::Withdrawn]);
        assert_eq!(
            hitting_known("tcp window=512 dport=0", 1, 1_000),
            [Turn::Withdrawn],
            "it may be a download"
        );
    }

    /// One that was found with the first packet of an attack, after its trial.
    fn tried(text: &str) -> Deployment {
        let mut deployment = Deployment::default();
        let finding = Finding { signature: text.parse().unwrap(), covered: 100, usual_share: 0.0 };
        deployment.try_out(&finding, Some(1_000), TRIAL).unwrap();
        deployment.turn(2 * TRIAL);
        deployment
    }

    #[test]
    fn what_a_signature_hits_that_only_counts_is_still_to_be_explained() {
        let sample = request(1, Reason::Clean);
        assert!(tried("tcp flags=syn window=512 dport=0").covers(&sample));
        let mut broad = tried("tcp flags=syn window=512");
        assert!(!broad.covers(&sample), "it is too broad to drop");
        assert_eq!(broad.resting().count(), 1);
        broad.observe(true, 0);
        broad.turn(TRIAL);
        assert!(broad.covers(&sample), "nothing drops, and all is explained that could be");
    }

    #[test]
    fn a_signature_that_is_tried_again_and_hits_nothing_was_not_found() {
        let mut deployment = tried("tcp flags=syn window=512 dport=0");
        assert!(deployment.found_since(0, TRIAL) && !deployment.found_since(0, TRIAL + 1));
        assert!(!tried("tcp flags=syn window=512").found_since(0, 0), "it is too broad to drop");
        deployment.slots.iter_mut().flatten().for_each(|deployed| deployed.rests = true);
        assert!(!deployment.found_since(0, 0));
        deployment.wake(0, 50 * TRIAL);
        assert!(!deployment.found_since(0, 50 * TRIAL));
        deployment.note(&Sample { time_ns: 51 * TRIAL, ..request(1, Reason::Clean) }, false);
        assert!(deployment.found_since(0, 50 * TRIAL));
    }

    #[test]
    fn no_number_is_given_twice() {
        let mut deployment = Deployment::default();
        let pin = |deployment: &mut Deployment, port: usize| {
            let signature = format!("udp sport={port} len=28").parse().unwrap();
            deployment.pin(signature, true, 0).unwrap()
        };
        let all = MAX_SIGNATURES as usize;
        let kept = pin(&mut deployment, 1);
        let numbers: Vec<usize> = (0..2 * all)
            .map(|at| {
                let number = pin(&mut deployment, 100 + at);
                assert_eq!(deployment.remove(number).map(|removed| removed.number), Some(number));
                number
            })
            .collect();
        let different: std::collections::BTreeSet<_> = numbers.iter().collect();
        assert!(different.len() == 2 * all && !different.contains(&kept), "{numbers:?}");
        assert_eq!(numbers[..all - 1], (1..all).collect::<Vec<_>>()[..], "what nobody had comes first");
        assert!(deployment.remove(numbers[0]).is_none() && deployment.remove(kept + all).is_none());
        assert_eq!(deployment.iter().map(|(number, _)| number).collect::<Vec<_>>(), [kept]);
        assert_eq!(
            deployment.take_fresh(),
            [kept].into_iter().chain(numbers).map(place_of).collect::<Vec<_>>()
        );
        assert!(deployment.take_fresh().is_empty());
    }

    #[test]
    fn what_an_operator_wants_drops_requests_however_often_they_come() {
        let mut deployment = Deployment::default();
        let number = deployment.pin("tcp flags=syn window=512".parse().unwrap(), true, 0).unwrap();
        (0..100).for_each(|number| deployment.note(&request(number, Reason::Clean), false));
        assert!(deployment.turn(TRIAL).is_empty());
        assert_eq!(
            deployment.iter().map(|(there, one)| (there, one.effect())).next(),
            Some((number, Effect::Drop))
        );
    }
}
