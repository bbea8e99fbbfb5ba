//! floodwall itself, run as an operator would run it.

use anyhow::Result;
use floodwall_lab::daemon::{Daemon, Options};
use floodwall_lab::namespace::Namespace;

use super::news::News;
use super::site::INTERFACES;
use super::terms::Terms;
use super::{counters, page};

/// Name of the socket of its page.
const PAGE: &str = "web.sock";

/// A running daemon with its page, if it is to have one.
pub(super) struct Filter {
    daemon: Daemon,
    has_page: bool,
}

impl Filter {
    /// Starts the daemon as it comes, on both interfaces of the edge.
    pub(super) fn start(terms: &Terms, edge: &Namespace) -> Result<Self> {
        let Terms { binary, mode, web, .. } = terms;
        let daemon = Daemon::start(edge, &Options { binary, interfaces: &INTERFACES, mode }, |home| {
            if !web {
                return String::new();
            }
            format!("[web]\nlisten = \"unix:{}\"\n", home.join(PAGE).display())
        })?;
        Ok(Self { daemon, has_page: *web })
    }

    /// The packets that it has dropped, once it answers.
    ///
    /// # Errors
    /// When it has ended, or has not answered for too long.
    pub(super) fn has_started(&mut self) -> Result<Option<u64>> {
        match self.daemon.has_started()? {
            Some(_) if self.has_page && !self.daemon.home().join(PAGE).exists() => Ok(None),
            Some(status) => counters::dropped(&status).map(Some),
            None => Ok(None),
        }
    }

    /// Packets dropped until now.
    pub(super) fn dropped(&self) -> Result<u64> {
        counters::dropped(&self.daemon.ask(&["status", "--json"])?)
    }

    /// The address of its page, if there is one.
    pub(super) fn page(&self) -> Result<Option<String>> {
        if !self.has_page {
            return Ok(None);
        }
        let (port, token) =
            (page::forward(&self.daemon.home().join(PAGE))?, self.daemon.ask(&["web", "token"])?);
        Ok(Some(format!("http://127.0.0.1:{port}/#token={}", token.trim())))
    }

    /// What it says of itself from now on.
    pub(super) fn news(&self) -> Result<News> {
        News::listen(self.daemon.command())
    }
}
