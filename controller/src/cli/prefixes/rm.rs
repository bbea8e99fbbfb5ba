//! `floodwall block rm`, `floodwall allow rm`.

use clap::Args;
use ipnetwork::IpNetwork;

use super::name;
use crate::{
    api::{ListName, RemoveRequest, RemoveResponse, path},
    cli::{
        arguments,
        exit::{Done, Stop},
        session::Session,
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Rm {
    /// Addresses or prefixes, just as they are listed.
    #[arg(required = true, value_name = "PREFIX", value_parser = arguments::prefix)]
    prefixes: Vec<IpNetwork>,
}

impl Rm {
    pub(super) async fn apply(self, list: ListName, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = RemoveRequest { prefixes: self.prefixes.iter().map(ToString::to_string).collect() };
        let response: RemoveResponse =
            session.client.post(&path::of_list(path::REMOVE, list), &request).await?;
        session.answer(&response, |response, out, _| {
            writeln!(out, "removed {} from the {}list", units::prefixes(response.removed), name(list))
        })?;
        Ok(Done::Plain)
    }
}
