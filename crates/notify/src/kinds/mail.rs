//! Mail over SMTP (RFC 5321), through a server that accepts it from this host.

use std::{path::PathBuf, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Letter, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls as LettreTls, TlsParameters},
        extension::ClientId,
    },
};
use serde::Deserialize;

use super::Sender;
use crate::{failure::Failure, message::Message, secret::SecretSource};

/// How long the server may take for one reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tls {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// STARTTLS (RFC 3207); if the server does not offer it, nothing is sent.
    Starttls,
    /// Not at all.
    None,
}

impl Tls {
    /// The usual port.
    pub(crate) const fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::Starttls => 587,
            Self::None => 25,
        }
    }
}

/// Sends mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) server: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Mailbox>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretSource>,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Mail {
    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let letter = self.letter(message, &sender.host)?;
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.server)
            .port(self.port)
            .timeout(Some(REPLY_TIMEOUT))
            .hello_name(ClientId::Domain(domain(&sender.host)))
            .tls(self.protection().await?);
        let mut hidden = None;
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            let password = sender.secret(password).await?;
            transport = transport.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
            hidden = Some(password);
        }
        let sent = transport.build().send(letter).await;
        sent.map(drop).map_err(|error| {
            let text = format!("{}:{} has not taken the mail: {error}", self.server, self.port);
            let text = hidden.map_or_else(|| text.clone(), |password| password.hide_in(&text));
            if error.is_permanent() { Failure::refused(text) } else { Failure::again(text) }
        })
    }

    async fn protection(&self) -> Result<LettreTls, Failure> {
        if self.tls == Tls::None {
            return Ok(LettreTls::None);
        }
        let (server, ca_file) = (self.server.clone(), self.ca_file.clone());
        let reading = tokio::task::spawn_blocking(move || parameters(server, ca_file));
        let parameters = reading
            .await
            .map_err(|_| Failure::again("reading certificates failed"))?
            .map_err(Failure::again)?;
        Ok(match self.tls {
            Tls::Implicit => LettreTls::Wrapper(parameters),
            Tls::Starttls | Tls::None => LettreTls::Required(parameters),
        })
    }

    fn letter(&self, message: &Message, host: &str) -> Result<Letter, Failure> {
        // Mail programs show the messages of one incident as a thread.
        let thread = format!("<{}@{}>", message.key(), domain(host));
        let mut builder = Letter::builder()
            .from(self.from.clone())
            .subject(message.title(host))
            .references(thread.clone())
            .in_reply_to(thread)
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let mut letter = builder
            .body(message.text())
            .map_err(|error| Failure::refused(format!("the mail cannot be written: {error}")))?;
        // Keeps vacation responders from answering (RFC 3834).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        letter.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Ok(letter)
    }
}

fn parameters(server: String, ca_file: Option<PathBuf>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(server);
    if let Some(path) = ca_file {
        let wrong =
            |error: &dyn std::fmt::Display| format!("reading certificates from {}: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| wrong(&error))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&bytes).map_err(|error| wrong(&error))?);
    }
    builder.build().map_err(|error| format!("TLS: {error}"))
}

/// The host's name without characters that a domain name cannot have.
fn domain(host: &str) -> String {
    let letters = host.chars().filter(|one| one.is_ascii_alphanumeric() || "-.".contains(*one));
    match letters.collect::<String>() {
        name if name.is_empty() => "localhost".to_owned(),
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_incident::IncidentEvent;

    use crate::sample;

    #[test]
    fn mails_of_one_incident_are_a_thread_and_a_service_name_cannot_add_a_header() {
        let mail = Mail {
            server: "127.0.0.1".to_owned(),
            port: 25,
            tls: Tls::None,
            from: "floodwall <floodwall@example.net>".parse().expect("an address"),
            to: vec!["noc@example.net".parse().expect("an address")],
            user: None,
            password: None,
            ca_file: None,
        };
        let mut incident = sample::incident(1_796_000_000_000);
        incident.services[0].service = "web\r\nBcc: x@example.org".to_owned();
        let letter =
            mail.letter(&Message::new(IncidentEvent::Began, incident.into()), "edge1").expect("a letter");
        let text = String::from_utf8(letter.formatted()).expect("text");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(head.contains("In-Reply-To: <floodwall-test-"), "{head}");
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    }
}
