//! Decides which requests are answered.
//!
//! The page is for a browser on this host, or one that reaches it through `ssh -L`. A request therefore has to name this host
//! (against DNS rebinding), come from the page itself (against requests forged by other sites), use a method that the API
//! accepts, and carry the token. Only the files of the page need no token.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use floodwall_api::{Failure, FailureKind};

use crate::Token;

/// Host names that a request may be for.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// Fetch Metadata (W3C): how the site that has caused the request relates to this one.
const SITE: &str = "sec-fetch-site";

/// Checks requests before they reach the API.
#[derive(Clone, Debug)]
pub struct Gate {
    token: Token,
}

/// The response to a request that is refused.
type Refused = (StatusCode, FailureKind, String);

impl Gate {
    /// Accepts requests that carry this token.
    pub fn new(token: Token) -> Self {
        Self { token }
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refused> {
        let host = check_host(headers)?;
        check_origin(headers, host)?;
        let is_file = crate::assets::asset(path).is_some();
        let is_accepted =
            if is_file { matches!(*method, Method::GET | Method::HEAD) } else { is_api_method(method) };
        if !is_accepted {
            let message = format!("{path} does not take {method}");
            return Err((StatusCode::METHOD_NOT_ALLOWED, FailureKind::Invalid, message));
        }
        if is_file {
            return Ok(());
        }
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
        if !bearer.is_some_and(|text| self.token.matches(text)) {
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

/// Middleware: passes a request on, or answers why it is refused.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, kind, message)) => (status, Json(Failure { kind, message })).into_response(),
    }
}

fn denied(message: String) -> Refused {
    (StatusCode::FORBIDDEN, FailureKind::Denied, message)
}

/// The `Host` field, if there is exactly one and it names this host.
fn check_host(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, other) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    let Some(host) = host.filter(|_| other.is_none()) else {
        return Err(denied("the request does not say which host it is for".to_owned()));
    };
    let (name, port) = match host.rsplit_once(':') {
        // The last colon of `[::1]` does not precede a port.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    if is_port && HOSTS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(host);
    }
    Err(denied(format!("this page is at {}, and not at {host}", HOSTS.join(", "))))
}

/// Refuses requests that another site has caused. Browsers say so in these fields; other programs do not send them.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Refused> {
    for origin in headers.get_all(header::ORIGIN) {
        let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
            return Err(denied("the request comes from another page".to_owned()));
        }
    }
    // A link on another site may lead to the page.
    let is_link = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let is_own = |site: &str| matches!(site, "same-origin" | "none");
    match headers.get(SITE).map(|site| site.to_str().unwrap_or_default()) {
        Some(site) if !is_own(site) && !is_link => {
            Err(denied("the request comes from another site".to_owned()))
        }
        _ => Ok(()),
    }
}

fn is_api_method(method: &Method) -> bool {
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
            assert_eq!(check_host(&headers(&[("host", host)])).unwrap(), host);
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9102",
            "localhost:x",
            "",
            "::1",
        ] {
            assert!(check_host(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(check_host(&headers(&[])).is_err());
        assert!(check_host(&headers(&[("host", "localhost"), ("host", "evil.example")])).is_err());
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
            assert!(check_origin(&headers(own), host).is_ok(), "{own:?}");
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
            assert!(check_origin(&headers(other), host).is_err(), "{other:?}");
        }
    }
}
