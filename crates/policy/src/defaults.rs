//! The rules of a fresh install, and why their numbers are what they are.
//!
//! Every service has them; each can be overridden by its name, for all services or for one.
//! The numbers are explained by [`why`], which `floodwall rule show` prints.
//!
//! Suspects (answers to nothing, segments of no connection, fragments without a first) may come 50 times a second of
//! each kind, since what is known of the host may be incomplete, or be learned a moment late.

use floodwall_common::traits::Traits;

use super::{
    rule::{Author, Per, PrefixLengths, Rate, Rule, Spares, Then},
    subject::Subject,
};

/// Limits all that a source sends.
pub const SOURCE_PACKETS: &str = "source-packets";
/// Limits the connections that a source asks for.
pub const SOURCE_SYN: &str = "source-syn";

/// Suspects of each kind that may pass.
pub const SUSPECTS: Rate = Rate { rate: 50, burst: 50 };
/// Packets that are sampled per second, of all CPUs and services: enough to tell a flood's pattern within a second, and
/// a fraction of a percent of a CPU.
pub const SAMPLES_PER_SECOND: u64 = 4_000;

/// Why a default's numbers are what they are.
pub fn why(name: &str) -> Option<&'static str> {
    Some(match name {
        SOURCE_PACKETS => {
            "a browser that downloads at 1 Gbit/s acknowledges some 20,000 times a second with offloads off; who sends \
             more for longer than two seconds is no client of an ordinary service. Flows in which both ends speak are \
             left alone, and in peace all that a known source sends. It only counts, as nothing tells a fast transfer by \
             UDP, or a tunnel, from a flood; `floodwall limit set packets 20000/s` has it drop, whoever sends"
        }
        SOURCE_SYN => {
            "a page opens some dozens of connections, a busy NAT a hundred a second; beyond, for longer than a burst of \
             two seconds, it is a flood, unless connections of that source have led to something and no attack is on: a \
             load balancer, a probe or a crawler may open more. It only limits: whoever forges an address could have it \
             banned"
        }
        "source-icmp" => {
            "path MTU discovery and pings take a few packets a second; a BlackNurse flood occupies a CPU with some 20,000. \
             Answers to pings from here are left alone, up to 1,000/s: behind a gateway, many ping the same address"
        }
        "source-fragment" => {
            "DNSSEC and VPNs fragment now and then; reassembly is what a flood of them is after. The burst is what a stream \
             of long datagrams takes until its source is known. What answers somebody here is left alone: a file server by UDP \
             sends nothing but fragments"
        }
        "source-dns-query" => {
            "a resolver of an office asks some dozens of questions a second, one of a provider a few hundred"
        }
        "prefix-syn" => {
            "ten busy NATs in one network. Catches a thousand hosts that each stay under their own limit; no ban, as \
             neighbours would be hit"
        }
        "service-syn" => {
            "what a listener with SYN cookies answers on one CPU without suffering. Catches sources that never come \
             twice; who was there before is left alone"
        }
        _ => return None,
    })
}

/// The rules that every service has unless it says otherwise.
pub fn rules() -> Vec<Rule> {
    let rule = |name: &str, per, traits, rate, burst, then| Rule {
        name: name.to_owned(),
        per,
        of: Subject::of(traits),
        rate: Rate { rate, burst },
        then,
        monitor: false,
        author: Author::Default,
        spares: Spares::KnownInPeace,
        prefix: PrefixLengths::default(),
        ceiling: None,
        when: None,
    };
    vec![
        Rule { monitor: true, ..rule(SOURCE_PACKETS, Per::Source, Traits::ANY, 20_000, 40_000, Then::Limit) },
        rule(SOURCE_SYN, Per::Source, Traits::SYN, 100, 200, Then::Limit),
        Rule {
            spares: Spares::Nobody,
            ..rule("source-icmp", Per::Source, Traits::ICMP, 50, 100, Then::Limit)
        },
        rule("source-fragment", Per::Source, Traits::FRAGMENT, 100, 1_000, Then::Limit),
        rule("source-dns-query", Per::Source, Traits::DNS_QUERY, 200, 400, Then::Limit),
        rule("prefix-syn", Per::SourcePrefix, Traits::SYN, 1_000, 2_000, Then::Limit),
        Rule {
            spares: Spares::Known,
            ..rule("service-syn", Per::Service, Traits::SYN, 20_000, 40_000, Then::Limit)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_default_bans_and_packets_are_only_counted() {
        for rule in rules() {
            assert!(!matches!(rule.then, Then::Ban(_)), "{rule}: no default bans");
            assert_eq!(rule.monitor, rule.name == SOURCE_PACKETS, "{rule}");
            assert_eq!(rule.author, Author::Default);
        }
    }

    #[test]
    fn defaults_are_sound_and_named_as_they_would_be() {
        for rule in rules() {
            assert_eq!(rule.fault(), None, "{rule}");
            assert_eq!(rule.name, Rule::name_of(rule.per, rule.of));
            assert!(why(&rule.name).is_some(), "{rule}");
        }
    }
}
