//! `floodwall top`: a view in the terminal, which looks each second.

use std::io::{self, IsTerminal as _};

use clap::Args;
use floodwall_top::Options;

use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};

#[derive(Debug, Args)]
pub(super) struct Top {
    /// Only look: keys that would change something say which command would do it.
    #[arg(long)]
    read_only: bool,
}

impl Top {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        if session.json || !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            let message = "top needs a terminal at both ends; for programs there are `floodwall status --json` and the \
                           control socket's /v1/overview";
            return Err(Failed::new(Kind::Invalid, message).into());
        }
        let read_only = self.read_only || session.client.is_read_only().await;
        let options = Options { read_only, colour: session.style.is_coloured() };
        floodwall_top::run(session.client.clone(), options)
            .await
            .map_err(|error| Failed::new(Kind::Internal, error.to_string()))?;
        Ok(Done::Plain)
    }
}
