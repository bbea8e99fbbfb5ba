//! `floodwall attach`: puts the filter on an interface, or back on it.

use clap::Args;

use super::{
    arguments,
    exit::{Done, Stop},
    session::Session,
};
use crate::api::{AttachRequest, InterfaceStatus, path};

#[derive(Debug, Args)]
pub(super) struct Attach {
    /// The interface, by its name or an alternative one.
    #[arg(value_name = "IF", value_parser = arguments::interface)]
    interface: String,
}

impl Attach {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = AttachRequest { interface: self.interface };
        let status: InterfaceStatus = session.client.post(path::ATTACH, &request).await?;
        session.answer(&status, |InterfaceStatus { name, other_names, mode, .. }, out, _| {
            let known: String = other_names.iter().map(|other| format!(", also called {other},")).collect();
            writeln!(out, "{name}{known} is filtered ({mode} mode)")
        })?;
        Ok(Done::Plain)
    }
}
