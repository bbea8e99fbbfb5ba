//! Notifications to the service manager.

use std::time::Duration;

use floodwall_units::one_line;
use sd_notify::NotifyState;

/// Longest status text, bytes: `systemctl status` shows one line.
const LONGEST_STATUS: usize = 300;

/// The service manager, if the unit has `Type=notify`; without one, every method does nothing.
///
/// Errors of sending are ignored: the service goes on without its service manager.
#[derive(Debug)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
    last_status: String,
}

impl ServiceManager {
    /// The service manager of this process, as its environment variables describe it.
    pub fn of_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), last_status: String::new() }
    }

    /// How often [`Self::beat`] is to be called: a quarter of the time after which the watchdog considers the service dead.
    /// `None` without a watchdog.
    pub fn beat_interval(&self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 4)
    }

    /// Reports that the service has started, with its state in one line.
    pub fn ready(&mut self, status: &str) {
        self.last_status = one_line(status, LONGEST_STATUS);
        tell(&[NotifyState::Status(&self.last_status), NotifyState::Ready]);
    }

    /// Reports the state in one line, if it has changed.
    pub fn status(&mut self, status: &str) {
        let status = one_line(status, LONGEST_STATUS);
        if status != self.last_status {
            tell(&[NotifyState::Status(&status)]);
            self.last_status = status;
        }
    }

    /// Keeps the watchdog from considering the service dead. Only call it after a check that the service works.
    pub fn beat(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// Reports that the service ends on purpose, and why in one line.
    pub fn stopping(&mut self, why: &str) {
        self.last_status = one_line(why, LONGEST_STATUS);
        tell(&[NotifyState::Status(&self.last_status), NotifyState::Stopping]);
    }
}

/// Reports that the configuration is reloaded; dropping the returned guard reports that this is done.
#[must_use]
pub fn reloading() -> Reloading {
    let mut news = vec![NotifyState::Reloading];
    // Without the time, systemd 253 and later takes a reload for failed.
    news.extend(NotifyState::monotonic_usec_now());
    tell(&news);
    Reloading
}

/// A reload in progress.
#[derive(Debug)]
pub struct Reloading;

impl Drop for Reloading {
    fn drop(&mut self) {
        tell(&[NotifyState::Ready]);
    }
}

fn tell(news: &[NotifyState<'_>]) {
    drop(sd_notify::notify(news));
}
