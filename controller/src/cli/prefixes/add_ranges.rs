//! `floodwall allow import`.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use floodwall_origin::load_ranges;

use crate::{
    api::{AddRequest, AddResponse, Changed, ListName, path},
    cli::{
        arguments,
        exit::{Done, Failed, Kind, Stop},
        session::Session,
        trial::OnTrial,
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct AddRanges {
    /// The documents; together they are the ranges of that name.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the ranges are called, such as cdn:example.
    #[arg(long = "as", value_name = "cdn:NAME", required = true, value_parser = arguments::range_name)]
    named: String,
    /// Of documents that tell of several services, the one that is meant.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Take it back after this time, such as 10m, 1h30m or 2d.
    #[arg(long = "for", value_name = "DURATION", value_parser = arguments::lifetime)]
    lifetime: Option<Duration>,
    #[command(flatten)]
    trial: OnTrial,
}

impl AddRanges {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let Self { files, named, service, lifetime, trial } = self;
        let ranges = load_ranges(&files, service.as_deref())
            .map_err(|error| Failed::new(Kind::Invalid, error.to_string()))?;
        let request = AddRequest {
            prefixes: ranges.iter().map(ToString::to_string).collect(),
            named: Some(named.clone()),
            replace: true,
            seconds: lifetime.map(|lifetime| lifetime.as_secs()),
            ..AddRequest::default()
        };
        let target = trial.target(&path::of_list(path::ADD, ListName::Allow));
        let changed: Changed<AddResponse> = session.client.post(&target, &request).await?;
        session.changed(&changed, |response, out, _| render(&named, lifetime, response, out))?;
        Ok(Done::Plain)
    }
}

fn render(
    named: &str,
    lifetime: Option<Duration>,
    AddResponse { added, updated }: &AddResponse,
    out: &mut dyn Write,
) -> io::Result<()> {
    let until =
        lifetime.map(|lifetime| format!(" for {}", units::span(lifetime.as_secs()))).unwrap_or_default();
    writeln!(
        out,
        "allowed {named} ({} prefixes){until}: {} new, {} were there already",
        added.len() + updated.len(),
        added.len(),
        updated.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_of_the_ranges() {
        let response = AddResponse {
            added: vec!["192.0.2.0/24".into(), "2001:db8::/32".into()],
            updated: vec!["198.51.100.0/24".into()],
        };
        let mut out = Vec::new();
        render("cdn:example", Some(Duration::from_secs(3_600)), &response, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert_eq!(said, "allowed cdn:example (3 prefixes) for 1h: 2 new, 1 were there already\n");
    }
}
