//! `floodwall limit set` and `floodwall limit reset`.

use std::{io::Write, time::Duration};

use clap::{Args, ValueEnum};

use super::{
    rate::{self, Setting},
    show,
    words::{self, RuleWords, What, Words},
};
use crate::{
    api::{Limit, LimitChange, Limits, RuleChange, RuleList, RuleMode, path},
    cli::{
        arguments,
        exit::{Done, Failed, Kind, Stop},
        rules::rule,
        session::Session,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    #[command(flatten)]
    words: Words,
    /// How much may come at once [default: what the rate gives in a second].
    #[arg(long, value_name = "N", value_parser = rate::number)]
    burst: Option<u64>,
    /// Whether the service's rule drops, or only counts what it would drop.
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// Take it back after so long, such as 90s, 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
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
    /// SERVICE OF per source|source-prefix|service.
    #[arg(required = true, num_args = 4, value_name = "WORD")]
    words: Vec<String>,
}

impl Set {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        match &self.words {
            Words::Shared(what, setting) => {
                if self.mode.is_some() || self.lifetime.is_some() {
                    let message = "--mode and --for are for the rules of a service, such as `default syn per source 50/s`";
                    return Err(Failed::new(Kind::Invalid, message).into());
                }
                let limits: Limits =
                    session.client.put(path::LIMIT, &change(*what, *setting, self.burst)?).await?;
                session.answer(&limits, show::render)?;
                Ok(Done::Plain)
            }
            Words::Rule(said) => {
                let change = self.rule_change(said)?;
                send(&change, session).await
            }
        }
    }

    fn rule_change(&self, said: &RuleWords) -> Result<RuleChange, Failed> {
        let off = said.setting == Some(Setting::Off);
        let burst = self.burst.or(said.burst);
        let rate = match said.setting {
            Some(Setting::PerSecond(rate)) => Some(rate),
            Some(Setting::Off) | None => None,
        };
        if rate.is_none() && burst.is_some() {
            return Err(Failed::new(Kind::Invalid, "a burst goes with a rate, such as 200/s burst 400"));
        }
        if off && self.mode.is_some() {
            return Err(Failed::new(Kind::Invalid, "`off` takes the rule away; leave out --mode"));
        }
        Ok(RuleChange {
            service: said.service.clone(),
            of: said.of.clone(),
            per: said.per.clone(),
            rate,
            burst,
            then: said.then.clone(),
            mode: match self.mode {
                _ if off => Some(RuleMode::Off),
                Some(Mode::Enforce) => Some(RuleMode::Enforce),
                Some(Mode::Monitor) => Some(RuleMode::Monitor),
                None => None,
            },
            seconds: self.lifetime.map(|lifetime| lifetime.as_secs()),
            reset: false,
        })
    }
}

impl Reset {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let given: Vec<_> = self.words.iter().map(String::as_str).collect();
        let RuleWords { service, of, per, .. } =
            words::rule(&given).map_err(|error| Failed::new(Kind::Invalid, error))?;
        let change = RuleChange {
            service,
            of,
            per,
            rate: None,
            burst: None,
            then: None,
            mode: None,
            seconds: None,
            reset: true,
        };
        send(&change, session).await
    }
}

async fn send(change: &RuleChange, session: &mut Session<'_>) -> Result<Done, Stop> {
    let RuleList { rules } = session.client.put(path::RULE, change).await?;
    if session.json {
        session.write_json(&RuleList { rules })?;
        return Ok(Done::Plain);
    }
    match rules.first() {
        Some(report) => rule::show(report, &mut *session.out, session.style)?,
        None => writeln!(session.out, "the rule is gone")?,
    }
    Ok(Done::Plain)
}

fn change(what: What, setting: Setting, burst: Option<u64>) -> Result<LimitChange, Failed> {
    let limit = match (setting, burst) {
        (Setting::Off, None) => None,
        (Setting::Off, Some(_)) => {
            return Err(Failed::new(Kind::Invalid, "`off` has no burst; leave out --burst"));
        }
        (_, Some(0)) => {
            return Err(Failed::new(
                Kind::Invalid,
                "a burst of 0 would drop everything; `off` lifts the limit",
            ));
        }
        (Setting::PerSecond(rate), burst) => Some(Limit { rate, burst: burst.unwrap_or(rate) }),
    };
    Ok(match what {
        What::Packets => LimitChange { packets: Some(limit), syn: None },
        What::Syn => LimitChange { packets: None, syn: Some(limit) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(what: What, setting: &str, burst: Option<u64>) -> String {
        match change(what, rate::setting(setting).unwrap(), burst) {
            Ok(change) => serde_json::to_string(&change).unwrap(),
            Err(failed) => failed.message().to_owned(),
        }
    }

    #[test]
    fn only_the_named_limit_is_sent() {
        assert_eq!(sent(What::Packets, "5k/s", Some(10_000)), r#"{"packets":{"rate":5000,"burst":10000}}"#);
        assert_eq!(sent(What::Syn, "100", None), r#"{"syn":{"rate":100,"burst":100}}"#);
        assert_eq!(sent(What::Syn, "off", None), r#"{"syn":null}"#);
        assert_eq!(sent(What::Syn, "off", Some(1)), "`off` has no burst; leave out --burst");
        assert!(sent(What::Packets, "5", Some(0)).starts_with("a burst of 0"));
    }
}
