//! Services and their rules.

use std::{fmt, ops::RangeInclusive};

use floodwall_common::{parse::protocol, traits::Traits};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    defaults,
    escalation::Escalation,
    probe::Probe,
    rule::{Per, Rate, Rule, Then},
    subject::Subject,
};
use floodwall_tables::Prefix;

/// Name of the service that catches what no other names.
pub const DEFAULT_SERVICE: &str = "default";

/// What is wanted of the filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The first is [`DEFAULT_SERVICE`]; of the others the first that a packet fits is its service.
    pub services: Vec<Service>,
    /// How many suspects of each kind may pass; `None`: all.
    pub suspects: Option<Rate>,
    /// Reasons that only count, and do not drop: bits by [`Reason`](floodwall_common::wire::Reason).
    pub monitored: u64,
    /// How bans of repeated offenders grow.
    pub escalation: Escalation,
    /// Packets sampled per second, over all CPUs.
    pub samples_per_second: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            services: vec![Service::catching_all(defaults::rules())],
            suspects: Some(defaults::SUSPECTS),
            monitored: 0,
            escalation: Escalation::default(),
            samples_per_second: defaults::SAMPLES_PER_SECOND,
        }
    }
}

impl Policy {
    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Every rule of every service.
    pub fn rules(&self) -> impl Iterator<Item = (&Service, &Rule)> {
        self.services.iter().flat_map(|service| service.rules.iter().map(move |rule| (service, rule)))
    }

    /// What is allowed, and may do harm; for whoever has written it.
    pub fn warnings(&self) -> Vec<String> {
        let mut warned = std::collections::BTreeSet::new();
        let bans = self.rules().filter(|(_, rule)| matches!(rule.then, Then::Ban(_)));
        // A rule that all services share is written once.
        let bans = bans.filter(|(_, rule)| warned.insert(rule.to_string()));
        bans.filter_map(|(service, rule)| Some((service, rule, harm_of_bans(rule)?)))
            .map(|(service, rule, harm)| format!("rule {}/{} bans: {harm}", service.name, rule.name))
            .collect()
    }

    /// A rule.
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.service(&id.service)?.rules.iter().find(|rule| rule.name == id.rule)
    }
}

/// What is to be said of a rule that bans, if there is anything.
fn harm_of_bans(rule: &Rule) -> Option<&'static str> {
    let proves = Traits::ANY.and(Traits::TCP).and(Traits::SYN).and(Traits::SEGMENT).and(Traits::RST);
    if !rule.of.traits.meets(proves) {
        return Some(
            "it will ban nobody, only limit. Only TCP proves who has sent a packet, and none of those that it counts are; \
             `then = \"limit\"` says what it does",
        );
    }
    (rule.per == Per::SourcePrefix).then_some(
        "everybody in a prefix is banned for what some of it have sent; `then = \"limit\"` goes away with the flood",
    )
}

/// What is protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Destinations; none: all.
    pub destinations: Vec<Prefix>,
    /// Its protocol.
    pub protocol: Protocol,
    /// TCP or UDP ports; none: all.
    pub ports: Vec<RangeInclusive<u16>>,
    /// How it is tried whether it answers, if it is.
    pub probe: Option<Probe>,
    /// Whether it is closed by itself to all but known clients once it is attacked and nothing else relieves it.
    #[serde(default)]
    pub closes_by_itself: bool,
    /// Its rules, the defaults that it has taken over included.
    pub rules: Vec<Rule>,
}

impl Service {
    /// The service for whatever no other names.
    pub fn catching_all(rules: Vec<Rule>) -> Self {
        Self {
            name: DEFAULT_SERVICE.to_owned(),
            destinations: Vec::new(),
            protocol: Protocol::Any,
            ports: Vec::new(),
            probe: None,
            closes_by_itself: false,
            rules,
        }
    }

    /// The rule that is about this: the one that is named after it, or else the first of its kind.
    pub fn rule_about(&self, per: Per, of: Subject) -> Option<&Rule> {
        let name = Rule::name_of(per, of);
        let named = self.rules.iter().find(|rule| rule.name == name);
        named.or_else(|| self.rules.iter().find(|rule| rule.per == per && rule.of == of))
    }

    /// The traits that its packets can have.
    pub fn traits(&self) -> Traits {
        let of_tcp = Traits::TCP.and(Traits::SYN).and(Traits::SYN_ACK).and(Traits::SEGMENT).and(Traits::RST);
        let dns = self.ports.is_empty() || self.ports.iter().any(|ports| ports.contains(&53));
        let of_udp = if dns { Traits::UDP.and(Traits::DNS_QUERY) } else { Traits::UDP };
        let above = match self.protocol {
            Protocol::Any if self.ports.is_empty() => of_tcp.and(of_udp).and(Traits::ICMP).and(Traits::OTHER),
            Protocol::Any => of_tcp.and(of_udp),
            Protocol::Tcp => of_tcp,
            Protocol::Udp => of_udp,
            Protocol::Icmp => Traits::ICMP,
            Protocol::Other(_) => Traits::OTHER,
        };
        Traits::ANY.and(Traits::FRAGMENT).and(above)
    }
}

/// Protocols of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// All; with ports, TCP and UDP.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// Another, by its number (IANA).
    Other(u8),
}

impl Protocol {
    /// Whether TCP packets are its own.
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Any | Self::Tcp)
    }

    /// Whether UDP packets are its own.
    pub fn is_udp(self) -> bool {
        matches!(self, Self::Any | Self::Udp)
    }

    /// Whether packets of a protocol without ports are its own.
    pub fn is_other(self, number: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Tcp | Self::Udp => false,
            Self::Icmp => matches!(number, protocol::ICMP | protocol::ICMPV6),
            Self::Other(own) => own == number,
        }
    }
}

/// Protocols without ports that have a name here.
const NAMED: [(&str, u8); 6] =
    [("igmp", 2), ("ipip", 4), ("gre", 47), ("esp", 50), ("ah", 51), ("sctp", 132)];

/// A text that is not a protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no protocol; there are any, tcp, udp, icmp, {named}, and numbers up to 255",
    named = NAMED.map(|(name, _)| name).join(", ")
)]
pub struct UnknownProtocol(String);

impl std::str::FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        if let Some((_, number)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Other(*number));
        }
        match text {
            "any" => Ok(Self::Any),
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "icmp" => Ok(Self::Icmp),
            _ => match text.parse() {
                Ok(protocol::TCP) => Ok(Self::Tcp),
                Ok(protocol::UDP) => Ok(Self::Udp),
                Ok(protocol::ICMP | protocol::ICMPV6) => Ok(Self::Icmp),
                Ok(number) => Ok(Self::Other(number)),
                Err(_) => Err(UnknownProtocol(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any"),
            Self::Tcp => formatter.write_str("tcp"),
            Self::Udp => formatter.write_str("udp"),
            Self::Icmp => formatter.write_str("icmp"),
            Self::Other(number) => match NAMED.iter().find(|(_, named)| named == number) {
                Some((name, _)) => formatter.write_str(name),
                None => write!(formatter, "{number}"),
            },
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Names a rule of a service: `web/source-syn`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// Name of the service.
    pub service: String,
    /// Name of the rule.
    pub rule: String,
}

impl RuleId {
    /// The rule of that service.
    pub fn new(service: &str, rule: &str) -> Self {
        Self { service: service.to_owned(), rule: rule.to_owned() }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.service, self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols() {
        for text in ["any", "tcp", "udp", "icmp", "gre", "200"] {
            assert_eq!(text.parse::<Protocol>().unwrap().to_string(), text);
        }
        assert_eq!("6".parse(), Ok(Protocol::Tcp));
        assert!("256".parse::<Protocol>().is_err());
    }
}
