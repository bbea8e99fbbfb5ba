//! The control sockets while they are served.

use std::{io, time::Duration};

use tokio::{
    net::UnixListener,
    sync::watch,
    task::{JoinError, JoinHandle},
};
use tracing::info;

use crate::server::{self, Context};

/// How long what is under way may take once the daemon ends. Streams such as `events` never end by themselves.
const GRACE: Duration = Duration::from_secs(2);

/// The servers of the control sockets.
pub(super) struct Serving {
    control: JoinHandle<io::Result<()>>,
    /// What is dropped ends those who serve clients.
    ended: watch::Sender<()>,
}

impl Serving {
    /// Begins to serve them.
    pub(super) fn start(control: UnixListener, read_only: Option<UnixListener>, context: &Context) -> Self {
        let (ended, end) = watch::channel(());
        let until = |mut end: watch::Receiver<()>| async move { drop(end.changed().await) };
        if let Some(listener) = read_only {
            // Those who only look are done without, should it fail.
            tokio::spawn(server::serve_read_only(listener, context.clone(), until(end.clone())));
        }
        let control = tokio::spawn(server::serve(control, context.clone(), until(end)));
        Self { control, ended }
    }

    /// Returns once the control socket is not served any more.
    pub(super) async fn failed(&mut self) -> Result<io::Result<()>, JoinError> {
        (&mut self.control).await
    }

    /// Ends both.
    pub(super) async fn end(self) {
        drop(self.ended);
        if !self.control.is_finished() && tokio::time::timeout(GRACE, self.control).await.is_err() {
            info!("some clients were still connected");
        }
    }
}
