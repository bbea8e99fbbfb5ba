//! `[[notify]]` as it is written in the configuration.

use std::{
    collections::BTreeMap, fmt::Display, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration,
};

use floodwall_api::IncidentSeverity;
use serde::{Deserialize, Deserializer, de};

use crate::{
    event::{Event, Filter},
    http::Url,
    kinds::{
        Alertmanager, Chat, Command, Discord, EVENTS, Format, Kind, Mail, PagerDuty, Place, Tls, Webhook,
        is_label,
    },
    secret::SecretSource,
    target::{Pace, Target},
};

/// Most targets: each has a task and a queue.
pub const MOST_TARGETS: usize = 32;
/// How long one try may take.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);
/// How long one message is tried.
const PATIENCE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
/// Messages within a minute.
const PER_MINUTE: RangeInclusive<u32> = 1..=600;
/// Longest name of a target.
const LONGEST_NAME: usize = 64;

/// One `[[notify]]`. Which keys mean anything hangs on the kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NotifyTable {
    name: String,
    kind: KindName,
    events: Option<Vec<Event>>,
    #[serde(default)]
    services: Vec<String>,
    severity: Option<IncidentSeverity>,
    timeout: Option<Span>,
    give_up_after: Option<Span>,
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

/// Where a secret lies.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a secret is { file = \"/…\" } or { credential = \"…\" }: where it lies")]
enum WrittenSecret {
    Source(SecretSource),
    /// The secret itself, it seems. It is refused, and what is said of that must not repeat it: were it refused as TOML that
    /// is of the wrong type, its line would be shown.
    Bare(de::IgnoredAny),
}

/// A URL, or where one lies that is a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a URL is text, or { file = \"…\" } or { credential = \"…\" }, where it lies")]
enum UrlSource {
    Told(String),
    Secret(SecretSource),
}

#[derive(Clone, Copy, Debug)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = humantime::parse_duration(&text);
        parsed
            .map(Self)
            .map_err(|_| de::Error::custom(format!("`{text}` is no span of time; 10s, 5m and 1h are")))
    }
}

impl NotifyTable {
    /// The target that it describes. The error says what is wrong, and what is allowed; no secret stands in it, as none
    /// stands in the configuration.
    pub fn target(mut self) -> Result<Target, String> {
        let name = std::mem::take(&mut self.name);
        let of_names = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(of_names) {
            return Err(format!("`{name}` is no name: up to {LONGEST_NAME} letters, digits, - _ and . are"));
        }
        self.parts(name.clone()).map_err(|wrong| format!("notify {name}: {wrong}"))
    }

    fn parts(&mut self, name: String) -> Result<Target, String> {
        let default = Pace::default();
        let pace = Pace {
            timeout: span("timeout", self.timeout.take(), default.timeout, &TIMEOUTS)?,
            give_up_after: span(
                "give-up-after",
                self.give_up_after.take(),
                default.give_up_after,
                &PATIENCE,
            )?,
            per_minute: self.per_minute.unwrap_or(default.per_minute),
        };
        if !PER_MINUTE.contains(&pace.per_minute) {
            let (least, most) = (PER_MINUTE.start(), PER_MINUTE.end());
            return Err(format!("per-minute is {}, and must be from {least} to {most}", pace.per_minute));
        }
        let kind = self.take_kind()?;
        if let Some(key) = self.left() {
            return Err(format!("`{key}` means nothing where kind is \"{}\"", kind.name()));
        }
        let filter = Filter {
            events: self.take_events(&kind)?,
            services: std::mem::take(&mut self.services),
            severity: self.severity.unwrap_or(IncidentSeverity::Warning),
        };
        Ok(Target { name, kind, filter, pace })
    }

    fn take_events(&mut self, kind: &Kind) -> Result<Vec<Event>, String> {
        if kind.is_by_host() {
            return match self.events.take() {
                None => Ok(vec![Event::Began, Event::Ended]),
                Some(_) => {
                    Err("`events` means nothing where FastNetMon's format is used: it has ban and unban"
                        .to_owned())
                }
            };
        }
        let told_all = kind.is_kept() || matches!(kind, Kind::Webhook(_));
        let default =
            || Event::ALL.into_iter().filter(|event| told_all || *event != Event::Changed).collect();
        let events = self.events.take().unwrap_or_else(default);
        match events.is_empty() {
            true => Err("`events` names none; leave the target out".to_owned()),
            false => Ok(events),
        }
    }

    fn take_kind(&mut self) -> Result<Kind, String> {
        match self.kind {
            KindName::Command => {
                let path = needed("path", self.path.take())?;
                if !path.is_absolute() {
                    return Err(format!("path is `{}`; a path begins with /", path.display()));
                }
                Ok(Kind::Command(Command { path, format: self.format.take().unwrap_or(Format::Floodwall) }))
            }
            KindName::Webhook => {
                let webhook = Webhook {
                    url: self.url()?,
                    authorization: sound("authorization", self.authorization.take())?,
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
                let key = needed("key", sound("key", self.key.take())?)?;
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
                    authorization: sound("authorization", self.authorization.take())?,
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
        let to = needed("to", self.to.take())?;
        let (user, password) = (self.user.take(), sound("password", self.password.take())?);
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
            server: needed("server", self.server.take())?,
            port: self.port.take().unwrap_or(tls.port()),
            tls,
            from: address("from", &needed("from", self.from.take())?)?,
            to: to.iter().map(|one| address("to", one)).collect::<Result<_, _>>()?,
            user,
            password,
            ca_file: self.ca_file.take(),
        })
    }

    fn url(&mut self) -> Result<Place, String> {
        match needed("url", self.url.take())? {
            UrlSource::Told(url) => Url::parse(&url).map(Place::Told),
            UrlSource::Secret(source) => source.check().map(|()| Place::Secret(source)),
        }
    }

    /// Whoever knows the URL of a channel may write into it.
    fn secret_url(&mut self) -> Result<Place, String> {
        match self.url()? {
            Place::Told(_) => {
                Err("the URL is a secret here: put it into a file, and say url = { file = \"/…\" }, or \
                                   { credential = \"…\" }"
                    .to_owned())
            }
            secret => Ok(secret),
        }
    }

    /// A key that the kind has no use for.
    fn left(&self) -> Option<&'static str> {
        let left = [
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
        left.into_iter().find(|(_, is_left)| *is_left).map(|(key, _)| key)
    }
}

fn needed<T>(key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("`{key}` is missing"))
}

fn sound(key: &str, secret: Option<WrittenSecret>) -> Result<Option<SecretSource>, String> {
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

fn span(
    key: &str,
    given: Option<Span>,
    default: Duration,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, String> {
    let length = given.map_or(default, |Span(length)| length);
    if range.contains(&length) {
        return Ok(length);
    }
    let [length, least, most] = [length, *range.start(), *range.end()].map(humantime::format_duration);
    Err(format!("{key} is {length}, and must be from {least} to {most}"))
}

#[cfg(test)]
mod tests;
