//! Which format a client is answered in.

/// A format of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, 0.0.4: what is answered to whoever asks for nothing else.
    Text,
    /// OpenMetrics, 1.0.
    OpenMetrics,
}

/// Its media type, and versions of it that a client may name.
const OPEN_METRICS: (&str, [&str; 2]) = ("application/openmetrics-text", ["1.0.0", "0.0.1"]);

impl Format {
    /// As `Content-Type` says it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The one that an `Accept` field wants most (RFC 9110, 12.5.1). Of equals, and where nothing fits, it is text.
    pub fn wanted(accept: &str) -> Self {
        let (mut text, mut open): (f32, f32) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f32, None);
            for parameter in parts {
                match parameter
                    .split_once('=')
                    .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
                {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value),
                    _ => {}
                }
            }
            if kind == OPEN_METRICS.0 && version.is_none_or(|version| OPEN_METRICS.1.contains(&version)) {
                open = open.max(quality);
            } else if matches!(kind.as_str(), "text/plain" | "text/*" | "*/*") {
                text = text.max(quality);
            }
        }
        if open > text { Self::OpenMetrics } else { Self::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_most_is_answered() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                          version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Text),
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=\"1.0.0\"", Format::OpenMetrics),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Format::Text),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.9", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("application/openmetrics-text;q=zzz,,;;=", Format::Text),
        ] {
            assert_eq!(Format::wanted(accept), format, "{accept}");
        }
    }
}
