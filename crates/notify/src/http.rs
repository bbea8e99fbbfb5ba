//! HTTP POST requests, each over a connection of its own. Connections are not reused: messages are rare, and a connection
//! that a middlebox has dropped meanwhile would delay them.
//!
//! TLS is rustls with the `ring` provider, which builds without cmake and needs no C library. Certificates are verified
//! against the host's trust store, so that an operator's own certificate authority only has to be installed there.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use floodwall_units::one_line;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{failure::Failure, secret::Secret};

/// Addresses of one name that are tried, and how long to wait for each.
const MAX_ADDRESSES: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an error response's body that are read, and most of it that is quoted.
const MAX_BODY: usize = 4_096;
const QUOTED: usize = 200;
/// Longest `Retry-After` that is respected.
const MAX_WAIT: Duration = Duration::from_secs(3_600);

/// Where a request is sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    is_tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// Leaves out the path, which may be a secret.
impl fmt::Debug for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Url({}…)", self.authority)
    }
}

impl Url {
    /// Parses an `http` or `https` URL. The error does not quote it, as it may be a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("this is no URL: {error}"))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("a URL begins with https:// or http://".to_owned()),
        };
        let authority = uri.authority().ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err(
                "a URL that holds a password is not taken; `authorization` says where one lies".to_owned()
            );
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        Ok(Self {
            is_tls,
            host,
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Appends to the path.
    pub(crate) fn below(mut self, path: &str) -> Self {
        self.path.truncate(self.path.trim_end_matches('/').len());
        self.path.push_str(path);
        self
    }

    fn is_secret_of(&self, secret: &Secret) -> bool {
        self.path.len() > 1 && secret.reveal().ends_with(&self.path)
    }
}

/// A POST request.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) url: Url,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// The value of `Authorization` (RFC 9110, section 11.6.2).
    pub(crate) authorization: Option<Secret>,
    /// Trusted certificate authorities, in place of the host's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Removed from error texts, as a receiver may quote them in its response.
    pub(crate) secrets: Vec<Secret>,
}

impl Post {
    pub(crate) fn json(url: Url, body: &serde_json::Value) -> Self {
        Self {
            url,
            content_type: "application/json".to_owned(),
            body: body.to_string().into_bytes(),
            authorization: None,
            ca_file: None,
            secrets: Vec::new(),
        }
    }

    /// Sends the request. The caller bounds the time.
    pub(crate) async fn send(self) -> Result<(), Failure> {
        let Self { url, content_type, body, authorization, ca_file, mut secrets } = self;
        let header = |what: &str, value: &str| {
            HeaderValue::from_str(value)
                .map_err(|_| Failure::refused(format!("{what} cannot stand in a header")))
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&url.path)
            .header(HOST, header("the host", &url.authority)?)
            .header(USER_AGENT, concat!("floodwall/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, header("content-type", &content_type)?);
        if let Some(authorization) = &authorization {
            let mut value = header("the secret of authorization", authorization.reveal())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        secrets.extend(authorization);
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::refused("the URL's path cannot stand in a request"))?;
        let stream = connect(&url.host, url.port).await?;
        let response = if url.is_tls {
            let connector = TlsConnector::from(tls(ca_file).await?);
            let name = ServerName::try_from(url.host.clone())
                .map_err(|_| Failure::refused(format!("`{}` is no name that a certificate has", url.host)))?;
            let stream = connector
                .connect(name, stream)
                .await
                .map_err(|error| Failure::again(format!("TLS with {}: {error}", url.host)))?;
            exchange(stream, request).await
        } else {
            exchange(stream, request).await
        };
        let hide = |text: String| {
            secrets.iter().fold(text, |text, secret| {
                let text = secret.hide_in(&text);
                if url.is_secret_of(secret) { text.replace(&url.path, "…") } else { text }
            })
        };
        response
            .map_err(|error| Failure::again(format!("{} has not answered: {error}", url.authority)))?
            .outcome(&url.authority, hide)
    }
}

/// A response.
struct Answer {
    status: StatusCode,
    after: Option<Duration>,
    text: String,
}

impl Answer {
    fn outcome(self, host: &str, hide: impl Fn(String) -> String) -> Result<(), Failure> {
        let Self { status, after, text } = self;
        if status.is_success() {
            return Ok(());
        }
        let text = one_line(&hide(text), QUOTED);
        let colon = if text.is_empty() { "" } else { ": " };
        let text = format!("{host} answers {}{colon}{text}", status.as_u16());
        let is_temporary = status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS]
                .contains(&status);
        match is_temporary {
            true => Err(Failure::Again { text, after }),
            false if status.is_redirection() => {
                Err(Failure::refused(format!("{text} (redirects are not followed; name where it leads to)")))
            }
            false => Err(Failure::refused(text)),
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Failure> {
    let addresses: Vec<_> = match host.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| Failure::again(format!("looking up {host}: {error}")))?
            .take(MAX_ADDRESSES)
            .collect(),
    };
    let mut failure = format!("{host} has no address");
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = format!("connecting to {address}: {error}"),
            Err(_) => {
                failure = format!("connecting to {address}: no answer in {} s", CONNECT_TIMEOUT.as_secs());
            }
        }
    }
    Err(Failure::again(failure))
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Dropping the set at the end of this function ends the connection's task.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let response = sender.send_request(request).await?;
    let (status, after) = (response.status(), retry_after(&response));
    let text = if status.is_success() { String::new() } else { text_of(response).await };
    Ok(Answer { status, after, text })
}

async fn text_of(response: Response<Incoming>) -> String {
    match Limited::new(response.into_body(), MAX_BODY).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => String::new(),
    }
}

/// The time until `Retry-After`, which is a number of seconds or a date (RFC 9110, section 10.2.3).
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        // Some receivers send fractions of a second.
        Err(_) => match value.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()?,
        },
    };
    Some(wait.min(MAX_WAIT))
}

/// The TLS configuration, read for each message because certificates may be renewed while the daemon runs.
async fn tls(ca_file: Option<PathBuf>) -> Result<Arc<ClientConfig>, Failure> {
    let reading = tokio::task::spawn_blocking(move || roots(ca_file.as_deref()));
    let roots =
        reading.await.map_err(|_| Failure::again("reading certificates failed"))?.map_err(Failure::again)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::refused(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found: Vec<CertificateDer<'static>> = match ca_file {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| format!("reading certificates from {}: {error}", path.display()))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(found);
    if roots.is_empty() {
        return Err("there is no certificate to hold the receiver's against: install ca-certificates, or name a ca-file"
            .to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_parsed_and_its_path_is_not_shown() {
        let url = Url::parse("https://hooks.example.net/services/T0/s3cret?a=b").expect("a URL");
        assert_eq!((url.host.as_str(), url.port, url.is_tls), ("hooks.example.net", 443, true));
        assert_eq!(url.path, "/services/T0/s3cret?a=b");
        assert!(!format!("{url:?}").contains("s3cret"));
        let url = Url::parse("http://[2001:db8::1]:9093/am/").expect("a URL").below("/api/v2/alerts");
        assert_eq!(
            (url.host.as_str(), url.port, url.path.as_str()),
            ("2001:db8::1", 9093, "/am/api/v2/alerts")
        );
        let url = Url::parse("http://example.net").expect("a URL").below("/api");
        assert_eq!((url.port, url.path.as_str()), (80, "/api"));
        for wrong in
            ["ftp://example.net", "example.net", "https://u:s3cret@example.net/", "http://", "not a url"]
        {
            let error = Url::parse(wrong).expect_err(wrong);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value: &str| {
            let response = Response::builder().header(RETRY_AFTER, value).body(()).expect("a response");
            retry_after(&response)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(after("999999"), Some(MAX_WAIT));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        assert!(after(&date).is_some_and(|wait| (80..=90).contains(&wait.as_secs())));
        assert_eq!((after("soon"), after("-3"), after("Thu, 01 Jan 1970 00:00:00 GMT")), (None, None, None));
    }

    #[test]
    fn temporary_errors_are_retried_and_no_error_contains_a_secret() {
        let outcome = |status: u16, text: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            let secret = Secret::of("s3cret");
            Answer { status, after: None, text: text.to_owned() }.outcome("h", |text| secret.hide_in(&text))
        };
        assert_eq!(outcome(204, ""), Ok(()));
        for status in [408, 425, 429, 500, 503] {
            assert!(matches!(outcome(status, ""), Err(Failure::Again { .. })), "{status}");
        }
        assert_eq!(outcome(400, "bad key\n s3cret"), Err(Failure::refused("h answers 400: bad key  …")));
        assert!(matches!(outcome(302, ""), Err(Failure::Refused { text }) if text.contains("not followed")));
    }
}
