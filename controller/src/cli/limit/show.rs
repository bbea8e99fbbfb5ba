//! `floodwall limit show`.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::words::SHORT;
use crate::{
    api::{Limit, RuleList, RuleReport, RuleState, path},
    cli::{
        exit::{Done, Stop},
        session::Session,
        style::Style,
        units,
    },
    policy::{DEFAULT_SERVICE, Per},
};

pub(super) async fn apply(session: &mut Session<'_>) -> Result<Done, Stop> {
    let RuleList { rules } = session.client.get(path::RULE).await?;
    session.answer(&Shown::of(&rules), render)?;
    Ok(Done::Plain)
}

/// The limits of every source, as scripts see them; `None` is no limit.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "LimitsShown")]
pub(in crate::cli) struct Shown {
    /// Packets.
    packets: Option<Limit>,
    /// TCP connection requests.
    syn: Option<Limit>,
    /// Which of them only count what they would drop.
    only_count: Vec<&'static str>,
    /// When what was set is taken back, Unix seconds.
    #[serde(skip)]
    expire: [Option<u64>; 2],
}

impl Shown {
    fn of(rules: &[RuleReport]) -> Self {
        let [packets, syn] = SHORT.map(|what| rule_of(rules, what));
        let limit = |rule: &RuleReport| Limit { rate: rule.rate, burst: rule.burst };
        let both = SHORT.into_iter().zip([packets, syn]);
        let counts = |rule: &RuleReport| rule.state != RuleState::Enforce;
        Self {
            packets: packets.map(limit),
            syn: syn.map(limit),
            only_count: both.filter(|(_, rule)| rule.is_some_and(counts)).map(|(what, _)| what).collect(),
            expire: [packets, syn].map(|rule| rule?.expires),
        }
    }
}

/// The rule that limits this for every source: the one that is named after it, or else the first of its kind.
fn rule_of<'a>(rules: &'a [RuleReport], what: &str) -> Option<&'a RuleReport> {
    let per = Per::Source.to_string();
    let of_all = || rules.iter().filter(|rule| rule.service == DEFAULT_SERVICE);
    let named = of_all().find(|rule| rule.rule == format!("{per}-{what}"));
    named.or_else(|| of_all().find(|rule| rule.per == per && rule.of == what))
}

fn render(shown: &Shown, out: &mut dyn Write, _: Style) -> io::Result<()> {
    let Shown { packets, syn, only_count, expire } = shown;
    for ((what, limit), expires) in SHORT.into_iter().zip([packets, syn]).zip(expire) {
        let counts = if only_count.contains(&what) { " (only counts)" } else { "" };
        let expires =
            expires.map(|at| format!("; taken back {}", units::within(at, units::now()))).unwrap_or_default();
        writeln!(out, "{what:<7}  {}{counts}{expires}", words(limit.as_ref()))?;
    }
    Ok(())
}

/// A limit, or none, as `limit set` would read it.
pub(in crate::cli) fn words(limit: Option<&Limit>) -> String {
    match limit {
        None => "off".to_owned(),
        Some(Limit { rate, burst }) => format!("{}/s, burst {}", units::count(*rate), units::count(*burst)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(service: &str, name: &str, of: &str, rate: u64, state: RuleState) -> RuleReport {
        RuleReport {
            service: service.into(),
            rule: name.into(),
            number: None,
            shared: true,
            per: "source".into(),
            of: of.into(),
            rate,
            burst: 2 * rate,
            then: "limit".into(),
            state,
            in_use: true,
            text: String::new(),
            expires: None,
            packets: 0,
            bytes: 0,
            bans: 0,
            explanation: Vec::new(),
        }
    }

    fn shown(rules: &[RuleReport]) -> String {
        let mut out = Vec::new();
        render(&Shown::of(rules), &mut out, Style::plain()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn limits_in_words() {
        let web = rule("web", "source-syn", "syn", 7, RuleState::Enforce);
        let packets = rule("default", "source-packets", "packets", 20_000, RuleState::Monitor);
        let rules = [web, packets];
        assert_eq!(shown(&rules), "packets  20,000/s, burst 40,000 (only counts)\nsyn      off\n");
        assert_eq!(
            serde_json::to_string(&Shown::of(&rules)).unwrap(),
            r#"{"packets":{"rate":20000,"burst":40000},"syn":null,"only_count":["packets"]}"#
        );
    }

    #[test]
    fn the_rule_that_is_named_after_the_limit_is_meant_or_one_of_its_kind() {
        let other = rule("default", "strict", "syn", 5, RuleState::Enforce);
        let named = rule("default", "source-syn", "syn", 100, RuleState::Enforce);
        assert_eq!(shown(&[other.clone(), named]), "packets  off\nsyn      100/s, burst 200\n");
        assert_eq!(shown(&[other]), "packets  off\nsyn      5/s, burst 10\n");
    }

    #[test]
    fn what_is_set_for_a_time_says_so() {
        let for_a_time = RuleReport {
            expires: Some(units::now() + 3_600),
            ..rule("default", "source-syn", "syn", 100, RuleState::Enforce)
        };
        let said = shown(&[for_a_time]);
        assert!(said.contains("syn      100/s, burst 200; taken back in "), "{said}");
    }
}
