//! What the service manager is told.

use std::time::Duration;

use sd_notify::NotifyState;

/// Longest text that is told, bytes: `systemctl status` shows one line.
const LONGEST_STATUS: usize = 300;

/// The service manager, if there is one that wants to be told (`Type=notify`).
///
/// That it does not listen is no reason for the service to fail: what it is told is lost then.
#[derive(Debug)]
pub struct Supervisor {
    watchdog: Option<Duration>,
    last_status: String,
}

impl Supervisor {
    /// The one of this process, as its environment tells.
    pub fn of_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), last_status: String::new() }
    }

    /// How often the watchdog is to be told that the service goes on, at the least; it takes the service for dead after four
    /// times as long. `None`: it does not ask for that.
    pub fn beat_interval(&self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 4)
    }

    /// The service does what it is there for; `status` says in a line how.
    pub fn ready(&mut self, status: &str) {
        self.last_status = line_of(status);
        tell(&[NotifyState::Status(&self.last_status), NotifyState::Ready]);
    }

    /// How it stands, in a line; told if it is another one than before.
    pub fn status(&mut self, status: &str) {
        let status = line_of(status);
        if status != self.last_status {
            tell(&[NotifyState::Status(&status)]);
            self.last_status = status;
        }
    }

    /// It goes on: whoever says so has found out.
    pub fn beat(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// It ends, since it was told to.
    pub fn stopping(&mut self, why: &str) {
        self.last_status = line_of(why);
        tell(&[NotifyState::Status(&self.last_status), NotifyState::Stopping]);
    }
}

/// Its configuration is read again, until what is returned is dropped.
#[must_use]
pub fn reloading() -> Reloading {
    let mut news = vec![NotifyState::Reloading];
    // Without the time, systemd 253 and later takes a reload for failed.
    news.extend(NotifyState::monotonic_usec_now());
    tell(&news);
    Reloading
}

/// The configuration is being read again.
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

/// A line of bounded length: what is told is a message of lines, in which another one would be another piece of news.
fn line_of(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() > LONGEST_STATUS {
        let end = (0..=LONGEST_STATUS - '…'.len_utf8()).rev().find(|&end| line.is_char_boundary(end));
        line.truncate(end.unwrap_or(0));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line_of_bounded_length() {
        assert_eq!(line_of("eth0\nREADY=1"), "eth0 READY=1");
        let long = line_of(&"ü".repeat(LONGEST_STATUS));
        assert!(long.len() <= LONGEST_STATUS && long.ends_with("ü…"), "{long}");
        assert_eq!(line_of(&"a".repeat(LONGEST_STATUS)).len(), LONGEST_STATUS);
    }
}
