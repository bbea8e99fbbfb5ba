//! `floodwall block rm`, `floodwall allow rm`.

use clap::Args;

use super::name;
use crate::{
    api::{Changed, ListName, RemoveRequest, RemoveResponse, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        trial::OnTrial,
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Rm {
    /// Addresses or prefixes, just as they are listed; or `asn:64500`, `country:XX`, `cdn:NAME`, all of whose
    /// prefixes leave.
    #[arg(required = true, value_name = "PREFIX", value_parser = arguments::listed)]
    prefixes: Vec<String>,
    #[command(flatten)]
    trial: OnTrial,
}

impl Rm {
    pub(super) async fn apply(self, list: ListName, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = RemoveRequest { prefixes: self.prefixes };
        let target = self.trial.target(&path::of_list(path::REMOVE, list));
        let changed: Changed<RemoveResponse> = session.client.post(&target, &request).await?;
        session.changed(&changed, |response, out, _| {
            writeln!(out, "removed {} from the {}list", units::prefixes(response.removed), name(list))
        })?;
        Ok(Done::Plain)
    }
}
