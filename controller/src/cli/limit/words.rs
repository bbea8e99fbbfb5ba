//! What is limited, and how, in the words of the command line.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::ErrorKind};

use super::rate::{self, Setting};
use crate::policy::{DEFAULT_SERVICE, Per, Quantity, Subject, Then};

/// What is spoken of by one word.
pub(super) const SHORT: [&str; 2] = ["packets", "syn"];

/// What is limited, and how: `packets 5000/s` for every source, or `web syn per source 200/s burst 400`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) rule: RuleWords,
    /// It was the short spelling: `syn` for `default syn per source`, the limit of every source, whichever service its
    /// packets are for.
    pub(super) is_short: bool,
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

/// What is to be set.
pub(super) fn parse(words: &[&str]) -> Result<Words, String> {
    match words {
        [what, setting] => Ok(Words { rule: short(what, Some(rate::setting(setting)?))?, is_short: true }),
        _ => Ok(Words { rule: rule(words)?, is_short: false }),
    }
}

/// What is to be as it is configured again.
pub(super) fn parse_reset(words: &[&str]) -> Result<Words, String> {
    match words {
        [what] => Ok(Words { rule: short(what, None)?, is_short: true }),
        [_, _, _, _] => Ok(Words { rule: rule(words)?, is_short: false }),
        _ => Err("not understood; such as `syn`, `packets`, or `web syn per source`".to_owned()),
    }
}

/// The rule that is meant by one word.
fn short(what: &str, setting: Option<Setting>) -> Result<RuleWords, String> {
    if !SHORT.contains(&what) {
        return Err(format!("`{what}`: limits of every source are packets and syn; of services, {USAGE}"));
    }
    Ok(RuleWords {
        service: DEFAULT_SERVICE.to_owned(),
        of: what.to_owned(),
        per: Per::Source.to_string(),
        setting,
        burst: None,
        then: None,
    })
}

fn rule(words: &[&str]) -> Result<RuleWords, String> {
    let [service, of, "per", per, rest @ ..] = words else {
        return Err(format!("not understood; {USAGE}"));
    };
    of.parse::<Subject>().map_err(|error| error.to_string())?;
    let mut said = RuleWords {
        service: (*service).to_owned(),
        of: (*of).to_owned(),
        per: per.parse::<Per>().map_err(|error| error.to_string())?.to_string(),
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
            given => match given.parse::<Quantity>().map_err(|error| error.to_string())? {
                Quantity(0) => return Err("0/s would drop everything; `off` takes the rule away".to_owned()),
                Quantity(rate) => Setting::PerSecond(rate),
            },
        });
        rest = more;
    }
    if let ["burst", given, more @ ..] = rest {
        said.burst = Some(given.parse::<Quantity>().map_err(|error| error.to_string())?.0);
        rest = more;
    }
    if let ["then", then @ ..] = rest {
        let then = then.join(" ");
        then.parse::<Then>().map_err(|error| error.to_string())?;
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
        let short = |of: &str, setting| {
            let (service, per) = ("default".into(), "source".into());
            let rule = RuleWords { service, of: of.into(), per, setting, burst: None, then: None };
            Words { rule, is_short: true }
        };
        assert_eq!(words("packets 5k/s"), Ok(short("packets", Some(Setting::PerSecond(5_000)))));
        assert_eq!(words("syn off"), Ok(short("syn", Some(Setting::Off))));
        assert_eq!(parse_reset(&["syn"]), Ok(short("syn", None)));
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
            Ok(Words { rule: said.clone(), is_short: false })
        );
        let bare =
            Words { rule: RuleWords { setting: None, burst: None, then: None, ..said }, is_short: false };
        assert_eq!(words("web syn per source"), Ok(bare.clone()));
        assert_eq!(parse_reset(&["web", "syn", "per", "source"]), Ok(bare));
        for line in ["bytes", "syn off", "web syn per", "web syn per source 5/s"] {
            assert!(parse_reset(&line.split(' ').collect::<Vec<_>>()).is_err(), "{line}");
        }
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
