//! `floodwall limit set` and `floodwall limit reset`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{
    rate::{self, Setting},
    show,
    words::{self, RuleWords, Words},
};
use crate::{
    api::{Changed, RuleChange, RuleList, RuleMode, path},
    cli::{
        arguments,
        exit::{Done, Failed, Kind, Stop},
        rules::rule,
        session::Session,
        trial::{self, OnTrial},
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    #[command(flatten)]
    words: Words,
    /// How much may come at once [default: what the rate gives in a second].
    #[arg(long, value_name = "N", value_parser = rate::number)]
    burst: Option<u64>,
    /// Whether the rule drops, or only counts what it would drop.
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// Take it back after so long, such as 90s, 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
    #[command(flatten)]
    trial: OnTrial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// It drops.
    Enforce,
    /// It only counts.
    Monitor,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Reset {
    /// packets|syn, or SERVICE OF per source|source-prefix|service.
    #[arg(required = true, num_args = 1..=4, value_name = "WORD")]
    words: Vec<String>,
    #[command(flatten)]
    trial: OnTrial,
}

impl Set {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        send(&self.change()?, self.words.is_short, self.trial, session).await
    }

    fn change(&self) -> Result<RuleChange, Failed> {
        let invalid = |message| Err(Failed::new(Kind::Invalid, message));
        let Self { words: Words { rule: said, is_short }, mode, .. } = self;
        let off = said.setting == Some(Setting::Off);
        let burst = self.burst.or(said.burst);
        let rate = match said.setting {
            Some(Setting::PerSecond(rate)) => Some(rate),
            Some(Setting::Off) | None => None,
        };
        match burst {
            Some(_) if off => return invalid("`off` has no burst; leave it out"),
            Some(_) if rate.is_none() => return invalid("a burst goes with a rate, such as 200/s burst 400"),
            Some(0) => return invalid("a burst of 0 would drop everything; `off` takes the limit away"),
            _ => {}
        }
        if off && mode.is_some() {
            return invalid("`off` takes the rule away; leave out --mode");
        }
        let mode = match mode {
            _ if off => Some(RuleMode::Off),
            Some(Mode::Enforce) => Some(RuleMode::Enforce),
            Some(Mode::Monitor) => Some(RuleMode::Monitor),
            // Whoever sets a limit wants it to hold, though the default may only count.
            None => is_short.then_some(RuleMode::Enforce),
        };
        Ok(RuleChange {
            rate,
            burst,
            then: said.then.clone(),
            mode,
            seconds: self.lifetime.map(|lifetime| lifetime.as_secs()),
            ..about(said)
        })
    }
}

impl Reset {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let given: Vec<_> = self.words.iter().map(String::as_str).collect();
        let Words { rule, is_short } =
            words::parse_reset(&given).map_err(|error| Failed::new(Kind::Invalid, error))?;
        send(&RuleChange { reset: true, ..about(&rule) }, is_short, self.trial, session).await
    }
}

/// Nothing said of a rule yet.
fn about(RuleWords { service, of, per, .. }: &RuleWords) -> RuleChange {
    RuleChange {
        service: service.clone(),
        of: of.clone(),
        per: per.clone(),
        rate: None,
        burst: None,
        then: None,
        mode: None,
        seconds: None,
        reset: false,
    }
}

/// Has it done, and shows what holds then: both limits of every source, or the rule.
async fn send(
    change: &RuleChange,
    is_short: bool,
    on_trial: OnTrial,
    session: &mut Session<'_>,
) -> Result<Done, Stop> {
    let changed: Changed<RuleList> = session.client.put(&on_trial.target(path::RULE), change).await?;
    // With a trial there is more to be told than the limits.
    if is_short && (changed.trial.is_none() || !session.json) {
        show::apply(session).await?;
        if let Some(trial) = &changed.trial {
            trial::notice(trial, &mut *session.out, session.style)?;
        }
        return Ok(Done::Plain);
    }
    session.changed(&changed, |RuleList { rules }, out, style| match rules.first() {
        Some(report) => rule::show(report, out, style),
        None => writeln!(out, "the rule is gone"),
    })?;
    Ok(Done::Plain)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(line: &str, burst: Option<u64>, mode: Option<Mode>) -> Result<Value, String> {
        let words = words::parse(&line.split(' ').collect::<Vec<_>>()).unwrap();
        match (Set { words, burst, mode, lifetime: Some(Duration::from_secs(60)), trial: OnTrial::default() })
            .change()
        {
            Ok(change) => Ok(serde_json::to_value(&change).unwrap()),
            Err(failed) => Err(failed.message().to_owned()),
        }
    }

    fn about_syn(service: &str, more: &Value) -> Value {
        let mut whole =
            json!({"service": service, "of": "syn", "per": "source", "seconds": 60, "reset": false});
        let more = more.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(more);
        whole
    }

    #[test]
    fn a_limit_of_every_source_is_a_rule_that_is_enforced_unless_it_is_said_otherwise() {
        let sent_as = |more| Ok(about_syn("default", &more));
        assert_eq!(sent("syn 100", None, None), sent_as(json!({"rate": 100, "mode": "enforce"})));
        assert_eq!(
            sent("syn 5k/s", Some(10_000), Some(Mode::Monitor)),
            sent_as(json!({"rate": 5_000, "burst": 10_000, "mode": "monitor"}))
        );
        assert_eq!(sent("syn off", None, None), sent_as(json!({"mode": "off"})));
        // A rule in full stays as it is configured.
        assert_eq!(sent("web syn per source 7/s", None, None), Ok(about_syn("web", &json!({"rate": 7}))));
    }

    #[test]
    fn what_makes_no_sense_is_not_sent() {
        for (line, burst, mode, message) in [
            ("syn off", Some(1), None, "`off` has no burst; leave it out"),
            ("packets off", None, Some(Mode::Enforce), "`off` takes the rule away; leave out --mode"),
            ("packets 5", Some(0), None, "a burst of 0 would drop everything; `off` takes the limit away"),
            ("web syn per source", Some(5), None, "a burst goes with a rate, such as 200/s burst 400"),
        ] {
            assert_eq!(sent(line, burst, mode), Err(message.to_owned()), "{line}");
        }
    }
}
