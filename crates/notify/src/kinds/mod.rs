//! The kinds of targets, one per file: what is sent, and where.

mod alertmanager;
mod chat;
mod command;
mod discord;
mod fastnetmon;
mod mail;
mod pagerduty;
mod webhook;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub(crate) use self::{
    alertmanager::{Alertmanager, REPEAT_INTERVAL, is_label},
    chat::Chat,
    command::{Command, Format},
    discord::Discord,
    mail::{Mail, Tls},
    pagerduty::{EVENTS, PagerDuty},
    webhook::Webhook,
};
use crate::{
    failure::Failure,
    http::Url,
    message::Message,
    secret::{Secret, SecretSource},
};

/// What every kind of target needs to know about this host.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// The name of this host.
    pub(crate) host: Arc<str>,
    /// The directory of systemd's credentials.
    pub(crate) credentials: Option<PathBuf>,
}

impl Sender {
    /// Reads a secret on a thread that may block.
    pub(crate) async fn secret(&self, source: &SecretSource) -> Result<Secret, Failure> {
        let (source, credentials) = (source.clone(), self.credentials.clone());
        let reading = tokio::task::spawn_blocking(move || source.read(credentials.as_deref()));
        reading.await.map_err(|_| Failure::again("reading a secret failed"))?.map_err(Failure::again)
    }

    /// An endpoint's URL, and the secret that it comes from, if it does.
    pub(crate) async fn url(&self, endpoint: &Endpoint) -> Result<(Url, Vec<Secret>), Failure> {
        match endpoint {
            Endpoint::Url(url) => Ok((url.clone(), Vec::new())),
            Endpoint::Secret(source) => {
                let secret = self.secret(source).await?;
                let url = Url::parse(secret.reveal()).map_err(Failure::again)?;
                Ok((url, vec![secret]))
            }
        }
    }
}

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A URL that the configuration contains.
    Url(Url),
    /// A URL that is itself a secret.
    Secret(SecretSource),
}

impl Endpoint {
    const fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Secret(source) => Some(source),
            Self::Url(_) => None,
        }
    }
}

/// A target by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Command(Command),
    Webhook(Webhook),
    Slack(Chat),
    Mattermost(Chat),
    Discord(Discord),
    PagerDuty(PagerDuty),
    Alertmanager(Alertmanager),
    Mail(Mail),
}

impl Kind {
    /// Its name in the configuration.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Mattermost(_) => "mattermost",
            Self::Discord(_) => "discord",
            Self::PagerDuty(_) => "pagerduty",
            Self::Alertmanager(_) => "alertmanager",
            Self::Mail(_) => "mail",
        }
    }

    /// Sends a message. The caller bounds the time.
    pub(crate) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        match self {
            Self::Command(command) => command.send(message, sender).await,
            Self::Webhook(webhook) => webhook.send(message, sender).await,
            Self::Slack(chat) | Self::Mattermost(chat) => chat.send(message, sender).await,
            Self::Discord(discord) => discord.send(message, sender).await,
            Self::PagerDuty(pagerduty) => pagerduty.send(message, sender).await,
            Self::Alertmanager(alertmanager) => alertmanager.send(message, sender).await,
            Self::Mail(mail) => mail.send(message, sender).await,
        }
    }

    /// Whether the receiver keeps an incident open until it is told that it is over.
    pub(crate) const fn keeps_state(&self) -> bool {
        match self {
            Self::PagerDuty(_) | Self::Alertmanager(_) => true,
            Self::Command(command) => command.is_per_host(),
            Self::Webhook(_) | Self::Slack(_) | Self::Mattermost(_) | Self::Discord(_) | Self::Mail(_) => {
                false
            }
        }
    }

    /// Whether it is notified once for each attacked host instead of once for the incident.
    pub(crate) const fn is_per_host(&self) -> bool {
        matches!(self, Self::Command(command) if command.is_per_host())
    }

    /// Whether it runs a program, which is never run twice for the same message.
    pub(crate) const fn runs_program(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    /// How often a message has to be repeated lest the receiver considers the incident over.
    pub(crate) const fn repeat_interval(&self) -> Option<Duration> {
        match self {
            Self::Alertmanager(_) => Some(REPEAT_INTERVAL),
            _ => None,
        }
    }

    /// The secrets that it needs.
    pub(crate) fn secrets(&self) -> Vec<&SecretSource> {
        let of = Endpoint::secret;
        match self {
            Self::Command(_) => Vec::new(),
            Self::Webhook(webhook) => of(&webhook.url).into_iter().chain(&webhook.authorization).collect(),
            Self::Slack(chat) | Self::Mattermost(chat) => of(&chat.url).into_iter().collect(),
            Self::Discord(discord) => of(&discord.url).into_iter().collect(),
            Self::PagerDuty(pagerduty) => vec![&pagerduty.key],
            Self::Alertmanager(target) => of(&target.url).into_iter().chain(&target.authorization).collect(),
            Self::Mail(mail) => mail.password.iter().collect(),
        }
    }
}
