//! `floodwall block add`, `floodwall allow add`.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;

use super::fate;
use crate::{
    api::{AddRequest, AddResponse, Changed, ListName, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        trial::OnTrial,
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Add {
    /// Addresses or prefixes, such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32; or networks, countries and CDNs, such as
    /// asn:64500, country:XX and cdn:NAME.
    ///
    /// The latter stand for the prefixes that the files have for them which the configuration names under `[origin]`; the
    /// list follows these when they change.
    #[arg(required = true, value_name = "PREFIX", value_parser = arguments::listed)]
    prefixes: Vec<String>,
    /// Of countries, and of the blocklist: block them while a service is attacked, and not in peace.
    #[arg(long)]
    only_while_attacked: bool,
    /// Of the allowlist: name the prefixes as the ranges of a CDN or a crawler, such as cdn:example.
    ///
    /// `allow rm cdn:example` takes all of them off again.
    #[arg(long = "as", value_name = "cdn:NAME", value_parser = arguments::range_name, conflicts_with = "note")]
    named: Option<String>,
    /// Take it back after this time, such as 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
    /// Why, for whoever reads the list later.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Do it even if it would cut off this host, its gateway, or you, or is about every address there is.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    trial: OnTrial,
}

impl Add {
    pub(super) async fn apply(self, list: ListName, session: &mut Session<'_>) -> Result<Done, Stop> {
        let Self { prefixes, only_while_attacked, named, lifetime, note, force, trial } = self;
        let request = AddRequest {
            prefixes,
            named,
            replace: false,
            only_while_attacked,
            seconds: lifetime.map(|lifetime| lifetime.as_secs()),
            note,
            force,
        };
        let target = trial.target(&path::of_list(path::ADD, list));
        let changed: Changed<AddResponse> = session.client.post(&target, &request).await?;
        session.changed(&changed, |response, out, _| render(list, lifetime, response, out))?;
        Ok(Done::Plain)
    }
}

fn render(
    list: ListName,
    lifetime: Option<Duration>,
    response: &AddResponse,
    out: &mut dyn Write,
) -> io::Result<()> {
    let fate = fate(list);
    let until =
        lifetime.map(|lifetime| format!(" for {}", units::span(lifetime.as_secs()))).unwrap_or_default();
    for prefix in &response.added {
        writeln!(out, "{fate} {prefix}{until}")?;
    }
    for prefix in &response.updated {
        writeln!(out, "{prefix} was {fate} already; now {fate}{until}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_each_prefix() {
        let response = AddResponse { added: vec!["192.0.2.0/24".into()], updated: vec!["::1/128".into()] };
        let mut out = Vec::new();
        render(ListName::Block, Some(Duration::from_secs(5_400)), &response, &mut out).unwrap();
        render(ListName::Allow, None, &response, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "blocked 192.0.2.0/24 for 1h 30m\n\
             ::1/128 was blocked already; now blocked for 1h 30m\n\
             allowed 192.0.2.0/24\n\
             ::1/128 was allowed already; now allowed\n"
        );
    }
}
