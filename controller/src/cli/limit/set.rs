//! `floodwall limit set`.

use clap::{Args, ValueEnum};

use super::{
    rate::{self, Setting},
    show,
};
use crate::{
    api::{Limit, LimitChange, Limits},
    cli::{
        exit::{Done, Failed, Kind, Stop},
        session::Session,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    /// What is limited.
    what: What,
    /// How much a source may send in the long run, such as 5000/s or 5k, or `off`.
    #[arg(value_name = "RATE|off", value_parser = rate::setting)]
    setting: Setting,
    /// How much may come at once [default: what the rate gives in a second].
    #[arg(long, value_name = "N", value_parser = rate::number)]
    burst: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Packets of any kind.
    Packets,
    /// TCP connection requests.
    Syn,
}

impl Set {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let limits: Limits = session.client.put("/v1/limit", &self.change()?).await?;
        session.answer(&limits, show::render)?;
        Ok(Done::Plain)
    }

    fn change(&self) -> Result<LimitChange, Failed> {
        let limit = match (self.setting, self.burst) {
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
        Ok(match self.what {
            What::Packets => LimitChange { packets: Some(limit), syn: None },
            What::Syn => LimitChange { packets: None, syn: Some(limit) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(what: What, setting: &str, burst: Option<u64>) -> String {
        let set = Set { what, setting: rate::setting(setting).unwrap(), burst };
        match set.change() {
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
