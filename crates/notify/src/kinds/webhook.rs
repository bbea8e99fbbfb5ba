//! A webhook: floodwall's own JSON, or what the operator's template renders from it.

use std::path::PathBuf;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use super::{Endpoint, Sender};
use crate::{failure::Failure, http::Post, message::Message, sample, secret::SecretSource};

/// Steps that rendering a template may take: thousands of times what is needed.
const FUEL: u64 = 1_000_000;
const TEMPLATE: &str = "template";
const JSON: &str = "application/json";

/// Sends a document to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) url: Endpoint,
    pub(crate) authorization: Option<SecretSource>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) content_type: Option<String>,
    pub(crate) template: Option<String>,
}

impl Webhook {
    pub(super) async fn send(&self, message: &Message, sender: &Sender) -> Result<(), Failure> {
        let (url, secrets) = sender.url(&self.url).await?;
        let authorization = match &self.authorization {
            Some(source) => Some(sender.secret(source).await?),
            None => None,
        };
        let document = message.document(&sender.host);
        let body = self.body(&document).map_err(Failure::refused)?;
        let content_type = self.content_type().to_owned();
        let ca_file = self.ca_file.clone();
        Post { url, content_type, body: body.into_bytes(), authorization, ca_file, secrets }.send().await
    }

    /// Renders the template with a sample, so that a mistake shows when the configuration is read and not during an attack.
    pub(crate) fn check(&self) -> Result<(), String> {
        let message = Message::new(
            floodwall_incident::IncidentEvent::Began,
            sample::incident(1_796_000_000_000).into(),
        );
        let body = self.body(&message.document("host"))?;
        if self.template.is_some() && self.content_type().starts_with(JSON) {
            let read: Result<Value, _> = serde_json::from_str(&body);
            read.map_err(|error| format!("what the template makes is no JSON: {error}"))?;
        }
        Ok(())
    }

    fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(JSON)
    }

    fn body(&self, document: &Value) -> Result<String, String> {
        let Some(template) = &self.template else { return Ok(document.to_string()) };
        // In JSON, values are inserted with quotes and escapes, so that no value can end a string.
        let is_json = self.content_type().starts_with(JSON);
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .set_auto_escape_callback(move |_| if is_json { AutoEscape::Json } else { AutoEscape::None });
        environment.set_fuel(Some(FUEL));
        environment
            .template_from_named_str(TEMPLATE, template)
            .and_then(|template| template.render(minijinja::value::Serde(document)))
            .map_err(|error| format!("the template cannot be filled in: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Url;

    fn webhook(template: &str) -> Webhook {
        Webhook {
            url: Endpoint::Url(Url::parse("http://127.0.0.1/").expect("a URL")),
            authorization: None,
            ca_file: None,
            content_type: None,
            template: Some(template.to_owned()),
        }
    }

    #[test]
    fn no_value_can_end_a_string_of_the_rendered_json() {
        let webhook = webhook(r#"{"summary": {{ title }}, "peak": {{ incident.traffic.peak_packets }}}"#);
        webhook.check().expect("sound");
        let body = webhook.body(&serde_json::json!({
            "title": "a \"quoted\" name\n",
            "incident": { "traffic": { "peak_packets": 7 } },
        }));
        let read: Value = serde_json::from_str(&body.expect("filled in")).expect("JSON");
        assert_eq!(read, serde_json::json!({ "summary": "a \"quoted\" name\n", "peak": 7 }));
    }

    #[test]
    fn a_wrong_template_is_refused() {
        for (template, expected) in [
            ("{{ nothing_of_this_name }}", "undefined"),
            ("{% if %}", "syntax error"),
            ("{\"text\": \"{{ title }}\"}", "no JSON"),
            (
                "{% for one in range(10000) %}{% for two in range(10000) %}x{% endfor %}{% endfor %}",
                "filled in",
            ),
        ] {
            let error = webhook(template).check().expect_err(template);
            assert!(error.contains(expected), "{template}: {error}");
        }
        let plain = Webhook { content_type: Some("text/plain".to_owned()), ..webhook("{{ title }}") };
        plain.check().expect("text needs no quotes");
    }
}
