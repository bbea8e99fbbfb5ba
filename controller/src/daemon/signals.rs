//! Signals: what ends the daemon, and what it does when it is asked for something else.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::detection;
use crate::{
    detect::Detection,
    event::What,
    options::RunOptions,
    server::{Context, summary},
};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM, SIGINT: the end.
    End,
    /// SIGHUP: the configuration is to be read again; or the terminal is gone.
    Reload,
    /// SIGUSR1: how it stands is to be logged.
    Tell,
    /// SIGUSR2: nothing.
    Nothing,
}

/// Those that would end a program that does not know them.
pub(super) struct Others {
    hangup: Signal,
    first: Signal,
    second: Signal,
}

/// All of them.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    others: Others,
}

impl Others {
    /// From now on they end nothing; what they ask for is done once [`Signals::next`] is asked.
    pub(super) fn watch() -> anyhow::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).context("watching for SIGHUP")?,
            first: signal(SignalKind::user_defined1()).context("watching for SIGUSR1")?,
            second: signal(SignalKind::user_defined2()).context("watching for SIGUSR2")?,
        })
    }
}

impl Signals {
    /// From now on SIGTERM and SIGINT end nothing by themselves either.
    pub(super) fn watch(others: Others) -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("watching for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("watching for SIGINT")?,
            others,
        })
    }

    /// What the next one asks for.
    pub(super) async fn next(&mut self) -> Asked {
        let Self { terminate, interrupt, others: Others { hangup, first, second } } = self;
        tokio::select! {
            _ = terminate.recv() => Asked::End,
            _ = interrupt.recv() => Asked::End,
            _ = hangup.recv() => Asked::Reload,
            _ = first.recv() => Asked::Tell,
            _ = second.recv() => Asked::Nothing,
        }
    }
}

/// Does what a signal other than the end asks for, where it holds up nobody.
pub(super) fn answer(asked: Asked, context: &Context, detection: &Detection, options: &RunOptions) {
    let (context, detection) = (context.clone(), detection.clone());
    let options = options.clone();
    tokio::task::spawn_blocking(move || match asked {
        Asked::End => {}
        Asked::Reload => {
            // A terminal that is closed sends it as well, and whoever closes it may end everything next.
            detection::keep_now(&detection, &context.filter, &options.state_dir);
            let _reloading = floodwall_systemd::reloading();
            reload(&context, options.config.is_some());
        }
        Asked::Tell => summary(&context).into_iter().for_each(|line| info!("{line}")),
        Asked::Nothing => {
            info!("SIGUSR2 asks for nothing; SIGUSR1 logs how floodwall stands, SIGHUP reloads");
        }
    });
}

/// Brings the configuration file into force, as `floodwall reload` does.
fn reload(context: &Context, has_configuration: bool) {
    let tell = |text: String, loud| context.bus.publish(What::Health { text, loud });
    if !has_configuration {
        let text = "SIGHUP: there is no configuration file to read again; what was learnt is kept";
        return tell(text.to_owned(), false);
    }
    match context.filter.reload(false) {
        Ok(report) => {
            report.differences.iter().for_each(|line| info!("configuration: {line}"));
            context.bus.publish(What::Command { who: "SIGHUP".to_owned(), command: "reload".to_owned() });
            context.audit.signalled("reload (SIGHUP)", "done".to_owned());
            tell(format!("SIGHUP: {} is in force", report.path), false);
        }
        Err(refusal) => {
            context.audit.signalled("reload (SIGHUP)", refusal.to_string());
            tell(format!("SIGHUP: the configuration stays as it is: {refusal}"), true);
        }
    }
}
