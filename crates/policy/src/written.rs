//! Services and rules as they are written in the configuration.
//!
//! ```toml
//! monitor = ["unsolicited"]        # stages that only count what they would drop
//! samples-per-second = 4000        # packets that detection looks at, over all CPUs
//!
//! [bans]                           # of repeated offenders
//! factor = 2                       # each is so many times as long as the one before,
//! ceiling = "1d"                   # but no longer than this;
//! forget-after = "1h"              # without offence for so long: the first counts again
//!
//! [defaults]                       # rules that every service has, by name
//! source-syn = { rate = 50, burst = 100 }
//! source-icmp = { mode = "off" }
//!
//! [[service]]                      # a packet's service is the first that it fits
//! name = "web"
//! destinations = ["192.0.2.10", "2001:db8::/64"]  # without: all
//! protocol = "tcp"                 # any, tcp, udp, icmp, gre, esp … or a number
//! ports = [80, 443, "8000-8099"]   # without: all
//! probe = "http://192.0.2.10:80/"   # or "tcp://…": asked each second, for conditions
//! lockdown = "auto"                # closed by itself once it is attacked and nothing else relieves it; or "manual"
//!
//! [[service.rule]]                 # as the default of that name, but for what is said here
//! per = "source"                   # or "source-prefix", "service"
//! of = "syn"
//! rate = "200/s"
//! burst = 400                      # without: what the rate gives in a second
//! then = "ban for 5m"              # or "limit", "alert"
//! mode = "monitor"                 # or "enforce", "off"
//!
//! [[service.rule]]
//! name = "strict"                  # without: made of per and of, such as source-bytes
//! per = "source-prefix"
//! prefix = { v4 = 24, v6 = 56 }
//! of = "bytes"
//! rate = "20 MB/s"
//! spares = "known"                 # leaves known sources alone; or only "known-in-peace", or "nobody"
//! when = "probe over 500ms"        # only while the service suffers
//! ceiling = { bans-per-minute = 1000, known-percent = 5 }
//! ```

use std::{collections::BTreeMap, ops::Range};

use floodwall_common::wire::BucketSpec;
use serde::Deserialize;
use toml::Spanned;

use super::{
    condition::{Signal, When},
    defaults,
    escalation::Escalation,
    model::{DEFAULT_SERVICE, Policy, Protocol, Service},
    probe::Probe,
    quantity::Quantity,
    rule::{Author, Ceiling, Per, PrefixLengths, Rate, Rule, RuleMode, Spares, Then},
    subject::Subject,
    values::{Destination, Ports, ProtocolName, Span, Stage},
};

/// Something wrong, and where in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// What is wrong, and what is allowed there.
    pub message: String,
}

/// The parts of a configuration that make a policy.
#[derive(Debug, Default)]
pub struct Tables {
    /// `[defaults]`.
    pub defaults: BTreeMap<Spanned<String>, Spanned<RuleTable>>,
    /// `[[service]]`.
    pub services: Vec<Spanned<ServiceTable>>,
    /// `[suspects]`.
    pub suspects: Option<Spanned<SuspectsTable>>,
    /// `[bans]`.
    pub bans: Option<Spanned<BansTable>>,
    /// `monitor`.
    pub monitor: Vec<Stage>,
    /// `samples-per-second`.
    pub samples_per_second: Option<u64>,
}

/// A rule as written; what is missing comes from the default of its name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    name: Option<Spanned<String>>,
    per: Option<Per>,
    of: Option<Subject>,
    rate: Option<Quantity>,
    burst: Option<Quantity>,
    then: Option<Then>,
    mode: Option<RuleMode>,
    spares: Option<Spares>,
    /// An older spelling.
    strangers: Option<bool>,
    prefix: Option<PrefixLengths>,
    ceiling: Option<Ceiling>,
    when: Option<When>,
}

impl RuleTable {
    /// One that changes nothing but how much may come.
    pub fn of_rate(rate: u64, burst: u64) -> Self {
        Self { rate: Some(Quantity(rate)), burst: Some(Quantity(burst)), ..Self::default() }
    }
}

/// A service as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTable {
    name: Spanned<String>,
    #[serde(default)]
    destinations: Vec<Destination>,
    protocol: Option<ProtocolName>,
    ports: Option<Spanned<Vec<Ports>>>,
    #[serde(default = "yes")]
    defaults: bool,
    probe: Option<Probe>,
    #[serde(default)]
    lockdown: Closing,
    #[serde(default)]
    rule: Vec<Spanned<RuleTable>>,
}

/// Who closes a service to all but known clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Closing {
    /// Operators.
    #[default]
    Manual,
    /// It is closed by itself as well.
    Auto,
}

/// How many suspects may pass.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuspectsTable {
    rate: Quantity,
    burst: Option<Quantity>,
}

/// How bans grow.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BansTable {
    factor: Option<u32>,
    ceiling: Option<Span>,
    forget_after: Option<Span>,
}

const fn yes() -> bool {
    true
}

impl Tables {
    /// What they mean.
    pub fn policy(self) -> Result<Policy, Mistake> {
        let mut common = defaults::rules();
        for (name, table) in &self.defaults {
            override_rule(&mut common, table, Some(name))?;
        }
        let mut policy =
            Policy { services: vec![Service::catching_all(common.clone())], ..Policy::default() };
        for table in &self.services {
            let service = service(table, &common)?;
            if service.name == DEFAULT_SERVICE {
                if let Some(first) = policy.services.first_mut() {
                    *first = service;
                }
            } else {
                if policy.service(&service.name).is_some() {
                    return Err(mistake(
                        table.get_ref().name.span(),
                        format!("a second service {}", service.name),
                    ));
                }
                policy.services.push(service);
            }
        }
        if let Some(table) = &self.suspects {
            policy.suspects = suspects(table)?;
        }
        if let Some(table) = &self.bans {
            policy.escalation = escalation(table)?;
        }
        policy.monitored = self.monitor.iter().fold(0, |bits, Stage(reason)| bits | reason.bit());
        policy.samples_per_second = self.samples_per_second.unwrap_or(policy.samples_per_second);
        super::Enforcement::check(&policy).map_err(|unfit| self.place(&unfit))?;
        Ok(policy)
    }

    /// Where in the text something is that cannot be enforced.
    fn place(&self, unfit: &super::Unfit) -> Mistake {
        let named = match unfit {
            super::Unfit::Service { service, .. } => {
                self.services.iter().find(|table| table.get_ref().name.get_ref() == service)
            }
            _ => self.services.last(),
        };
        mistake(named.map_or(0..0, |table| table.get_ref().name.span()), unfit.to_string())
    }
}

fn mistake(at: Range<usize>, message: impl Into<String>) -> Mistake {
    Mistake { at, message: message.into() }
}

fn service(table: &Spanned<ServiceTable>, common: &[Rule]) -> Result<Service, Mistake> {
    let ServiceTable { name, destinations, protocol, ports, defaults, probe, lockdown, rule } =
        table.get_ref();
    check_name(name)?;
    let mut rules = if *defaults { common.to_vec() } else { Vec::new() };
    let mut named = Vec::new();
    for table in rule {
        let name = override_rule(&mut rules, table, None)?;
        if named.contains(&name) {
            return Err(mistake(
                table.span(),
                format!("a second rule {name}; name = \"…\" tells the two apart"),
            ));
        }
        named.push(name);
    }
    let wants_probe = |rule: &Rule| rule.when.is_some_and(|when| when.signal == Signal::Probe);
    if probe.is_none()
        && let Some(waiting) = rules.iter().find(|rule| wants_probe(rule))
    {
        let message =
            format!("rule {} waits for a probe, and the service has none: probe = \"tcp://…\"", waiting.name);
        return Err(mistake(name.span(), message));
    }
    let listed = ports.as_ref().map_or(&[][..], |ports| ports.get_ref());
    let catches_all = name.get_ref() == DEFAULT_SERVICE;
    if catches_all && (!destinations.is_empty() || protocol.is_some() || !listed.is_empty()) {
        let message = "the default service is for what no other names: it has rules, and nothing else";
        return Err(mistake(name.span(), message));
    }
    let protocol = protocol.map_or(Protocol::Any, |name| name.0);
    if let Some(ports) = ports
        && !protocol.is_tcp()
        && !protocol.is_udp()
    {
        return Err(mistake(ports.span(), format!("{protocol} has no ports")));
    }
    if let Some(ports) = ports
        && ports.get_ref().is_empty()
    {
        return Err(mistake(ports.span(), "no port is named; without `ports`, the service has all of them"));
    }
    Ok(Service {
        name: name.get_ref().clone(),
        destinations: destinations.iter().map(|destination| destination.0).collect(),
        protocol,
        probe: probe.clone(),
        closes_by_itself: *lockdown == Closing::Auto,
        ports: listed.iter().map(|ports| ports.0.clone()).collect(),
        rules,
    })
}

fn check_name(name: &Spanned<String>) -> Result<(), Mistake> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.get_ref().is_empty() || name.get_ref().len() > 64 || !name.get_ref().chars().all(allowed) {
        let message = "a name is 1 to 64 letters, digits, hyphens, underscores and dots";
        return Err(mistake(name.span(), message));
    }
    Ok(())
}

/// Puts a rule in place of the one of its name, or adds it; returns the name.
fn override_rule(
    rules: &mut Vec<Rule>,
    table: &Spanned<RuleTable>,
    name: Option<&Spanned<String>>,
) -> Result<String, Mistake> {
    let written = table.get_ref();
    let name = match (name.or(written.name.as_ref()), written.per, written.of) {
        (Some(name), ..) => {
            check_name(name)?;
            name.get_ref().clone()
        }
        (None, Some(per), Some(of)) => Rule::name_of(per, of),
        _ => {
            let message = "a rule is told by its name, or by per and of: per = \"source\", of = \"syn\"";
            return Err(mistake(table.span(), message));
        }
    };
    let place = rules.iter().position(|rule| rule.name == name);
    if written.mode == Some(RuleMode::Off) {
        let Some(place) = place else {
            return Err(mistake(
                table.span(),
                format!("there is no rule {name} to take away; {}", known(rules)),
            ));
        };
        rules.remove(place);
        return Ok(name);
    }
    let rule = merged(written, place.and_then(|place| rules.get(place)), &name).ok_or_else(|| {
        let lacks = "it needs per, of and rate, or the name of a rule that there is";
        mistake(table.span(), format!("rule {name}: {lacks}; {}", known(rules)))
    })?;
    if let Some(fault) = rule.fault() {
        return Err(mistake(table.span(), format!("rule {name}: {fault}")));
    }
    match place.and_then(|place| rules.get_mut(place)) {
        Some(old) => *old = rule,
        None => rules.push(rule),
    }
    Ok(name)
}

/// What is written, over what there is.
fn merged(written: &RuleTable, base: Option<&Rule>, name: &str) -> Option<Rule> {
    let RuleTable { name: _, per, of, rate, burst, then, mode, spares, strangers, prefix, ceiling, when } =
        written;
    let older = strangers.map(|strangers| if strangers { Spares::Known } else { Spares::Nobody });
    let spares = spares.or(older);
    let rate = match (rate, burst) {
        (Some(Quantity(rate)), Some(Quantity(burst))) => Rate { rate: *rate, burst: *burst },
        (Some(Quantity(rate)), None) => Rate { rate: *rate, burst: *rate },
        (None, Some(Quantity(burst))) => Rate { burst: *burst, ..base?.rate },
        (None, None) => base?.rate,
    };
    let rule = Rule {
        name: name.to_owned(),
        per: per.or(base.map(|base| base.per))?,
        of: of.or(base.map(|base| base.of))?,
        rate,
        then: then.or(base.map(|base| base.then)).unwrap_or(Then::Limit),
        monitor: base.is_some_and(|base| base.monitor),
        author: base.map_or(Author::Operator, |base| base.author),
        spares: base.map(|base| base.spares).unwrap_or_default(),
        prefix: prefix.or(base.map(|base| base.prefix)).unwrap_or_default(),
        ceiling: ceiling.or(base.and_then(|base| base.ceiling)),
        when: when.or(base.and_then(|base| base.when)),
    };
    let rule = rule.named_by_operator(*mode);
    Some(Rule { spares: spares.unwrap_or(rule.spares), ..rule })
}

fn known(rules: &[Rule]) -> String {
    let names: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    format!("there are {}", names.join(", "))
}

fn suspects(table: &Spanned<SuspectsTable>) -> Result<Option<Rate>, Mistake> {
    let SuspectsTable { rate: Quantity(rate), burst } = *table.get_ref();
    if rate == 0 {
        return Ok(None);
    }
    let burst = burst.map_or(rate, |Quantity(burst)| burst);
    if BucketSpec::new(rate, burst).is_none() {
        let message = format!(
            "{rate}/s burst {burst}: a rate is up to {}/s (0: no limit), and a burst takes at most {} \
             seconds of it",
            BucketSpec::MAX_RATE,
            BucketSpec::MAX_DRAIN_SECONDS
        );
        return Err(mistake(table.span(), message));
    }
    Ok(Some(Rate { rate, burst }))
}

fn escalation(table: &Spanned<BansTable>) -> Result<Escalation, Mistake> {
    let BansTable { factor, ceiling, forget_after } = *table.get_ref();
    let default = Escalation::default();
    let escalation = Escalation {
        factor: factor.unwrap_or(default.factor),
        ceiling: ceiling.map_or(default.ceiling, |span| span.0),
        forget_after: forget_after.map_or(default.forget_after, |span| span.0),
    };
    if !(1..=100).contains(&escalation.factor) {
        return Err(mistake(table.span(), "factor is from 1 (bans stay as long as they are) to 100"));
    }
    Ok(escalation)
}
