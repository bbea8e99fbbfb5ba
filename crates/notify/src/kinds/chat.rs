//! Slack and Mattermost, which have the same interface: an incoming webhook with attachments
//! (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Endpoint, Sender};
use crate::{
    failure::Failure,
    http::Post,
    message::{Message, cut},
};

/// Longest text that Slack shows, characters.
const MAX_TEXT: usize = 3_000;

/// Posts to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chat {
    pub(crate) url: Endpoint,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Chat {
    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let (url, secrets) = sender.url(&self.url).await?;
        let post = Post::json(url, &body(message, &sender.host));
        Post { ca_file: self.ca_file.clone(), secrets, ..post }.send().await
    }
}

fn body(message: &Message, host: &str) -> Value {
    let title = escaped(&message.title(host));
    json!({
        "text": title,
        "attachments": [{
            "fallback": title,
            "color": format!("#{:06x}", message.colour()),
            "text": cut(&escaped(&message.text()), MAX_TEXT),
        }],
    })
}

/// Escapes the characters that begin a link, a mention or a command.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_incident::IncidentEvent;

    use crate::sample;

    #[test]
    fn the_title_is_one_line_and_a_service_name_cannot_mention_anybody() {
        let mut incident = sample::incident(1_796_000_000_000);
        incident.services[0].service = "<!channel>&".to_owned();
        let body = body(&Message::new(IncidentEvent::NeedsHuman, incident.into()), "edge1");
        let expected = "edge1: ATTACK NEEDS A HUMAN: Incident 0: SYN flood on &lt;!channel&gt;&amp;";
        assert_eq!(body["text"], expected);
        assert_eq!(body["attachments"][0]["color"], "#bf8700");
        let text = body["attachments"][0]["text"].as_str().expect("a text");
        assert!(text.contains("4,900,000 were dropped") && text.contains("incident show 0"), "{text}");
    }
}
