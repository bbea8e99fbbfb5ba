//! What is asked of the rules, and the bypass.

use std::time::Duration;

use super::filter;
use crate::{Filter, Refusal, RuleCounts};
use floodwall_api::{RuleChange, RuleState};
use floodwall_common::tables::Tables as _;
use floodwall_config::Config;
use floodwall_policy::{HostFacts, RuleId};

fn configure(filter: &Filter, text: &str) {
    let policy = Config::parse(text).expect("valid").policy;
    filter.policy_state.lock().configure(&filter.tables, policy, false).expect("it fits");
}

#[test]
fn a_bypass_lasts_for_a_day_at_most_and_ends_when_it_is_said() {
    const DAY: Duration = Duration::from_secs(86_400);
    let (filter, _directory) = filter();
    assert_eq!((filter.bypassed(), filter.rule_warnings()), (None, vec![]));
    for wrong in [Duration::ZERO, DAY + Duration::from_nanos(1)] {
        assert!(matches!(filter.bypass(Some(wrong)), Err(Refusal::Invalid(_))), "{wrong:?}");
    }
    assert_eq!(filter.bypassed(), None, "what is refused changes nothing");
    let left = filter.bypass(Some(DAY)).expect("a day").expect("it holds");
    assert!((86_000.0..=86_400.0).contains(&left), "{left} s");
    assert!(filter.rule_warnings()[0].starts_with("BYPASS: every packet passes"));
    let until = filter.tables.settings[0].bypass_until.load();
    assert!(until > filter.tables.clock());
    assert_eq!(filter.bypass(None).expect("ended"), None);
    assert_eq!((filter.bypassed(), filter.rule_warnings()), (None, vec![]));
}

#[test]
fn a_service_takes_in_tcp_at_its_ports() {
    let (filter, _directory) = filter();
    configure(
        &filter,
        "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [80, \"8000-8099\"]\n\
         [[service]]\nname = \"game\"\nprotocol = \"udp\"\nports = [27015]\n\
         [[service]]\nname = \"rest\"\ndestinations = [\"192.0.2.9/32\"]",
    );
    assert_eq!(
        [79, 80, 8_000, 8_099, 8_100].map(|port| filter.takes_in("web", port)),
        [false, true, true, true, false]
    );
    assert_eq!((filter.takes_in("game", 27_015), filter.takes_in("rest", 7)), (false, true));
    assert!(!filter.takes_in("nothing", 80), "there is no such service");
}

#[test]
fn conditions_and_probes_are_those_that_are_configured() {
    let (filter, _directory) = filter();
    assert!(filter.probes().is_empty());
    let before = filter.conditions().len();
    configure(
        &filter,
        "[[service]]\nname = \"web\"\nports = [80]\nprobe = \"tcp://192.0.2.10:80\"\n\
         [[service.rule]]\nper = \"source\"\nof = \"bytes\"\nrate = \"1 MB/s\"\nwhen = \"probe over 500ms\"",
    );
    assert_eq!(filter.probes().keys().collect::<Vec<_>>(), ["web"]);
    let conditions = filter.conditions();
    assert_eq!(conditions.len(), before + 1);
    assert!(conditions.iter().any(|(id, _)| *id == RuleId::new("web", "source-bytes")));
    assert!(!filter.fresh_rules().is_empty(), "the new rule's counter may hold another's figures");
    assert!(filter.fresh_rules().is_empty());
}

#[test]
fn lost_bans_are_told_of_once() {
    let (filter, _directory) = filter();
    let mut seen = 0;
    assert!(!filter.has_lost_bans(&mut seen));
    filter.tables.settings[0].lost_bans.store(3);
    assert!(filter.has_lost_bans(&mut seen) && !filter.has_lost_bans(&mut seen));
}

#[test]
fn a_rule_is_told_with_its_state_its_counts_and_why_its_numbers_are_what_they_are() {
    let (filter, _directory) = filter();
    configure(
        &filter,
        "[[service]]\nname = \"web\"\nports = [80]\n\
         [[service.rule]]\nname = \"source-syn\"\nrate = 7\nburst = 14\n\
         [[service.rule]]\nper = \"source\"\nof = \"rst\"\nrate = 5\nmode = \"monitor\"\n\
         [[service.rule]]\nper = \"service\"\nof = \"bytes\"\nrate = \"1 MB/s\"\nwhen = \"softirq over 80%\"\nthen = \"alert\"",
    );
    let rule = |name: &str| {
        let rules = filter.rules(&RuleCounts::default());
        rules.into_iter().find(|rule| rule.service == "web" && rule.rule == name).expect("there is one")
    };
    let syn = rule("source-syn");
    assert_eq!((syn.state, syn.rate, syn.burst), (RuleState::Enforce, 7, 14));
    assert_eq!(syn.explanation[1], "the numbers are those of the configuration");
    assert!(
        syn.explanation[2]
            .starts_with("a source (an IPv4 address or an IPv6 /64) may send 14 packets at once")
    );
    assert!(
        syn.explanation[2]
            .ends_with("one each 142.857 ms on average; a silence of 2.0 s earns the whole burst again")
    );
    assert_eq!(rule("source-rst").state, RuleState::Monitor);
    let bytes = rule("service-bytes");
    assert_eq!(bytes.state, RuleState::Waiting);
    assert!(bytes.explanation.iter().any(|line| line == "what is over that passes, and is counted"));
    assert!(
        bytes
            .explanation
            .iter()
            .any(|line| line.starts_with("it holds only while this does: softirq over 80"))
    );
    filter.look(HostFacts::default(), [RuleId::new("web", "service-bytes")].into()).expect("it fits");
    assert_eq!(rule("service-bytes").state, RuleState::Enforce);

    let default = filter.rules(&RuleCounts::default()).into_iter().find(|rule| rule.service == "default");
    let default = default.expect("the default service has rules");
    assert!(default.explanation[1].starts_with("the numbers are the default: "), "{:?}", default.explanation);

    let number = syn.number.expect("it has a number of its own");
    let mut counts = RuleCounts { rules: vec![(0, 0); 256], ..RuleCounts::default() };
    counts.rules[usize::from(number)] = (3, 180);
    let counted =
        filter.rules(&counts).into_iter().find(|rule| rule.number == Some(number)).expect("it is there");
    assert_eq!((counted.rule.as_str(), counted.packets, counted.bytes), ("source-syn", 3, 180));
}

#[test]
fn a_rule_that_is_set_says_so_and_one_that_there_is_not_is_refused_with_those_that_there_are() {
    let (filter, _directory) = filter();
    let set = |service: &str| {
        filter.set_rule(&RuleChange {
            service: service.to_owned(),
            of: "syn".to_owned(),
            per: "source".to_owned(),
            rate: Some(7),
            burst: None,
            then: None,
            mode: None,
            seconds: None,
            reset: false,
        })
    };
    let Err(Refusal::NotFound(why)) = set("nothing") else { panic!("there is no such service") };
    assert_eq!(why, "there is no service nothing; there are default");
    let nothing = RuleChange {
        service: "default".to_owned(),
        of: "rst".to_owned(),
        per: "service".to_owned(),
        rate: None,
        burst: None,
        then: None,
        mode: None,
        seconds: None,
        reset: false,
    };
    let Err(Refusal::NotFound(why)) = filter.set_rule(&nothing) else { panic!("there is no such rule") };
    assert!(why.contains("It has source-"), "{why}");
    set("default").expect("set");
    let rules = filter.rules(&RuleCounts::default());
    let syn = rules.into_iter().find(|rule| rule.rule == "source-syn").expect("there is one");
    assert!(syn.explanation[1].starts_with("the numbers were set since the configuration was read"));
}
