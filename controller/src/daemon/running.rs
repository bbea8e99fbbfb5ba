//! The daemon while it runs, and how it ends.

use std::sync::Arc;

use floodwall_incident::ArchiveWriter;
use floodwall_listen::SocketFile;
use floodwall_systemd::ServiceManager;
use tokio::sync::Notify;

use super::{
    clients,
    detection::{self, Watching},
    protection::Protection,
    serving::Serving,
    signals::{self, Asked, Signals},
    tasks::Tasks,
};
use crate::{
    detect::Detection,
    event::{Bus, Log, What},
    lock::Mutex,
    options::RunOptions,
    server::Context,
    state::Filter,
};

/// Why the daemon ends.
pub(super) enum End {
    /// The last interface was detached.
    Detached,
    /// A signal asked for it.
    Asked,
    /// Something is gone without which there is no going on.
    Failed(&'static str),
}

/// What runs until it is shut down.
pub(super) struct Running {
    pub(super) bus: Bus,
    pub(super) logging: Log,
    pub(super) filter: Arc<Filter>,
    /// With it goes the claim on the pins.
    pub(super) protection: Arc<Protection>,
    /// Told when the last interface of this run is detached.
    pub(super) all_detached: Arc<Notify>,
    pub(super) watching: Watching,
    pub(super) detection: Detection,
    /// Writes the record of incidents.
    pub(super) writer: ArchiveWriter,
    pub(super) tasks: Tasks,
    pub(super) context: Context,
    pub(super) signals: Signals,
    pub(super) serving: Serving,
    pub(super) socket_file: Option<SocketFile>,
    pub(super) service_manager: Arc<Mutex<ServiceManager>>,
}

impl Running {
    /// Does what signals ask for, until there is a reason to end.
    pub(super) async fn until_end(&mut self, options: &RunOptions) -> End {
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::End => return End::Asked,
                    other => signals::answer(other, &self.context, &self.detection, options),
                },
                () = self.all_detached.notified() => return End::Detached,
                () = self.tasks.fatal() => {
                    return End::Failed("a task has ended without which there is no going on");
                }
                () = self.watching.failed() => {
                    return End::Failed("the thread that looks for attacks has failed");
                }
                () = self.filter.failed() => return End::Failed("the thread that makes changes has failed"),
                _ = self.serving.failed() => return End::Failed("the control socket is not served any more"),
            }
        }
    }

    /// Ends everything but the filter, and keeps what was learnt. An error if something has failed.
    pub(super) async fn shut_down(self, end: End, options: &RunOptions) -> anyhow::Result<()> {
        self.service_manager.lock().stopping("ending; the filter stays in force");
        drop(self.context);
        self.serving.end().await;
        drop(self.tasks);
        if !matches!(end, End::Failed(_)) {
            detection::keep_now(&self.detection, &self.filter, &options.state_dir);
            clients::keep_now(&self.filter, &options.state_dir);
        }
        self.watching.end();
        self.writer.end();
        drop(self.socket_file);
        let (text, outcome) = match end {
            End::Detached => ("every interface of this run was detached".to_owned(), Ok(())),
            End::Asked => ("stopping; the filter stays in force until `floodwall detach`".to_owned(), Ok(())),
            End::Failed(why) => {
                (format!("stopping: {why}; the filter stays in force"), Err(anyhow::anyhow!("{why}")))
            }
        };
        self.logging.close(&self.bus, What::Health { text, loud: outcome.is_err() });
        // Only now may another daemon claim the pins.
        drop(self.protection);
        outcome
    }
}
