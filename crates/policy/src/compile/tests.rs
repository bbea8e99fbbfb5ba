//! What packets find in the tables after a policy was brought into force.

use std::collections::BTreeSet;

use floodwall_common::{
    decide::{self, Direct, End, NONE, PacketContext, Step},
    frame::Captured,
    parse::{Packet, protocol},
    prefix::Address,
    service,
    tables::Tables as _,
    wire::{Port, Reason, Terms, families, knowledge, service_flag, spared},
};

use super::*;
use crate::{
    facts::{Carries, Listener},
    testing::policy,
};
use floodwall_tables::{Capacity, SharedTables};

fn tables() -> SharedTables {
    let tables =
        SharedTables::in_memory(&Capacity { prefixes: 1_000, sources: 4_096, flows: 4_096 }).unwrap();
    for seed in &tables.settings[0].seed {
        seed.store(0x9e37_79b9_7f4a_7c15);
    }
    tables.settings[0].clock.store(1_000_000_000_000);
    tables
}

fn v4(text: &str) -> Address {
    Address::v4(text.parse::<std::net::Ipv4Addr>().unwrap().to_bits())
}

fn packet(to: Address, protocol: u8, port: u16) -> Packet {
    Packet {
        source: v4("198.51.100.1"),
        destination: to,
        protocol,
        destination_port: port,
        tcp_flags: 2,
        length: 60,
        ..Packet::default()
    }
}

fn port(tables: &SharedTables, to: &str, protocol: u8, port: u16) -> Port {
    service::port(tables, &tables.settings[0], &packet(v4(to), protocol, port)).unwrap()
}

const WEB: &str = r#"
[[service]]
name = "web"
destinations = ["192.0.2.0/28"]
protocol = "tcp"
ports = [80, "8000-8003"]
[[service.rule]]
name = "source-syn"
rate = 5
[[service]]
name = "site"
destinations = ["192.0.2.0/24", "2001:db8::/32"]
"#;

#[test]
fn packets_find_their_service() {
    let tables = tables();
    let mut enforcement = Enforcement::default();
    let placement = enforcement.enforce(&tables, &policy(WEB), &Situation::default()).unwrap().clone();
    let named = |port: Port| placement.service(port.service).unwrap().to_owned();
    for (to, of, at, expected) in [
        ("192.0.2.1", protocol::TCP, 80, "web"),
        ("192.0.2.15", protocol::TCP, 8_003, "web"),
        ("192.0.2.15", protocol::TCP, 8_004, "site"),
        ("192.0.2.1", protocol::UDP, 80, "site"),
        ("192.0.2.16", protocol::TCP, 80, "site"),
        ("192.0.2.1", 47, 0, "site"),
        ("192.0.1.255", protocol::TCP, 80, "default"),
        ("192.0.3.0", protocol::TCP, 80, "default"),
        ("203.0.113.1", 47, 0, "default"),
    ] {
        assert_eq!(named(port(&tables, to, of, at)), expected, "{to} {of} {at}");
    }
    let v6 = packet(Address::v6(0x2001_0db8_0000_0000, 1), protocol::TCP, 80);
    assert_eq!(named(service::port(&tables, &tables.settings[0], &v6).unwrap()), "site");
}

#[test]
fn a_services_own_limit_replaces_the_one_for_all() {
    let tables = tables();
    let mut enforcement = Enforcement::default();
    let placement = enforcement.enforce(&tables, &policy(WEB), &Situation::default()).unwrap().clone();
    let number = usize::from(placement.services["web"]);
    assert_eq!(
        tables.services[number].flags.load(),
        service_flag::USED | service_flag::NO_SOURCE_SYN,
        "packets are limited as everywhere"
    );
    assert!(placement.shared.contains(&RuleId::new("site", "source-syn")));
    assert!(!placement.shared.contains(&RuleId::new("web", "source-syn")));
    // Six SYNs: the sixth is over the rate of 5/s with a burst of 5, and named.
    let reasons: Vec<_> =
        (0..6).map(|_| judge(&tables, &packet(v4("192.0.2.1"), protocol::TCP, 80))).collect();
    let own = u32::from(placement.rules[&RuleId::new("web", "source-syn")]);
    assert_eq!(reasons[..5], [(Reason::Clean, NONE); 5], "{reasons:?}");
    assert_eq!(reasons[5], (Reason::SourceRate, own));
}

#[test]
fn a_new_rule_has_a_full_bucket_on_any_clock() {
    // A replay's clock is told only with its first packet; the machine's own may be ahead of it by any time.
    let tables = tables();
    tables.settings[0].clock.store(0);
    let text = "[[service]]\nname = \"web\"\nports = [80]\n[[service.rule]]\nper = \"service\"\nof = \"syn\"\nrate = 1\n\
                strangers = false";
    let mut enforcement = Enforcement::default();
    enforcement.enforce(&tables, &policy(text), &Situation::default()).unwrap();
    tables.settings[0].clock.store(1);
    let syn = packet(v4("192.0.2.1"), protocol::TCP, 80);
    assert_eq!(judge(&tables, &syn).0, Reason::Clean, "the first packet there is");
    assert_eq!(judge(&tables, &syn).0, Reason::ServiceRate);
}

/// What the rules make of a packet.
fn judge(tables: &SharedTables, packet: &Packet) -> (Reason, u32) {
    let settings = tables.settings().unwrap();
    let mut context = PacketContext {
        packet: *packet,
        is_packet: true,
        time_ns: settings.clock.load(),
        ..PacketContext::default()
    };
    let parts = Direct(tables, &Captured::whole(&[]));
    assert_ne!(decide::judge(tables, settings, &parts, &mut context), Step::Break(End::Fault));
    (context.judgement.reason, context.judgement.number)
}

#[test]
fn whoever_stays_keeps_its_number() {
    let tables = tables();
    let mut enforcement = Enforcement::default();
    let before = enforcement.enforce(&tables, &policy(WEB), &Situation::default()).unwrap().clone();
    tables.services[usize::from(before.services["site"])].sample_every.store(64);
    let without_web = WEB.split("[[service]]\nname = \"site\"").nth(1).unwrap();
    let text =
        format!("[[service]]\nname = \"new\"\nprotocol = \"gre\"\n[[service]]\nname = \"site\"{without_web}");
    let after = enforcement.enforce(&tables, &policy(&text), &Situation::default()).unwrap().clone();
    assert_eq!(after.services["site"], before.services["site"]);
    assert_ne!(after.services["new"], before.services["web"], "a number that was given back rests");
    for (id, number) in &after.rules {
        if id.service == "site" {
            assert_eq!(before.rules.get(id), Some(number), "{id}");
        }
    }
    assert_eq!(
        tables.services[usize::from(after.services["site"])].sample_every.load(),
        64,
        "somebody's choice"
    );
    assert_eq!(tables.services[usize::from(before.services["web"])].flags.load(), 0);
    assert_eq!(tables.rules[usize::from(before.rules[&RuleId::new("web", "source-syn")])].terms.load(), 0);
}

#[test]
fn what_listens_is_offered_and_only_that() {
    let tables = tables();
    let listener = |udp, address: Option<&str>, port| Listener {
        udp,
        address: address.map(|address| address.parse().unwrap()),
        port,
    };
    let facts = HostFacts {
        own: ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap()).into(),
        listening: Some(BTreeSet::from([listener(false, None, 80), listener(true, Some("192.0.2.2"), 53)])),
        flows: true,
        sockets: false,
        ..HostFacts::default()
    };
    let mut enforcement = Enforcement::default();
    let situation = Situation { facts, ..Situation::default() };
    enforcement.enforce(&tables, &Policy::default(), &situation).unwrap();
    assert_eq!(tables.settings[0].knowledge.load(), knowledge::PORTS | knowledge::FLOWS);
    for (to, of, at, expected) in [
        ("192.0.2.1", protocol::TCP, 80, true),
        ("192.0.2.1", protocol::TCP, 81, false),
        ("192.0.2.1", protocol::UDP, 53, false),
        ("192.0.2.2", protocol::UDP, 53, true),
        ("192.0.2.3", protocol::UDP, 4_000, false),
    ] {
        let port = port(&tables, to, of, at);
        assert_eq!((port.offered, port.carried), (expected, to == "192.0.2.3"), "{to} {of} {at}");
    }
    // Where what leaves is not seen, nobody knows what others offer.
    let facts = HostFacts { flows: false, ..situation.facts };
    let situation = Situation { facts, ..Situation::default() };
    enforcement.enforce(&tables, &Policy::default(), &situation).unwrap();
    let other = port(&tables, "192.0.2.3", protocol::UDP, 4_000);
    assert!(other.offered && !other.carried);
}

#[test]
fn conditions_and_ceilings_turn_rules_into_observers() {
    let text = "[[service]]\nname = \"web\"\nports = [80]\nprobe = \"tcp://192.0.2.1:80\"\n\
                [[service.rule]]\nname = \"strict\"\nper = \"source\"\n\
                of = \"syn\"\nrate = 1\nwhen = \"probe over 500ms\"";
    let tables = tables();
    let mut enforcement = Enforcement::default();
    let id = RuleId::new("web", "strict");
    let mut monitors = |situation: &Situation| {
        let number = enforcement.enforce(&tables, &policy(text), situation).unwrap().rules[&id];
        Terms::unpack(tables.rules[usize::from(number)].terms.load()).monitor
    };
    assert!(monitors(&Situation::default()));
    let active = Situation { active: BTreeSet::from([id.clone()]), ..Situation::default() };
    assert!(!monitors(&active));
    assert!(monitors(&Situation { stayed: BTreeSet::from([id.clone()]), ..active }));
}

#[test]
fn too_much_is_refused_and_changes_nothing() {
    let tables = tables();
    let mut enforcement = Enforcement::default();
    let before = enforcement.enforce(&tables, &policy(WEB), &Situation::default()).unwrap().clone();
    let mut wide = policy(WEB);
    for host in 0..200 {
        let mut service = wide.services[1].clone();
        service.destinations = vec![format!("10.0.{host}.1/32").parse().unwrap()];
        service.name = format!("s{host}");
        wide.services.push(service);
    }
    assert!(matches!(enforcement.enforce(&tables, &wide, &Situation::default()), Err(Unfit::Whole(_))));
    assert_eq!(*enforcement.placement(), before);
}

#[test]
fn checks_against_the_hosts_sockets_only_count_on_a_host_that_carries_others() {
    let tables = tables();
    let monitored = || tables.settings[0].monitored.load();
    let mut enforcement = Enforcement::default();
    let mut enforce = |carries: BTreeSet<Carries>| {
        let facts = HostFacts { carries, ..HostFacts::default() };
        let situation = Situation { facts, ..Situation::default() };
        enforcement.enforce(&tables, &Policy::default(), &situation).unwrap();
    };
    // Of the defaults, the limit of packets only counts.
    let always = Reason::PacketRate.bit();
    enforce(BTreeSet::new());
    assert_eq!(monitored(), always);
    enforce([Carries::Forwards("IPv6")].into());
    assert_eq!(monitored(), always | Reason::Unsolicited.bit() | Reason::OutOfState.bit());
    enforce(BTreeSet::new());
    assert_eq!(monitored(), always);
}

#[test]
fn a_family_of_which_all_that_leaves_is_seen_keeps_the_checks() {
    let tables = tables();
    let mut enforcement = Enforcement::default();
    for (proven, carries, unprovable, monitored) in [
        (0, true, families::BOTH, true),
        (families::V4, true, families::V6, false),
        (families::BOTH, true, 0, false),
        (0, false, 0, false),
    ] {
        let reasons = carries.then_some(Carries::Forwards("IPv6")).into_iter().collect();
        let facts = HostFacts { carries: reasons, proven, ..HostFacts::default() };
        let situation = Situation { facts, ..Situation::default() };
        enforcement.enforce(&tables, &Policy::default(), &situation).unwrap();
        let settings = &tables.settings[0];
        assert_eq!(settings.unprovable.load(), unprovable, "{proven:#b}");
        assert_eq!(settings.monitored.load() & Reason::OutOfState.bit() != 0, monitored, "{proven:#b}");
    }
}

#[test]
fn observed_is_all_that_the_operator_has_not_named() {
    let tables = tables();
    let policy = policy(
        "[defaults]\nsource-icmp = {}\n[[service]]\nname = \"web\"\nports = [80]\n[[service.rule]]\nper = \"source\"\n\
         of = \"rst\"\nrate = 7",
    );
    let situation = Situation { observe: true, ..Situation::default() };
    let mut enforcement = Enforcement::default();
    let placement = enforcement.enforce(&tables, &policy, &situation).unwrap().clone();
    let monitored = tables.settings[0].monitored.load();
    for reason in
        [Reason::Malformed, Reason::Unsolicited, Reason::OutOfState, Reason::Fragment, Reason::SynRate]
    {
        assert_ne!(monitored & reason.bit(), 0, "{reason:?} only counts");
    }
    for reason in [Reason::Blocked, Reason::Banned, Reason::Signature, Reason::SourceRate] {
        assert_eq!(monitored & reason.bit(), 0, "{reason:?} drops");
    }
    let counts = |service: &str, rule: &str| {
        let number = placement.rules[&RuleId::new(service, rule)];
        Terms::unpack(tables.rules[usize::from(number)].terms.load()).monitor
    };
    assert!(!counts("web", "source-rst") && !counts("default", "source-icmp"));
    assert!(counts("web", "prefix-syn") && counts("default", "source-fragment"));
}

#[test]
fn the_limits_of_every_source_spare_whom_a_default_spares_and_nobody_once_they_are_named() {
    let enforced = |text: &str| {
        let tables = tables();
        Enforcement::default().enforce(&tables, &policy(text), &Situation::default()).unwrap();
        let settings = &tables.settings[0];
        let monitored = settings.monitored.load() & Reason::PacketRate.bit() != 0;
        (!monitored, settings.spared.load())
    };
    let all = spared::PACKETS_OF_KNOWN | spared::SYNS_OF_KNOWN | spared::FLOWS;
    assert_eq!(enforced(""), (false, all), "packets are only counted");
    let named = "[defaults]\nsource-packets = { rate = 5000 }\nsource-syn = { rate = 50 }";
    assert_eq!(enforced(named), (true, 0), "an operator's limits hold for all");
    let monitor = "[defaults]\nsource-packets = { rate = 5000, mode = \"monitor\" }";
    assert!(!enforced(monitor).0);
}
