//! Who is let in.
//!
//! The page is for this host's own browser, or one at the end of an `ssh -L`. So a request has to be for a name of this host
//! (another one comes by a name that somebody has pointed here: DNS rebinding), from the page itself (not from another site's),
//! by a method that the API takes, and, but for the files of the page, with the token.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use floodwall_api::{Failure, FailureKind};

use crate::Token;

/// Names by which a browser asks this host.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// Where a browser says from which site a request comes.
const SITE: &str = "sec-fetch-site";

/// What a request has to show.
#[derive(Clone, Debug)]
pub struct Gate {
    token: Token,
}

/// Why somebody is not let in.
type Refused = (StatusCode, FailureKind, String);

impl Gate {
    /// Lets those in who know the token.
    pub fn new(token: Token) -> Self {
        Self { token }
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refused> {
        let host = asked_host(headers)?;
        from_the_page(headers, host)?;
        let is_file = crate::assets::asset(path).is_some();
        let takes = if is_file { matches!(*method, Method::GET | Method::HEAD) } else { is_taken(method) };
        if !takes {
            let message = format!("{path} does not take {method}");
            return Err((StatusCode::METHOD_NOT_ALLOWED, FailureKind::Invalid, message));
        }
        if is_file {
            return Ok(());
        }
        let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let known =
            said.and_then(|said| said.strip_prefix("Bearer ")).is_some_and(|said| self.token.is(said));
        if !known {
            let message = "the token is missing or wrong: open the address that `floodwall web url` says";
            return Err((StatusCode::UNAUTHORIZED, FailureKind::Denied, message.to_owned()));
        }
        if *method != Method::GET && !is_json(headers) {
            let message = "what is to be changed has to be said in JSON (Content-Type: application/json)";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, FailureKind::Invalid, message.to_owned()));
        }
        Ok(())
    }
}

/// Lets a request through, or says why not.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, kind, message)) => (status, Json(Failure { kind, message })).into_response(),
    }
}

fn denied(message: String) -> Refused {
    (StatusCode::FORBIDDEN, FailureKind::Denied, message)
}

/// The host that was asked, as it was said: a name of this one.
fn asked_host(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut said = headers.get_all(header::HOST).iter();
    let (host, other) = (said.next().and_then(|host| host.to_str().ok()), said.next());
    let Some(host) = host.filter(|_| other.is_none()) else {
        return Err(denied("the request does not say which host it is for".to_owned()));
    };
    let (name, port) = match host.rsplit_once(':') {
        // The last colon of an IPv6 address without a port is none of a port.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    if is_port && NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(host);
    }
    Err(denied(format!("this page is at {}, and not at {host}", NAMES.join(", "))))
}

/// A browser says where a request comes from; programs that are none say nothing.
fn from_the_page(headers: &HeaderMap, host: &str) -> Result<(), Refused> {
    for origin in headers.get_all(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
            return Err(denied("the request comes from another page".to_owned()));
        }
    }
    // Somebody may follow a link to the page; nothing else comes from elsewhere.
    let is_link = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let is_own = |site: &str| matches!(site, "same-origin" | "none");
    match headers.get(SITE).map(|site| site.to_str().unwrap_or_default()) {
        Some(site) if !is_own(site) && !is_link => {
            Err(denied("the request comes from another site".to_owned()))
        }
        _ => Ok(()),
    }
}

fn is_taken(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::POST | Method::PUT)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_names_of_this_host_are_answered() {
        for host in ["localhost", "LOCALHOST:9102", "127.0.0.1:9102", "[::1]:9102", "[::1]"] {
            assert_eq!(asked_host(&headers(&[("host", host)])).unwrap(), host);
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9102",
            "localhost:x",
            "",
            "::1",
        ] {
            assert!(asked_host(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(asked_host(&headers(&[])).is_err());
        assert!(asked_host(&headers(&[("host", "localhost"), ("host", "evil.example")])).is_err());
    }

    #[test]
    fn only_the_page_itself_may_ask() {
        let host = "localhost:9102";
        for own in [
            &[][..],
            &[("origin", "http://localhost:9102")],
            &[(SITE, "same-origin")],
            &[(SITE, "none"), ("sec-fetch-mode", "navigate")],
            &[(SITE, "cross-site"), ("sec-fetch-mode", "navigate")],
        ] {
            assert!(from_the_page(&headers(own), host).is_ok(), "{own:?}");
        }
        for other in [
            &[("origin", "null")][..],
            &[("origin", "http://evil.example")],
            &[("origin", "https://localhost:9102")],
            &[("origin", "http://localhost:9103")],
            &[("origin", "http://localhost:9102"), ("origin", "http://evil.example")],
            &[(SITE, "cross-site")],
            &[(SITE, "same-site"), ("sec-fetch-mode", "cors")],
        ] {
            assert!(from_the_page(&headers(other), host).is_err(), "{other:?}");
        }
    }
}
