//! The detector, from samples and counts to what it finds.

use floodwall_common::{
    features::{ByteField, Features, WordField},
    parse::{protocol, tcp_flag},
    source::{self, Key},
    wire::{History, Reason, Way, service_flag, standing},
};

use super::{
    Action, Cause, Class, Counts, Deployed, Detector, Event, Held, Memory, Moment, Sample, TICK, Turn,
    assumed,
};
use crate::signature::TooBroad;
use floodwall_tables::{Capacity, SharedTables};

/// Sources from here on are forged.
const FORGED: u64 = 1 << 40;

/// A detector, and what it is shown.
struct Scene {
    detector: Detector,
    tables: SharedTables,
    services: u8,
    now_ns: u64,
    counts: Vec<Counts>,
    number: u64,
    events: Vec<Event>,
    alike: Alike,
    /// Forged requests are sent again as well.
    comes_again: bool,
    /// The packet at hand is forged.
    forging: bool,
}

/// Whose packets forged ones look like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alike {
    Nobody,
    /// New customers'.
    Customers,
    /// Those of customers who are known.
    Known,
    /// Nobody's, in the name of customers who are known.
    InTheirName,
    /// Nobody's, in the name of one of them.
    InOneName,
}

impl Scene {
    fn new(services: u8) -> Self {
        let tables =
            SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }).unwrap();
        (0..services).for_each(|number| tables.services[usize::from(number)].flags.store(service_flag::USED));
        let counts = (0..services).map(|number| Counts { service: number, ..Counts::default() }).collect();
        Self {
            detector: Detector::default(),
            tables,
            services,
            now_ns: 1_000_000_000_000,
            counts,
            number: 0,
            events: Vec::new(),
            alike: Alike::Nobody,
            comes_again: false,
            forging: false,
        }
    }

    /// A packet of a source comes in.
    fn packet(&mut self, service: u8, source: u64, mut features: Features, known: bool) {
        features.octets[ByteField::Service as usize] = service;
        let hit = self.detector.signatures().filter(|(_, deployed)| {
            deployed.enforced
                && deployed.signature.matches(&features)
                && !(deployed.signature.new_sources && known)
        });
        let hit: Vec<bool> = hit.map(|(_, deployed)| deployed.asks.is_some()).collect();
        // Clients ask again, and are let in.
        let asked = hit.iter().all(|asks| *asks);
        let is_there = source < FORGED && !self.forging;
        let covered =
            !hit.is_empty() && !(asked && (is_there || self.comes_again && !self.number.is_multiple_of(4)));
        let reason = if covered { Reason::Signature } else { Reason::Clean };
        let counts = &mut self.counts[usize::from(service)];
        counts.all += 1;
        counts.passed += u64::from(!covered);
        // Clients complete what they ask for; of the others nothing more comes.
        let asks = features.octets[ByteField::Flags as usize] == tcp_flag::SYN;
        counts.unproven.openings += u64::from(asks);
        counts.unproven.completed += u64::from(asks && is_there);
        counts.unproven.signed += u64::from(covered && !asked);
        counts.unproven.signed_openings += u64::from(covered && asks);
        let source = Key(source);
        self.detector.sample(Sample {
            time_ns: self.now_ns,
            features,
            source,
            reason,
            known,
            answers: false,
            unasked: false,
            unprovable: false,
            acknowledged: self.number as u32 % 8 * 1_000,
        });
    }

    /// Seconds with so many packets/s of clients, and of an attacker that forges its sources and aims at a service.
    fn pass(&mut self, seconds: f64, clients: usize, forged: usize, at: u8) {
        let ticks_per_second = (1_000_000_000 / TICK) as usize;
        for _ in 0..(seconds * ticks_per_second as f64) as usize {
            for _ in 0..clients / ticks_per_second {
                self.number += 1;
                // Each client asks for a connection, and goes on.
                let (client, step) = (self.number / 8 % 400, self.number % 8);
                let features = if step == 0 { request(self.number / 8) } else { data(self.number) };
                let service = (client % u64::from(self.services)) as u8;
                self.packet(service, 1 + client, features, step > 1);
            }
            for _ in 0..forged / ticks_per_second {
                self.number += 1;
                let (source, packet) = (self.number | FORGED, self.number);
                match self.alike {
                    Alike::Nobody => self.packet(at, source, bare_syn(packet), false),
                    Alike::Customers => self.packet(at, source, request(packet), false),
                    Alike::Known => self.packet(at, source, request(packet), true),
                    Alike::InTheirName | Alike::InOneName => {
                        self.forging = true;
                        let customer = if self.alike == Alike::InOneName { 7 } else { 1 + packet % 400 };
                        self.packet(at, customer, bare_syn(packet), true);
                        // Who is there and has not asked does not want the answer.
                        self.packet(at, customer, tcp(tcp_flag::RST, 5, 40, 0, packet), true);
                        self.forging = false;
                    }
                }
            }
            self.now_ns += TICK;
            let moment = Moment::new(self.now_ns, self.now_ns / 1_000_000_000);
            let counts = self.counts.clone();
            self.events.extend(self.detector.tick(moment, &counts, &self.tables));
            self.apply();
        }
    }

    /// Seconds with so many requests/s for connections that nobody answers.
    fn go_unanswered(&mut self, seconds: u64, requests: u64, queues_are_full: bool) {
        for _ in 0..seconds * 20 {
            self.counts[0].all += requests / 20;
            self.counts[0].passed += requests / 20;
            self.counts[0].requests += requests / 20;
            self.now_ns += TICK;
            let moment = Moment { queues_are_full, ..Moment::new(self.now_ns, self.now_ns / 1_000_000_000) };
            let counts = self.counts.clone();
            self.events.extend(self.detector.tick(moment, &counts, &self.tables));
            self.apply();
        }
    }

    /// Does what of it shows in the tables here.
    fn apply(&mut self) {
        for action in self.detector.take_actions() {
            if let Action::Attacked { service, attacked } = action {
                let bit = 1 << service;
                self.tables.settings[0].attacked.store_bits(bit, if attacked { bit } else { 0 });
            }
        }
    }

    fn found(&self) -> Vec<String> {
        let found = |event: &Event| match event {
            Event::Found { signature, .. } => Some(signature.to_string()),
            _ => None,
        };
        self.events.iter().filter_map(found).collect()
    }
}

fn tcp(flags: u8, header: u8, length: u16, window: u16, source_port: u64) -> Features {
    let mut features = Features::default();
    features.octets[ByteField::Protocol as usize] = protocol::TCP;
    features.octets[ByteField::Flags as usize] = flags;
    features.octets[ByteField::HopLimit as usize] = 52;
    features.octets[ByteField::TcpHeader as usize] = header;
    features.shorts[WordField::Length as usize] = length;
    features.shorts[WordField::Window as usize] = window;
    features.shorts[WordField::SourcePort as usize] = 32_768 + (source_port * 7_919 % 28_000) as u16;
    features.shorts[WordField::DestinationPort as usize] = 443;
    features
}

fn request(port: u64) -> Features {
    let mut features = tcp(tcp_flag::SYN, 10, 60, 64_240, port);
    features.shorts[WordField::Options as usize] = 0x0204;
    features.shorts[WordField::SegmentSize as usize] = 1_460;
    features
}

fn data(number: u64) -> Features {
    let payload = 1 + (number * 101 % 1_400) as u16;
    let mut features = tcp(tcp_flag::ACK | tcp_flag::PSH, 8, 52 + payload, 501, number / 8);
    features.shorts[WordField::PayloadLength as usize] = payload;
    features
}

/// As a tool sends it that does without options.
fn bare_syn(number: u64) -> Features {
    tcp(tcp_flag::SYN, 5, 40, 512, number)
}

#[test]
fn a_flood_is_found_and_clients_are_spared() {
    let mut scene = Scene::new(1);
    scene.pass(20.0, 400, 0, 0);
    assert_eq!(scene.found(), Vec::<String>::new());
    assert!(scene.events.contains(&Event::Settled));
    scene.pass(1.0, 400, 4_000, 0);
    let found = scene.found();
    assert!(!found.is_empty() && found.iter().all(|text| !text.contains("service")), "{found:?}");
    let deployed: Vec<_> = scene.detector.signatures().collect();
    assert!(
        deployed.iter().any(|(_, deployed)| deployed.enforced && deployed.signature.matches(&bare_syn(1)))
    );
    assert!(!deployed.iter().any(|(_, deployed)| deployed.signature.matches(&request(1))));
}

#[test]
fn a_signature_is_for_the_service_that_is_attacked() {
    let mut scene = Scene::new(2);
    scene.pass(20.0, 800, 0, 0);
    scene.pass(1.0, 800, 4_000, 1);
    let found = scene.found();
    assert!(!found.is_empty() && found.iter().all(|text| text.contains("service=1")), "{found:?}");
}

#[test]
fn an_attack_on_one_service_changes_nothing_for_another() {
    let mut scene = Scene::new(2);
    scene.pass(20.0, 800, 0, 0);
    let learnt = scene.detector.baseline_len();
    scene.pass(3.0, 800, 4_000, 1);
    assert_eq!(scene.detector.attacked().collect::<Vec<_>>(), [1], "{:?}", scene.events);
    assert_eq!(scene.tables.settings[0].attacked.load(), 1 << 1);
    assert!(scene.detector.baseline_len() > learnt, "what comes for the other is learnt from still");
    scene.pass(3.0, 800, 4_000, 0);
    scene.pass(8.0, 800, 0, 0);
    let began = |event: &Event| match event {
        Event::AttackBegan { service, incident, wave, .. } => Some((*service, *incident, *wave)),
        _ => None,
    };
    let began: Vec<_> = scene.events.iter().filter_map(began).collect();
    assert_eq!(began, [(1, 1, 1), (0, 2, 1)]);
    assert_eq!(scene.tables.settings[0].attacked.load(), 0, "both are over");
}

#[test]
fn waves_are_one_incident() {
    let mut scene = Scene::new(1);
    scene.pass(20.0, 400, 0, 0);
    for _ in 0..3 {
        scene.pass(3.0, 400, 4_000, 0);
        scene.pass(8.0, 400, 0, 0);
    }
    let began = |event: &Event| match event {
        Event::AttackBegan { incident, wave, .. } => Some((*incident, *wave)),
        _ => None,
    };
    let began: Vec<_> = scene.events.iter().filter_map(began).collect();
    assert_eq!(began, [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(scene.events.iter().filter(|event| matches!(event, Event::AttackEnded { .. })).count(), 3);
}

#[test]
fn a_flood_that_was_there_first_is_found_by_what_clients_are_assumed_to_send() {
    let mut scene = Scene::new(1);
    scene.pass(3.0, 200, 4_000, 0);
    assert!(scene.detector.is_fresh());
    let found = scene.found();
    assert!(!found.is_empty(), "{:?}", scene.events);
    assert!(!scene.detector.signatures().any(|(_, deployed)| deployed.signature.matches(&request(1))));
}

#[test]
fn a_busy_host_with_nothing_but_clients_is_taken_as_usual() {
    let mut scene = Scene::new(1);
    scene.pass(40.0, 4_000, 0, 0);
    assert_eq!(scene.found(), Vec::<String>::new());
    assert!(scene.detector.attacked().next().is_none(), "{:?}", scene.events);
    scene.pass(10.0, 4_000, 0, 0);
    assert!(scene.detector.attacked().next().is_none() && !scene.detector.is_fresh());
}

#[test]
fn what_was_learnt_outlives_a_restart() {
    let mut scene = Scene::new(2);
    scene.pass(20.0, 800, 0, 0);
    let name = |number: u8| Some(format!("service {number}"));
    let written = serde_json::to_string(&scene.detector.remember(name)).unwrap();
    let memory: Memory = serde_json::from_str(&written).unwrap();
    // The services may have other numbers then.
    let number =
        |name: &str| name.strip_prefix("service ").and_then(|number| number.parse().ok()).map(|n: u8| 1 - n);
    let mut next = Scene::new(2);
    next.detector.recall(memory, number).unwrap();
    assert_eq!(next.detector.baseline_len(), scene.detector.baseline_len());
    assert!(!next.detector.is_fresh());
    next.pass(2.0, 800, 0, 0);
    next.pass(1.0, 800, 4_000, 0);
    assert!(!next.found().is_empty(), "{:?}", next.events);
    let other: Memory = serde_json::from_str(&written.replace("\"version\":3", "\"version\":1")).unwrap();
    assert!(next.detector.recall(other, number).is_err());
}

#[test]
fn a_signature_that_rests_is_taken_over_as_one_that_does() {
    let mut scene = Scene::new(1);
    let mut take = |text: &str, pinned, enforced| {
        let detector = &mut scene.detector;
        detector.take_over(text.parse().unwrap(), pinned, enforced, scene.now_ns).unwrap()
    };
    let rests = take("tcp flags=syn len=40 dport=443 window=512", false, false);
    let counts = take("udp sport=53", true, false);
    let drops = take("udp sport=123", false, true);
    let enforced = |scene: &Scene| -> Vec<usize> {
        let deployed = scene.detector.signatures().filter(|(_, deployed)| deployed.enforced);
        deployed.map(|(number, _)| number).collect()
    };
    scene.pass(20.0, 400, 0, 0);
    assert_eq!(enforced(&scene), [drops]);
    scene.pass(1.0, 400, 4_000, 0);
    assert_eq!(enforced(&scene), [rests, drops], "an attack wakes it: {:?}", scene.events);
    assert!(scene.detector.signatures().any(|(number, deployed)| number == counts && deployed.pinned));
}

#[test]
fn what_was_found_and_drops_is_gone_on_with() {
    let mut scene = Scene::new(1);
    let name = |_| Some("web".to_owned());
    let mut add = |text: &str, pinned, enforced| {
        let detector = &mut scene.detector;
        detector.take_over(text.parse().unwrap(), pinned, enforced, scene.now_ns).unwrap();
    };
    add("udp service=1 sport=123", false, true);
    add("udp service=1 sport=53", false, false);
    add("udp service=1 sport=19", true, true);
    let found = scene.detector.remember(name).take_found();
    assert_eq!(found, ["udp to web sport=123"]);
    for (number, expected) in [(Some(2), vec!["udp service=2 sport=123".parse().unwrap()]), (None, vec![])] {
        let mut next = Scene::new(1);
        next.detector.resume(&found, |_| number, next.now_ns);
        let enforced =
            next.detector.signatures().filter(|(_, deployed)| deployed.enforced && !deployed.pinned);
        let enforced: Vec<crate::signature::Signature> =
            enforced.map(|(_, deployed)| deployed.signature.clone()).collect();
        assert_eq!(enforced, expected);
    }
}

#[test]
fn nothing_is_assumed_of_protocols_that_are_not_known() {
    let mut game = Features::default();
    game.octets[ByteField::Protocol as usize] = protocol::UDP;
    game.shorts[WordField::DestinationPort as usize] = 27_015;
    assert!(!assumed::is_known_kind(&game));
    assert!(assumed::is_known_kind(&bare_syn(1)));
}

/// What became of signatures.
fn turns(scene: &Scene) -> Vec<Turn> {
    let turned = |event: &Event| if let Event::Turned { turn, .. } = event { Some(*turn) } else { None };
    scene.events.iter().filter_map(turned).collect()
}

#[test]
fn a_signature_that_says_too_little_is_never_enforced() {
    let mut scene = Scene::new(1);
    for text in ["ttl=52", "tcp ttl=52", "tcp flags=syn len=40 new-sources", "tcp flags=syn len=40"] {
        let detector = &mut scene.detector;
        detector.take_over(text.parse().unwrap(), false, false, scene.now_ns).unwrap();
    }
    let held: Vec<_> = (0..4)
        .map(|wanted| {
            let (_, deployed) = scene.detector.signatures().find(|(number, _)| *number == wanted).unwrap();
            scene.detector.held(deployed)
        })
        .collect();
    let too_broad =
        [TooBroad::NoProtocol, TooBroad::OneTerm, TooBroad::NewSourcesEverywhere, TooBroad::Everywhere];
    assert_eq!(held, too_broad.map(|why| Some(Held::TooBroad(why))));
    scene.pass(20.0, 400, 0, 0);
    scene.pass(1.0, 400, 4_000, 0);
    assert!(scene.detector.attacked().next().is_some());
    // What is only asked to come again is another matter.
    let drops = |deployed: &Deployed| deployed.enforced && deployed.asks.is_none();
    let enforced: Vec<_> = scene.detector.signatures().filter(|(_, deployed)| drops(deployed)).collect();
    assert!(enforced.iter().all(|(_, deployed)| deployed.signature.too_broad().is_none()), "{enforced:?}");
    let told = |turn: &Turn| matches!(turn, Turn::Held(Held::TooBroad(_)));
    assert!(turns(&scene).iter().any(told), "and that is told: {:?}", scene.events);
}

#[test]
fn what_is_only_observed_is_found_and_not_enforced() {
    let mut scene = Scene::new(1);
    scene.detector.observe(true, scene.now_ns);
    scene.pass(20.0, 400, 0, 0);
    scene.pass(3.0, 400, 4_000, 0);
    assert!(!scene.found().is_empty(), "{:?}", scene.events);
    assert!(scene.detector.signatures().all(|(_, deployed)| !deployed.enforced));
    assert!(turns(&scene).contains(&Turn::Held(Held::Observe)));
    assert!(!scene.events.contains(&Event::NothingFound { service: 0 }), "it is found, and would drop");
    scene.detector.observe(false, scene.now_ns);
    scene.pass(0.5, 400, 4_000, 0);
    assert!(scene.detector.signatures().any(|(_, deployed)| deployed.enforced), "{:?}", scene.events);
    scene.detector.observe(true, scene.now_ns);
    scene.pass(0.1, 400, 4_000, 0);
    assert!(scene.detector.signatures().all(|(_, deployed)| !deployed.enforced));
}

#[test]
fn detection_names_whom_it_would_ban_and_bans_nobody() {
    let mut scene = Scene::new(1);
    scene.pass(20.0, 400, 0, 0);
    // Thirty sources that each ask for far more connections than any client does.
    for _ in 0..100 {
        for source in 0..30 {
            scene.number += 1;
            let key = Key(1 << 41 | source);
            let settings = &scene.tables.settings[0];
            let set = source::set_of(&scene.tables, settings, key).unwrap();
            source::visit(set, key, 0, scene.now_ns);
            scene.packet(0, key.0, request(1), false);
        }
        scene.pass(0.05, 400, 0, 0);
    }
    let would: Vec<_> = scene
        .events
        .iter()
        .filter_map(|event| if let Event::WouldBan { source, .. } = event { Some(*source) } else { None })
        .collect();
    assert!(would.iter().any(|source| source.0 >> 41 == 1), "{:?}", scene.events);
    assert!(would.len() <= 20, "what is told is bounded: {}", would.len());
    let ways: Vec<_> = scene.tables.sources.iter().flat_map(|set| &set.ways).collect();
    assert!(ways.iter().any(|way| way.key.load() >> 41 == 1), "they are in the table");
    let is_banned = |way: &&&Way| History::unpack(way.history.load()).standing & standing::BANNED != 0;
    assert_eq!(ways.iter().filter(is_banned).count(), 0);
    assert_eq!(scene.tables.settings[0].lost_bans.load(), 0);
    let told = scene.events.iter().find(|event| matches!(event, Event::WouldBan { .. })).unwrap();
    let words = told.in_words(&scene.tables, |_| None);
    assert!(words.starts_with("would ban ") && words.contains("connections/s"), "{words}");
}

/// Whether known sources were asked as well, each time that packets of a class were asked to come again.
fn asked(scene: &Scene) -> Vec<(Class, bool)> {
    let asked = |event: &Event| match event {
        Event::AsksToRepeat { class, all, .. } => Some((*class, *all)),
        _ => None,
    };
    scene.events.iter().filter_map(asked).collect()
}

#[test]
fn where_requests_are_those_of_customers_all_are_asked_to_come_again() {
    for (alike, expected) in [
        (Alike::Nobody, &[][..]),
        (Alike::Customers, &[(Class::Openings, false)]),
        (Alike::Known, &[(Class::Openings, true)]),
    ] {
        let mut scene = Scene::new(2);
        scene.pass(60.0, 400, 0, 0);
        scene.alike = alike;
        scene.pass(10.0, 400, 4_000, 1);
        assert_eq!(asked(&scene), expected);
        let blamed = |event: &Event| matches!(event, Event::WouldBan { cause: Cause::Hit, .. });
        assert!(expected.is_empty() || !scene.events.iter().any(blamed), "being asked is no conduct");
        let asking = |scene: &Scene| scene.detector.signatures().any(|(_, deployed)| deployed.asks.is_some());
        assert_eq!(asking(&scene), !expected.is_empty(), "{:?}", scene.events);
        assert!(scene.detector.attacked().eq([1]), "what is dropped for now goes on counting");
        scene.pass(15.0, 400, 0, 0);
        assert_eq!(scene.detector.attacked().count(), 0, "it is over");
        assert!(!asking(&scene), "and nobody is asked any more");
    }
}

#[test]
fn requests_in_the_name_of_customers_are_told_by_what_they_look_like() {
    let mut scene = Scene::new(1);
    scene.pass(60.0, 400, 0, 0);
    scene.alike = Alike::InTheirName;
    scene.pass(10.0, 400, 4_000, 0);
    assert_eq!(asked(&scene), [], "customers are not asked: {:?}", scene.events);
    let enforced = scene.detector.signatures().filter(|(_, deployed)| deployed.enforced);
    assert_eq!(enforced.count(), 1, "{:?}", scene.events);
}

#[test]
fn on_a_fresh_install_requests_in_the_name_of_one_customer_are_told_as_well() {
    let mut scene = Scene::new(1);
    scene.pass(2.0, 400, 0, 0);
    scene.alike = Alike::InOneName;
    scene.pass(1.0, 400, 4_000, 0);
    assert!(scene.detector.is_fresh());
    let enforced = scene.detector.signatures().filter(|(_, deployed)| deployed.enforced);
    assert_eq!(enforced.count(), 1, "{:?}", scene.events);
    assert_eq!(asked(&scene), [], "{:?}", scene.events);
}

#[test]
fn on_a_fresh_install_what_looks_strange_and_goes_on_is_left_alone() {
    let mut scene = Scene::new(1);
    scene.pass(2.0, 400, 0, 0);
    // Clients of a kind that nothing is assumed of, and a flood that looks like customers.
    scene.alike = Alike::Customers;
    for _ in 0..40 {
        for client in 0..20 {
            let source = 1_000 + client;
            scene.packet(0, source, bare_syn(client), true);
            scene.packet(0, source, data(client), true);
        }
        scene.pass(0.05, 400, 4_000, 0);
    }
    assert!(!scene.detector.signatures().any(|(_, deployed)| deployed.asks.is_none()), "{:?}", scene.events);
}

#[test]
fn bots_that_come_again_are_not_asked_for_long() {
    let mut scene = Scene::new(1);
    scene.pass(60.0, 400, 0, 0);
    scene.alike = Alike::Customers;
    scene.comes_again = true;
    scene.pass(10.0, 400, 4_000, 0);
    let withdrawn = |event: &Event| matches!(event, Event::Turned { turn: Turn::Useless, .. });
    assert!(scene.events.iter().any(withdrawn), "{:?}", scene.events);
    let expected = [(Class::Openings, false), (Class::Openings, true)];
    assert_eq!(asked(&scene), expected, "and it is not tried again at once");
}

#[test]
fn where_queues_are_full_requests_count_as_they_come() {
    for (queues_are_full, attacks) in [(true, 1), (false, 0)] {
        let mut scene = Scene::new(1);
        scene.pass(20.0, 400, 0, 0);
        scene.go_unanswered(5, 2_000, queues_are_full);
        let began = scene.events.iter().filter(|event| matches!(event, Event::AttackBegan { .. })).count();
        assert_eq!(began, attacks, "queues are full: {queues_are_full}; {:?}", scene.events);
    }
}

#[test]
fn a_few_that_find_queues_full_raise_no_alarm() {
    let mut scene = Scene::new(1);
    scene.pass(20.0, 400, 0, 0);
    scene.go_unanswered(20, 100, true);
    assert_eq!(scene.detector.attacked().count(), 0, "{:?}", scene.events);
}
