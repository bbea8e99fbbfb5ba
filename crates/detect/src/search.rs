//! Looks for signatures of what is unusual, in two ways.
//!
//! First for what nobody usually sends: such signatures hit anybody. Where there are none that cover enough, for what
//! new sources hardly ever send: these spare whom the kernel program knows, and may hit a little of what is usual.
//!
//! A crowd is unusual, too, and has no fingerprint: signatures are only taken that explain most of what is too much,
//! and new sources' requests for connections only if these lead to none.

use floodwall_common::{
    features::{ByteField, Features, WordField},
    parse::tcp_flag,
    source::Key,
};
use foldhash::{HashMap, HashSet};

use super::{
    assumed,
    columns::Columns,
    deployment::Deployment,
    examples::Examples,
    mining::{self, Finding, Terms},
    packet_kind::Kind,
    recent::Recent,
    reference_set::ReferenceSet,
    sample::Sample,
};
use crate::signature::Signature;

/// Flows that a signature has to cover: what a few long ones have in common is chance.
const LEAST_FLOWS: usize = 8;
/// Share of the packets that so many flows may make up.
const MOST_OF_FEW: f64 = 0.6;
/// Share of what is unusual that all signatures together have to cover. Where they cover less, it is no tool that sends
/// all of it, but a crowd.
const LEAST_TOGETHER: f64 = 0.6;
/// Sampled packets of the time that is searched beyond what is expected of new sources, below which nothing is looked for.
pub(super) const LEAST_EXCESS: f64 = 20.0;
/// And as a share of all that is usually expected.
const EXCESS_SHARE: f64 = 0.3;
/// Packets that a signature has to cover.
const LEAST_COVERED: f64 = 20.0;
/// How many times more often it has to hit than usually.
const LEAST_LIFT: f64 = 10.0;
/// Signatures that are looked for at once.
const MOST_FINDINGS: usize = 8;
/// Usual packets from new sources without which nothing is looked for that spares known sources; of datagrams, so many of
/// these: who asks once and goes never proves itself.
const ENOUGH_NEW_SOURCES: usize = 50;
/// Where most of what is usual is assumed: share of the packets that a signature hits which may come with others of their
/// sources, and share of the packets that it has to cover.
const MOST_WITH_OTHERS: f64 = 0.05;
const LEAST_ASSUMED: f64 = 0.3;
/// How many times more often than usually a signature has to hit that spares known sources: more than a crowd grows.
const LEAST_NEW_SOURCE_LIFT: f64 = 100.0;
/// Segments that come with a request for a connection, beside those that usually do, beyond which it is a crowd.
const MOST_FOLLOWED: f64 = 0.25;
/// And at most so many: that many come in the shortest of conversations.
const MOST_FOLLOWING: f64 = 2.0;
/// Share of all usual packets that a signature may hit, and of those of its kind.
const MOST_USUAL: f64 = 0.0005;
const MOST_ALIKE: f64 = 0.01;
/// Share of all usual packets that signatures may hit together which spare known sources, and how many of these are
/// looked for at once.
const MOST_OF_NEW_SOURCES: f64 = 0.002;
/// Requests for connections are dropped only once: whose they are, gets in a second later. So most of them may be hit where
/// nothing else tells a flood of them.
const MOST_OPENINGS: f64 = 0.03;
/// A field sets packets apart if at most so many of the usual ones that go to the same place have its values, of which there
/// have to be so many; and so many such fields a signature of segments has to look at.
const MOST_OF_A_TELLING_TERM: f64 = 0.5;
const ENOUGH_THERE: usize = 50;
const LEAST_TELLING_TERMS: usize = 2;
/// Most of what a signature of segments hits that may come from known sources for these to be spared.
const MOST_KNOWN: f64 = 0.05;
const LEAST_OPENING_LIFT: f64 = 10.0;
const NEW_SOURCE_FINDINGS: usize = 4;
/// Share of what is unusual that a signature has to cover.
const LEAST_SHARE: f64 = 0.08;

/// Ports that a signature comes to name at most, and share of what it covers that has to go there.
const MOST_PORTS: usize = 16;
const ON_PORTS: f64 = 0.95;
/// Share of requests for connections in what a signature covers beyond which it is one of these.
const MOSTLY_REQUESTS: f64 = 0.9;

/// Share of what a signature hits that another one hits, too, if they resemble each other.
const ALIKE: f64 = 0.5;

/// Whom signatures may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    /// Whoever sends what they match.
    Anybody,
    /// Those who were not there in calm times, with packets of one kind.
    NewSources(Kind),
}

impl Tier {
    /// What all packets match that it is about.
    fn start(self) -> Signature {
        match self {
            Self::Anybody => Signature::default(),
            Self::NewSources(kind) => kind.signature(),
        }
    }

    /// Usual packets that such a signature could hit.
    fn examples(self, reference: &ReferenceSet) -> &Examples {
        match self {
            Self::Anybody => reference.all(),
            Self::NewSources(kind) => reference.of_new_sources(kind),
        }
    }
}

/// A signature that is not wanted.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) signature: Signature,
    /// For how long, ns.
    pub(super) until_ns: u64,
    /// An operator does not want it, nor what resembles it. Else it did harm, and a narrower one may not.
    pub(super) by_operator: bool,
}

impl Refused {
    /// Whether it stands against another signature of these packets.
    fn forbids(&self, signature: &Signature, packets: &[&Sample]) -> bool {
        if !self.by_operator {
            return self.signature == *signature;
        }
        resembles(signature, &self.signature, packets)
    }
}

/// Whether another signature hits most of the packets that one hits.
fn resembles(signature: &Signature, other: &Signature, packets: &[&Sample]) -> bool {
    let features = packets.iter().map(|packet| &packet.features);
    let hit: Vec<&Features> = features.filter(|features| signature.matches(features)).collect();
    let alike = hit.iter().filter(|features| other.matches(features)).count();
    alike as f64 > ALIKE * hit.len() as f64
}

/// What a search goes by.
pub(super) struct Search<'a> {
    /// What is usual.
    pub(super) reference: &'a ReferenceSet,
    /// What is in force.
    pub(super) deployment: &'a Deployment,
    /// What was withdrawn.
    pub(super) refused: &'a [Refused],
    /// The service that signatures are to be for; `None` if there is only one.
    pub(super) service: Option<u8>,
    /// Packets of the last seconds, of all services.
    pub(super) recent: &'a Recent,
    /// Usual packets that are expected in the time that is searched.
    pub(super) expected: f64,
}

impl Search<'_> {
    /// Looks for signatures of packets of new sources that nothing covers yet.
    pub(super) fn find(&self, unusual: &[&Sample]) -> Vec<Finding> {
        let too_many = unusual.len() as f64 - self.expected * self.reference.share_of_new_sources();
        if too_many < LEAST_EXCESS {
            return Vec::new();
        }
        if self.reference.is_assumed {
            return self.by_assumption(unusual);
        }
        if too_many >= EXCESS_SHARE * self.expected {
            let findings = self.among(unusual, Tier::Anybody);
            if are_enough(&findings, too_many) {
                return findings;
            }
        }
        self.among_new_sources(unusual)
    }

    /// Looks for signatures of what nobody is assumed to send, and that comes with nothing else: real clients go on with
    /// something else once they are answered.
    fn by_assumption(&self, unusual: &[&Sample]) -> Vec<Finding> {
        // What is assumed of datagrams and pings is too little to drop what differs.
        let is_known = |sample: &Sample| assumed::is_known_kind(&sample.features);
        let known: Vec<&Sample> =
            unusual.iter().copied().filter(|sample| sample.opens() && is_known(sample)).collect();
        let mut findings = self.among(&known, Tier::Anybody);
        findings.retain(|finding| {
            finding.covered as f64 >= LEAST_ASSUMED * unusual.len() as f64
                && self.coming_with_others(&finding.signature) <= MOST_WITH_OTHERS
        });
        findings
    }

    /// Share of the packets that a signature hits that come with others of their sources: packets that it does not hit, or whose
    /// flags differ. Each of these speaks for one of those: who asks for a connection goes on as often as that is answered. A
    /// customer in whose name a flood is forged goes on, too, and not nearly as often as that; but each answer to a forged
    /// request draws a reset, which speaks for nothing.
    fn coming_with_others(&self, signature: &Signature) -> f64 {
        let of_service = |sample: &&Sample| self.service.is_none_or(|service| sample.service() == service);
        let flags = |sample: &Sample| sample.features.octets[ByteField::Flags as usize];
        let resets = |sample: &&Sample| sample.is_segment() && flags(sample) & tcp_flag::RST != 0;
        let recent: Vec<&Sample> =
            self.recent.iter().filter(of_service).filter(|sample| !resets(sample)).collect();
        // By source: how many that are hit have the flags of its first one, and how many are others.
        let mut counts: HashMap<Key, (u8, usize, usize)> = HashMap::default();
        for sample in recent.iter().filter(|sample| signature.matches(&sample.features)) {
            let (first, alike, others) = counts.entry(sample.source).or_insert((flags(sample), 0, 0));
            *(if *first == flags(sample) { alike } else { others }) += 1;
        }
        for sample in recent.iter().filter(|sample| !signature.matches(&sample.features)) {
            counts.entry(sample.source).and_modify(|(_, _, others)| *others += 1);
        }
        let (all, with_others) = counts.values().fold((0, 0), |(all, with_others), (_, alike, others)| {
            (all + alike, with_others + alike.min(others))
        });
        with_others as f64 / all.max(1) as f64
    }

    /// Looks for signatures of new sources, kind by kind, of those kinds that no crowd explains.
    fn among_new_sources(&self, unusual: &[&Sample]) -> Vec<Finding> {
        let mut all = Vec::new();
        for kind in [Kind::Opening, Kind::Datagram, Kind::Other] {
            // Whom the kernel program knows by now, such signatures spare.
            let of_kind: Vec<&Sample> = unusual
                .iter()
                .copied()
                .filter(|sample| Kind::of(&sample.features) == kind && !sample.known)
                .collect();
            let usual = |kind| self.reference.count_of_new_sources(kind) as f64;
            let scale = self.expected / self.reference.all().len().max(1) as f64;
            let too_many = of_kind.len() as f64 - usual(kind) * scale;
            let few_known =
                kind == Kind::Datagram && self.reference.count_of_new_sources(kind) < ENOUGH_NEW_SOURCES;
            if too_many < LEAST_EXCESS || few_known {
                continue;
            }
            // Who opens a connection goes on: of a crowd, as many segments come with each request as usual.
            if kind == Kind::Opening {
                let segments =
                    unusual.iter().filter(|sample| Kind::of(&sample.features) == Kind::Segment).count()
                        as f64;
                let usually = usual(Kind::Segment) / usual(Kind::Opening).max(1.0);
                if segments / of_kind.len() as f64 > (usually * MOST_FOLLOWED).min(MOST_FOLLOWING) {
                    continue;
                }
            }
            let findings = self.among(&of_kind, Tier::NewSources(kind));
            if are_enough(&findings, too_many) {
                all.extend(findings);
            }
        }
        all
    }

    /// Looks for signatures of unusual packets. Those that spare known sources may hit more of what is usual, as long
    /// as all of these together hit little of it.
    fn among(&self, unusual: &[&Sample], tier: Tier) -> Vec<Finding> {
        let all = self.reference.all().len();
        let new_sources = tier != Tier::Anybody;
        if all == 0 || new_sources && self.reference.new_sources() < ENOUGH_NEW_SOURCES {
            return Vec::new();
        }
        let usual = tier.examples(self.reference);
        let part = usual.len() as f64 / all as f64;
        let terms = self.terms(unusual.len(), usual, tier);
        let mut left = if new_sources { terms.most_usual * part } else { f64::INFINITY };
        let mut start = tier.start();
        if let Some(service) = self.service {
            start.octets.insert(ByteField::Service as usize, [service].into_iter().collect());
        }
        let now = Columns::of(unusual.iter().map(|sample| &sample.features));
        let mut findings = mining::mine(&now, usual, self.expected * part, &start, &terms);
        findings.retain_mut(|finding| {
            finding.signature.new_sources =
                new_sources || is_of_new_sources_segments(unusual, &finding.signature);
            name_requests(&mut finding.signature, unusual);
            name_ports(finding, unusual);
            finding.usual_share *= part;
            left -= finding.usual_share;
            left >= 0.0
                && is_spread(unusual, &finding.signature)
                && !self.is_of_usual_segments(unusual, &finding.signature)
                && !self.is_vague(unusual, usual, &finding.signature)
                && !self.is_told(&finding.signature, unusual)
                && !self.refused.iter().any(|refused| refused.forbids(&finding.signature, unusual))
        });
        findings
    }

    /// Whether what a signature hits are mainly segments of connections, and no more than come in any case: customers whose
    /// packets were never learned.
    fn is_of_usual_segments(&self, unusual: &[&Sample], signature: &Signature) -> bool {
        let (all, segments) = segments(unusual, signature);
        segments * 2 > all && (segments as f64) < self.expected
    }

    /// Whether a signature would only count, and one that does tells of these packets already.
    fn is_told(&self, signature: &Signature, unusual: &[&Sample]) -> bool {
        signature.too_broad().is_some()
            && self.deployment.resting().any(|other| resembles(signature, other, unusual))
    }

    /// Whether a signature of segments looks at less than two fields that set its packets apart: values that most packets
    /// which go to the same place have narrow nothing down. What few customers have in common may not have been learned
    /// yet, and these would be cut off, where a request is only late.
    fn is_vague(&self, unusual: &[&Sample], usual: &Examples, signature: &Signature) -> bool {
        let (all, segments) = segments(unusual, signature);
        if segments * 2 <= all {
            return false;
        }
        let there = usual.hit_by(&signature.place());
        let tells = |term: &Signature| {
            there < ENOUGH_THERE || (usual.hit_by(term) as f64) < MOST_OF_A_TELLING_TERM * there as f64
        };
        signature.terms().filter(tells).count() < LEAST_TELLING_TERMS
    }

    /// What a signature of so many packets has to reach, beside those in force.
    fn terms(&self, packets: usize, usual: &Examples, tier: Tier) -> Terms {
        let terms = Terms {
            most_usual: MOST_USUAL,
            most_alike: MOST_ALIKE,
            least_covered: (packets as f64 * LEAST_SHARE).max(LEAST_COVERED) as usize,
            least_lift: LEAST_LIFT,
            most_signatures: MOST_FINDINGS,
        };
        let Tier::NewSources(kind) = tier else { return terms };
        let all = self.reference.all().len().max(1) as f64;
        let others =
            self.deployment.iter().map(|(_, deployed)| &deployed.signature).filter(|other| other.new_sources);
        let spent: usize = others.map(|other| usual.hit_by(other)).sum();
        let most = if kind == Kind::Opening { MOST_OPENINGS } else { MOST_OF_NEW_SOURCES };
        let left = (most - spent as f64 / all).max(0.0);
        Terms {
            most_usual: (left * all / usual.len().max(1) as f64).min(1.0),
            most_alike: 1.0,
            least_lift: if kind == Kind::Opening { LEAST_OPENING_LIFT } else { LEAST_NEW_SOURCE_LIFT },
            most_signatures: NEW_SOURCE_FINDINGS,
            ..terms
        }
    }
}

/// Whether findings cover so much of what is too much that it is no crowd.
fn are_enough(findings: &[Finding], too_many: f64) -> bool {
    let found: usize = findings.iter().map(|finding| finding.covered).sum();
    found as f64 >= LEAST_TOGETHER * too_many && found > 0
}

/// Has a signature that hits hardly anything but requests for connections say so: the segments among what it hits are
/// customers', or were never asked about.
fn name_requests(signature: &mut Signature, samples: &[&Sample]) {
    let hit = samples.iter().filter(|sample| signature.matches(&sample.features));
    let (all, requests) =
        hit.fold((0, 0), |(all, requests), sample| (all + 1, requests + u32::from(sample.opens())));
    if requests == all || f64::from(requests) < MOSTLY_REQUESTS * f64::from(all) {
        return;
    }
    for (field, opening) in Kind::Opening.signature().octets {
        let named = signature.octets.entry(field).or_insert(opening);
        *named = (0..=u8::MAX).filter(|value| named.contains(*value) && opening.contains(*value)).collect();
    }
}

/// Has a signature name the ports that its packets go to, if these are few, and all but a few go there.
fn name_ports(finding: &mut Finding, samples: &[&Sample]) {
    if finding.signature.shorts.contains_key(&(WordField::DestinationPort as usize)) {
        return;
    }
    let mut ports: HashMap<u16, usize> = HashMap::default();
    for sample in samples.iter().filter(|sample| finding.signature.matches(&sample.features)) {
        *ports.entry(sample.features.shorts[WordField::DestinationPort as usize]).or_default() += 1;
    }
    let mut ports: Vec<(u16, usize)> = ports.into_iter().collect();
    ports.sort_unstable_by_key(|(port, count)| (std::cmp::Reverse(*count), *port));
    ports.truncate(MOST_PORTS);
    let covered: usize = ports.iter().map(|(_, count)| count).sum();
    if covered as f64 >= ON_PORTS * finding.covered as f64 {
        let mut ports: Vec<u16> = ports.into_iter().map(|(port, _)| port).collect();
        ports.sort_unstable();
        let ports = ports.into_iter().map(|port| (port, port)).collect();
        finding.signature.shorts.insert(WordField::DestinationPort as usize, ports);
        finding.covered = covered;
    }
}

/// Whether a signature covers many flows, and not mainly a few that much is sent over.
fn is_spread(samples: &[&Sample], signature: &Signature) -> bool {
    let mut flows: HashMap<_, usize> = HashMap::default();
    for sample in samples.iter().filter(|sample| signature.matches(&sample.features)) {
        *flows.entry((sample.source, sample.features.shorts[WordField::SourcePort as usize])).or_default() +=
            1;
    }
    let mut sizes: Vec<usize> = flows.into_values().collect();
    sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
    let (all, few): (usize, usize) = (sizes.iter().sum(), sizes.iter().take(LEAST_FLOWS).sum());
    sizes.len() >= LEAST_FLOWS && (few as f64) < MOST_OF_FEW * all as f64
}

/// How many packets a signature hits, and how many of these are segments of connections.
fn segments(samples: &[&Sample], signature: &Signature) -> (usize, usize) {
    let hit = samples.iter().filter(|sample| signature.matches(&sample.features));
    hit.fold((0, 0), |(all, segments), sample| (all + 1, segments + usize::from(sample.is_segment())))
}

/// Whether what a signature hits are mainly segments of connections, and hardly any source is known: then it may as well
/// spare those that are. That costs a look at the source, which floods of anything but segments are dropped without.
fn is_of_new_sources_segments(samples: &[&Sample], signature: &Signature) -> bool {
    let (all, segments) = segments(samples, signature);
    let known = samples.iter().filter(|sample| sample.known && signature.matches(&sample.features)).count();
    segments * 2 > all && known as f64 <= MOST_KNOWN * all as f64
}

/// How many flows a signature covers.
pub(super) fn flows(samples: &[&Sample], signature: &Signature) -> usize {
    let covered = samples.iter().filter(|sample| signature.matches(&sample.features));
    covered
        .map(|sample| (sample.source, sample.features.shorts[WordField::SourcePort as usize]))
        .collect::<HashSet<_>>()
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u64, flags: u8, port: u16) -> Sample {
        let mut sample = Sample::segment(flags, number, 0);
        sample.features.shorts[WordField::DestinationPort as usize] = port;
        sample
    }

    #[test]
    fn a_signature_of_requests_hits_no_segments() {
        for (segments, expected) in
            [(0, "tcp dport=443"), (10, "tcp flags=syn/syn+ack dport=443"), (11, "tcp dport=443")]
        {
            let flags = |number| if number < segments { tcp_flag::ACK } else { tcp_flag::SYN };
            let samples: Vec<Sample> = (0..100).map(|number| segment(number, flags(number), 443)).collect();
            let mut signature = "tcp dport=443".parse().unwrap();
            name_requests(&mut signature, &samples.iter().collect::<Vec<_>>());
            assert_eq!(signature.to_string(), expected, "{segments} segments of 100");
        }
    }

    #[test]
    fn ports_are_named_as_long_as_they_are_not_all_of_them() {
        for (ports, named) in [(1, true), (16, true), (17, false), (50, false)] {
            let sample = |number: u16| segment(u64::from(number), tcp_flag::SYN, 1_000 + number % ports);
            let samples: Vec<Sample> = (0..800).map(sample).collect();
            let signature: Signature = "tcp flags=syn len=60 window=29200".parse().unwrap();
            let mut samples = samples;
            samples.iter_mut().for_each(|sample| {
                sample.features.shorts[WordField::Length as usize] = 60;
                sample.features.shorts[WordField::Window as usize] = 29_200;
            });
            let mut finding = Finding { signature, covered: 800, usual_share: 0.0 };
            name_ports(&mut finding, &samples.iter().collect::<Vec<_>>());
            assert_eq!(finding.signature.too_broad().is_none(), named, "{ports} ports");
        }
    }
}
