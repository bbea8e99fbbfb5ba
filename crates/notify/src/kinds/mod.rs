//! The kinds of targets, a file each: what is sent, and to where.

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
    alertmanager::{Alertmanager, REPEATED, is_label},
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

/// What every kind has to know of where it is sent from.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// The name of this host.
    pub(crate) host: Arc<str>,
    /// Where systemd has put credentials.
    pub(crate) credentials: Option<PathBuf>,
}

impl Sender {
    /// Reads a secret, off the threads that must not wait.
    pub(crate) async fn secret(&self, source: &SecretSource) -> Result<Secret, Failure> {
        let (source, credentials) = (source.clone(), self.credentials.clone());
        let reading = tokio::task::spawn_blocking(move || source.read(credentials.as_deref()));
        reading.await.map_err(|_| Failure::again("reading a secret failed"))?.map_err(Failure::again)
    }

    /// A URL, and the secret that it is, if it is one.
    pub(crate) async fn url(&self, place: &Place) -> Result<(Url, Vec<Secret>), Failure> {
        match place {
            Place::Told(url) => Ok((url.clone(), Vec::new())),
            Place::Secret(source) => {
                let secret = self.secret(source).await?;
                let url = Url::parse(secret.reveal()).map_err(Failure::again)?;
                Ok((url, vec![secret]))
            }
        }
    }
}

/// Where something is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// To this URL.
    Told(Url),
    /// To a URL that is a secret.
    Secret(SecretSource),
}

impl Place {
    const fn secret(&self) -> Option<&SecretSource> {
        match self {
            Self::Secret(source) => Some(source),
            Self::Told(_) => None,
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
    /// As the configuration has it.
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

    /// Sends a message. How long that may take is for the caller to say.
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

    /// Whether the receiver keeps what it is told, and has to be told that it is over.
    pub(crate) const fn is_kept(&self) -> bool {
        match self {
            Self::PagerDuty(_) | Self::Alertmanager(_) => true,
            Self::Command(command) => command.is_by_host(),
            Self::Webhook(_) | Self::Slack(_) | Self::Mattermost(_) | Self::Discord(_) | Self::Mail(_) => {
                false
            }
        }
    }

    /// Whether it is told of each host that is attacked, and not of the incident.
    pub(crate) const fn is_by_host(&self) -> bool {
        matches!(self, Self::Command(command) if command.is_by_host())
    }

    /// Whether it is a program that is called, which might do the same thing twice.
    pub(crate) const fn is_called(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    /// How often it has to be told that an incident goes on, lest it thinks it over.
    pub(crate) const fn repeats(&self) -> Option<Duration> {
        match self {
            Self::Alertmanager(_) => Some(REPEATED),
            _ => None,
        }
    }

    /// What has to be readable for it to work.
    pub(crate) fn secrets(&self) -> Vec<&SecretSource> {
        let of = Place::secret;
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
