//! `floodwall web`: the page for a browser.

use std::{fs, path::Path};

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    exit::{Done, Failed, Kind, Stop},
    session::Session,
};
use crate::api::{Status, WebStatus, path};

/// The port of this host that an address is said for where the page is at a Unix socket.
const PORT: u16 = 9_102;

/// The page for a browser: its address, and the token that it asks for.
#[derive(Debug, Subcommand)]
pub(super) enum Web {
    /// Print the address that lets a browser in. Who knows it may change the filter.
    Url,
    /// Print the token alone.
    Token,
}

/// The address of the page, and how it is reached.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Address {
    /// The address, with the token.
    url: String,
    /// The command that makes the address reach the page, where that is at a Unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<String>,
}

impl Web {
    pub(super) async fn apply(self, session: &mut Session<'_>) -> Result<Done, Stop> {
        let status: Status = session.client.get(path::STATUS).await?;
        let Some(web) = status.web else {
            let message = "there is no page: say `[web]` and `listen = \"127.0.0.1:9102\"` in the configuration, and \
                           start floodwall anew";
            return Err(Failed::new(Kind::NotFound, message).into());
        };
        let token = token(Path::new(&web.token_file))?;
        match self {
            Self::Token => session.answer(&token, |token, out, _| writeln!(out, "{token}"))?,
            Self::Url => session.answer(&address(&web, &token), |address, out, _| {
                writeln!(out, "{}", address.url)?;
                match &address.forward {
                    Some(forward) => writeln!(out, "as long as this runs: {forward}"),
                    None => Ok(()),
                }
            })?,
        }
        Ok(Done::Plain)
    }
}

fn token(file: &Path) -> Result<String, Failed> {
    let text = fs::read_to_string(file).map_err(|error| {
        let message =
            format!("reading the token in {}: {error}; only root and the daemon's user may", file.display());
        Failed::new(Kind::of_io(&error), message)
    })?;
    Ok(text.trim().to_owned())
}

fn address(web: &WebStatus, token: &str) -> Address {
    match web.listen.strip_prefix("unix:") {
        None => Address { url: format!("http://{}/#token={token}", web.listen), forward: None },
        Some(socket) => Address {
            url: format!("http://localhost:{PORT}/#token={token}"),
            forward: Some(format!("ssh -N -L {PORT}:{socket} HOST")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(listen: &str) -> Address {
        let web = WebStatus { listen: listen.to_owned(), token_file: String::new() };
        address(&web, "abc")
    }

    #[test]
    fn a_browser_on_the_host_is_told_the_address_and_others_how_to_get_there() {
        assert_eq!(at("127.0.0.1:9102").url, "http://127.0.0.1:9102/#token=abc");
        assert_eq!(at("[::1]:9102").url, "http://[::1]:9102/#token=abc");
        let socket = at("unix:/run/floodwall/web.sock");
        assert_eq!(socket.url, "http://localhost:9102/#token=abc");
        assert_eq!(socket.forward.as_deref(), Some("ssh -N -L 9102:/run/floodwall/web.sock HOST"));
    }
}
