//! `floodwall block flush`.

use std::io::{self, Write as _};

use clap::Args;

use crate::{
    api::{FlushRequest, RemoveResponse, path},
    cli::{
        exit::{Done, Failed, Kind, Stop},
        session::Session,
        units,
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Flush {
    /// Only what the import under this name brought.
    #[arg(long)]
    name: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Flush {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        if !self.yes {
            self.confirm(session.interactive)?;
        }
        let response: RemoveResponse =
            session.client.post(path::FLUSH, &FlushRequest { name: self.name }).await?;
        session.answer(&response, |response, out, _| {
            writeln!(out, "removed {} from the blocklist", units::prefixes(response.removed))
        })?;
        Ok(Done::Plain)
    }

    fn confirm(&self, interactive: bool) -> Result<(), Failed> {
        let what = match &self.name {
            None => "every prefix of the blocklist".to_owned(),
            Some(name) => format!("every prefix that the import {} brought", units::printable(name)),
        };
        if !interactive {
            return Err(Failed::new(
                Kind::Refused,
                format!("this removes {what}; say --yes if that is meant"),
            ));
        }
        // Without a question that can be read, the answer is no.
        _ = write!(io::stderr(), "This removes {what}. Go on? [y/N] ");
        let mut answer = String::new();
        _ = io::stdin().read_line(&mut answer);
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failed::new(Kind::Refused, "nothing was removed")),
        }
    }
}
