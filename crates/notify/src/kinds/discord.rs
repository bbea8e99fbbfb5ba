//! Discord: a webhook with an embed (<https://discord.com/developers/docs/resources/webhook#execute-webhook>).

use serde_json::{Value, json};

use super::{Endpoint, Sender};
use crate::{
    failure::Failure,
    http::Post,
    message::{Message, cut, rfc3339},
};

/// Longest title and description that Discord accepts, characters.
const MAX_TITLE: usize = 256;
const MAX_TEXT: usize = 4_096;

/// Posts to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discord {
    pub(crate) url: Endpoint,
}

impl Discord {
    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let (url, secrets) = sender.url(&self.url).await?;
        let post = Post::json(url, &body(message, &sender.host));
        Post { secrets, ..post }.send().await
    }
}

fn body(message: &Message, host: &str) -> Value {
    let time_ms = if message.is_over() { message.incident.until_ms() } else { message.incident.seen_ms };
    json!({
        "embeds": [{
            "title": cut(&message.title(host), MAX_TITLE),
            "description": cut(&message.text(), MAX_TEXT),
            "color": message.colour(),
            "timestamp": rfc3339(time_ms),
        }],
        // A service name that looks like a mention notifies nobody.
        "allowed_mentions": { "parse": [] },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_incident::IncidentEvent;

    use crate::sample;

    #[test]
    fn it_stays_within_discords_limits() {
        let mut incident = sample::over(sample::incident(1_796_000_000_000));
        incident.warnings = vec!["ü".repeat(5_000)];
        incident.services[0].service = "s".repeat(300);
        let body = body(&Message::new(IncidentEvent::Ended, incident.into()), "edge1");
        let embed = &body["embeds"][0];
        let length = |value: &Value| value.as_str().expect("a text").chars().count();
        assert_eq!((length(&embed["title"]), length(&embed["description"])), (MAX_TITLE, MAX_TEXT));
        assert_eq!(embed["timestamp"], "2026-11-30T00:53:20.000Z");
        assert_eq!(body["allowed_mentions"]["parse"], json!([]));
    }
}
