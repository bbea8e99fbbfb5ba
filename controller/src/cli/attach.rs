//! `floodwall attach`: puts the filter on an interface, or back on it.

use clap::Args;

use super::{
    arguments,
    exit::{Done, Stop},
    session::Session,
    trial::OnTrial,
};
use crate::api::{AttachRequest, Changed, InterfaceStatus, path};

#[derive(Debug, Args)]
pub(super) struct Attach {
    /// The interface, by its name or an alternative one.
    #[arg(value_name = "IF", value_parser = arguments::interface)]
    interface: String,
    #[command(flatten)]
    trial: OnTrial,
}

impl Attach {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let request = AttachRequest { interface: self.interface };
        let target = self.trial.target(path::ATTACH);
        let changed: Changed<InterfaceStatus> = session.client.post(&target, &request).await?;
        session.changed(&changed, |InterfaceStatus { name, other_names, mode, .. }, out, _| {
            let known: String = other_names.iter().map(|other| format!(", also called {other},")).collect();
            writeln!(out, "{name}{known} is filtered ({mode} mode)")
        })?;
        Ok(Done::Plain)
    }
}
