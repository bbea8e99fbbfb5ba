//! The `[[notify]]` table of the configuration, and its validation.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, path::PathBuf, str::FromStr};

use floodwall_api::IncidentSeverity;
use floodwall_incident::IncidentEvent;
use floodwall_units::Span;
use serde::{Deserialize, de};

use crate::{
    filter::Filter,
    http::Url,
    kinds::{
        Alertmanager, Chat, Command, Discord, EVENTS, Endpoint, Format, Kind, Mail, PagerDuty, Tls, Webhook,
        is_label,
    },
    secret::SecretSource,
    target::{Pace, Target},
};

/// Most targets. Each has a task and a queue.
pub const MAX_TARGETS: usize = 32;
/// Accepted values of `timeout`, `give-up-after` and `per-minute`.
type Timeout = Span<1, 300>;
type GiveUpAfter = Span<1, { 7 * 86_400 }>;
const PER_MINUTE: RangeInclusive<u32> = 1..=600;
/// Longest name of a target, bytes.
const MAX_NAME: usize = 64;

/// One `[[notify]]` table. Its kind decides which keys are allowed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NotifyTable {
    name: String,
    kind: KindName,
    events: Option<Vec<IncidentEvent>>,
    #[serde(default)]
    services: Vec<String>,
    severity: Option<IncidentSeverity>,
    timeout: Option<Timeout>,
    give_up_after: Option<GiveUpAfter>,
    per_minute: Option<u32>,
    path: Option<PathBuf>,
    format: Option<Format>,
    url: Option<UrlSource>,
    authorization: Option<WrittenSecret>,
    ca_file: Option<PathBuf>,
    content_type: Option<String>,
    template: Option<String>,
    key: Option<WrittenSecret>,
    labels: Option<BTreeMap<String, String>>,
    server: Option<String>,
    port: Option<u16>,
    tls: Option<Tls>,
    from: Option<String>,
    to: Option<Vec<String>>,
    user: Option<String>,
    password: Option<WrittenSecret>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    Command,
    Webhook,
    Slack,
    Mattermost,
    Discord,
    Pagerduty,
    Alertmanager,
    Mail,
}

/// Where a secret is stored, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a secret is { file = \"/…\" } or { credential = \"…\" }: where it lies")]
enum WrittenSecret {
    Source(SecretSource),
    /// Anything else, which may be the secret itself. It is refused later: an error of the TOML parser would quote the line.
    Bare(de::IgnoredAny),
}

/// A URL, or where a URL is stored that is a secret, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a URL is text, or { file = \"…\" } or { credential = \"…\" }, where it lies")]
enum UrlSource {
    Told(String),
    Secret(SecretSource),
}

impl NotifyTable {
    /// Validates the table.
    ///
    /// # Errors
    ///
    /// In words, what is wrong and what is allowed. Nothing but the operator reads it.
    pub fn target(mut self) -> Result<Target, String> {
        let name = std::mem::take(&mut self.name);
        let of_names = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(of_names) {
            return Err(format!("`{name}` is no name: up to {MAX_NAME} letters, digits, - _ and . are"));
        }
        self.parts(name.clone()).map_err(|wrong| format!("notify {name}: {wrong}"))
    }

    fn parts(&mut self, name: String) -> Result<Target, String> {
        let default = Pace::default();
        let pace = Pace {
            timeout: self.timeout.take().map_or(default.timeout, |span| span.0),
            give_up_after: self.give_up_after.take().map_or(default.give_up_after, |span| span.0),
            per_minute: self.per_minute.unwrap_or(default.per_minute),
        };
        if !PER_MINUTE.contains(&pace.per_minute) {
            let (least, most) = (PER_MINUTE.start(), PER_MINUTE.end());
            return Err(format!("per-minute is {}, and must be from {least} to {most}", pace.per_minute));
        }
        let kind = self.take_kind()?;
        if let Some(key) = self.unused_key() {
            return Err(format!("`{key}` means nothing where kind is \"{}\"", kind.name()));
        }
        let filter = Filter {
            events: self.take_events(&kind)?,
            services: std::mem::take(&mut self.services),
            severity: self.severity.unwrap_or(IncidentSeverity::Warning),
        };
        Ok(Target { name, kind, filter, pace })
    }

    fn take_events(&mut self, kind: &Kind) -> Result<Vec<IncidentEvent>, String> {
        if kind.is_per_host() {
            return match self.events.take() {
                None => Ok(vec![IncidentEvent::Began, IncidentEvent::Ended]),
                Some(_) => {
                    Err("`events` means nothing where FastNetMon's format is used: it has ban and unban"
                        .to_owned())
                }
            };
        }
        let wants_all = kind.keeps_state() || matches!(kind, Kind::Webhook(_));
        let default = || {
            IncidentEvent::ALL
                .into_iter()
                .filter(|event| wants_all || *event != IncidentEvent::Changed)
                .collect()
        };
        let events = self.events.take().unwrap_or_else(default);
        match events.is_empty() {
            true => Err("`events` names none; leave the target out".to_owned()),
            false => Ok(events),
        }
    }

    fn take_kind(&mut self) -> Result<Kind, String> {
        match self.kind {
            KindName::Command => {
                let path = required("path", self.path.take())?;
                if !path.is_absolute() {
                    return Err(format!("path is `{}`; a path begins with /", path.display()));
                }
                Ok(Kind::Command(Command { path, format: self.format.take().unwrap_or(Format::Floodwall) }))
            }
            KindName::Webhook => {
                let webhook = Webhook {
                    url: self.url()?,
                    authorization: secret_source("authorization", self.authorization.take())?,
                    ca_file: self.ca_file.take(),
                    content_type: self.content_type.take(),
                    template: self.template.take(),
                };
                webhook.check()?;
                Ok(Kind::Webhook(webhook))
            }
            KindName::Slack => self.chat().map(Kind::Slack),
            KindName::Mattermost => self.chat().map(Kind::Mattermost),
            KindName::Discord => Ok(Kind::Discord(Discord { url: self.secret_url()? })),
            KindName::Pagerduty => {
                let url = match self.url.take() {
                    None => Url::parse(EVENTS)?,
                    Some(UrlSource::Told(url)) => Url::parse(&url)?,
                    Some(UrlSource::Secret(_)) => return Err("url is no secret here; key is".to_owned()),
                };
                let key = required("key", secret_source("key", self.key.take())?)?;
                Ok(Kind::PagerDuty(PagerDuty { url, key }))
            }
            KindName::Alertmanager => {
                let labels = self.labels.take().unwrap_or_default();
                if let Some((name, _)) =
                    labels.iter().find(|(name, value)| !is_label(name) || value.is_empty())
                {
                    return Err(format!(
                        "label `{name}` is none: a name has letters, digits and _, and a value is not empty"
                    ));
                }
                Ok(Kind::Alertmanager(Alertmanager {
                    url: self.url()?,
                    authorization: secret_source("authorization", self.authorization.take())?,
                    ca_file: self.ca_file.take(),
                    labels,
                }))
            }
            KindName::Mail => self.mail().map(Kind::Mail),
        }
    }

    fn chat(&mut self) -> Result<Chat, String> {
        Ok(Chat { url: self.secret_url()?, ca_file: self.ca_file.take() })
    }

    fn mail(&mut self) -> Result<Mail, String> {
        let tls = self.tls.take().unwrap_or(Tls::Starttls);
        let to = required("to", self.to.take())?;
        let (user, password) = (self.user.take(), secret_source("password", self.password.take())?);
        if user.is_some() != password.is_some() {
            return Err("user and password go together".to_owned());
        }
        if password.is_some() && tls == Tls::None {
            return Err("a password is not sent where tls is \"none\"".to_owned());
        }
        if to.is_empty() {
            return Err("`to` names nobody".to_owned());
        }
        Ok(Mail {
            server: required("server", self.server.take())?,
            port: self.port.take().unwrap_or(tls.port()),
            tls,
            from: address("from", &required("from", self.from.take())?)?,
            to: to.iter().map(|one| address("to", one)).collect::<Result<_, _>>()?,
            user,
            password,
            ca_file: self.ca_file.take(),
        })
    }

    fn url(&mut self) -> Result<Endpoint, String> {
        match required("url", self.url.take())? {
            UrlSource::Told(url) => Url::parse(&url).map(Endpoint::Url),
            UrlSource::Secret(source) => source.check().map(|()| Endpoint::Secret(source)),
        }
    }

    /// A URL that only a secret may hold, as whoever knows it can post to the channel.
    fn secret_url(&mut self) -> Result<Endpoint, String> {
        match self.url()? {
            Endpoint::Url(_) => {
                Err("the URL is a secret here: put it into a file, and say url = { file = \"/…\" }, or \
                                   { credential = \"…\" }"
                    .to_owned())
            }
            secret => Ok(secret),
        }
    }

    /// A key that is left after the kind has taken those that it knows.
    fn unused_key(&self) -> Option<&'static str> {
        let keys = [
            ("path", self.path.is_some()),
            ("format", self.format.is_some()),
            ("url", self.url.is_some()),
            ("authorization", self.authorization.is_some()),
            ("ca-file", self.ca_file.is_some()),
            ("content-type", self.content_type.is_some()),
            ("template", self.template.is_some()),
            ("key", self.key.is_some()),
            ("labels", self.labels.is_some()),
            ("server", self.server.is_some()),
            ("port", self.port.is_some()),
            ("tls", self.tls.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
        ];
        keys.into_iter().find(|(_, is_left)| *is_left).map(|(key, _)| key)
    }
}

fn required<T>(key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("`{key}` is missing"))
}

fn secret_source(key: &str, secret: Option<WrittenSecret>) -> Result<Option<SecretSource>, String> {
    match secret {
        None => Ok(None),
        Some(WrittenSecret::Source(source)) => source.check().map(|()| Some(source)),
        Some(WrittenSecret::Bare(_)) => Err(format!(
            "{key} says where a secret lies, not what it is: {key} = {{ file = \"/…\" }}, or {{ credential = \"…\" }}"
        )),
    }
}

fn address<T: FromStr<Err: Display>>(key: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{key} is `{text}`, which is no address of mail: {error}"))
}

#[cfg(test)]
mod tests;
