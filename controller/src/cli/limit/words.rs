//! What is limited, and how, in the words of the command line.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::ErrorKind};

use super::rate::{self, Setting};
use crate::policy::{Per, Quantity, Subject, Then};

/// What is limited, and how: `packets 5000/s` for every source and service, or `web syn per source 200/s burst 400`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// One of the two limits that hold for every source, whichever service its packets are for.
    Shared(What, Setting),
    /// A rule of a service.
    Rule(RuleWords),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Packets,
    Syn,
}

/// `SERVICE OF per WHOM [RATE|off] [burst N] [then limit|alert|ban for TIME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleWords {
    pub(super) service: String,
    pub(super) of: String,
    pub(super) per: String,
    pub(super) setting: Option<Setting>,
    pub(super) burst: Option<u64>,
    pub(super) then: Option<String>,
}

const USAGE: &str = "such as `packets 5000/s`, `syn off`, or `web syn per source 200/s burst 400`";

pub(super) fn parse(words: &[&str]) -> Result<Words, String> {
    if let [what, setting] = words {
        let what = match *what {
            "packets" => What::Packets,
            "syn" => What::Syn,
            other => {
                return Err(format!(
                    "`{other}`: limits of every source are packets and syn; of services, {USAGE}"
                ));
            }
        };
        return Ok(Words::Shared(what, rate::setting(setting)?));
    }
    rule(words).map(Words::Rule)
}

pub(super) fn rule(words: &[&str]) -> Result<RuleWords, String> {
    let [service, of, "per", per, rest @ ..] = words else {
        return Err(format!("not understood; {USAGE}"));
    };
    of.parse::<Subject>()?;
    let mut said = RuleWords {
        service: (*service).to_owned(),
        of: (*of).to_owned(),
        per: per.parse::<Per>()?.to_string(),
        setting: None,
        burst: None,
        then: None,
    };
    let mut rest = rest;
    if let [given, more @ ..] = rest
        && !matches!(*given, "burst" | "then")
    {
        said.setting = Some(match *given {
            "off" | "none" => Setting::Off,
            given => match given.parse::<Quantity>()? {
                Quantity(0) => return Err("0/s would drop everything; `off` takes the rule away".to_owned()),
                Quantity(rate) => Setting::PerSecond(rate),
            },
        });
        rest = more;
    }
    if let ["burst", given, more @ ..] = rest {
        said.burst = Some(given.parse::<Quantity>()?.0);
        rest = more;
    }
    if let ["then", then @ ..] = rest {
        let then = then.join(" ");
        then.parse::<Then>()?;
        said.then = Some(then);
        rest = &[];
    }
    match rest {
        [] => Ok(said),
        [left, ..] => Err(format!("`{left}` is not understood; {USAGE}")),
    }
}

impl FromArgMatches for Words {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let words: Vec<&str> =
            matches.get_many::<String>("words").into_iter().flatten().map(String::as_str).collect();
        parse(&words).map_err(|error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Words {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new("words")
                .value_names(["LIMIT", "RATE|off"])
                .num_args(2..)
                .required(true)
                .help("packets|syn RATE|off, or SERVICE OF per source|source-prefix|service [RATE|off] [burst N] [then …]"),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Words, String> {
        parse(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn limits_of_every_source_and_rules_of_services() {
        assert_eq!(words("packets 5k/s"), Ok(Words::Shared(What::Packets, Setting::PerSecond(5_000))));
        assert_eq!(words("syn off"), Ok(Words::Shared(What::Syn, Setting::Off)));
        let said = RuleWords {
            service: "web".into(),
            of: "syn".into(),
            per: "source".into(),
            setting: Some(Setting::PerSecond(200)),
            burst: Some(400),
            then: Some("ban for 5m".into()),
        };
        assert_eq!(
            words("web syn per source 200/s burst 400 then ban for 5m"),
            Ok(Words::Rule(said.clone()))
        );
        let bare = RuleWords { setting: None, burst: None, then: None, ..said };
        assert_eq!(words("web syn per source"), Ok(Words::Rule(bare)));
        for line in [
            "bytes 5/s",
            "syn 5/m",
            "web syn source 5/s",
            "web sin per source 5/s",
            "web syn per host 5/s",
            "web syn per source 0/s",
            "web syn per source 5/s bust 7",
            "web syn per source 5/s then ban",
        ] {
            assert!(words(line).is_err(), "{line}");
        }
    }
}
