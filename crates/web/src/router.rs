//! Routes: the files of the page, the event stream, and the API.

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};

use crate::{Gate, assets::asset, gate::guard, live::live};

/// Added to every response: nothing is loaded from other sites, the page cannot be framed, and nothing is cached.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The page, and `api`, which answers like the control socket; all of it behind `gate`.
pub fn router(gate: Gate, api: Router) -> Router {
    let live_api = api.clone();
    let files = |request: Request, next: Next| async move {
        match asset(request.uri().path()) {
            Some(file) => file,
            None => next.run(request).await,
        }
    };
    Router::new()
        .route("/live", get(move || live(live_api)))
        .fallback_service(api)
        .layer(middleware::from_fn(files))
        .layer(middleware::from_fn_with_state(gate, guard))
        .layer(middleware::map_response(with_headers))
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::{
        Json,
        body::{Body, to_bytes},
        http::{Method, StatusCode},
        routing::{any, post},
    };
    use serde_json::{Value, json};
    use tower_service::Service as _;

    use super::*;
    use crate::Token;

    /// The page in front of an API with one route that reads and one that changes.
    struct Page {
        router: Router,
        token: String,
        _directory: tempfile::TempDir,
    }

    fn page() -> Page {
        let directory = tempfile::tempdir().unwrap();
        let token = Token::open(&directory.path().join("token")).unwrap();
        let said = token.reveal().to_owned();
        let api = Router::new()
            .route("/v1/status", any(|| async { Json(json!({ "version": "0" })) }))
            .route("/v1/block/add", post(|| async { Json(json!({ "added": 1 })) }));
        Page { router: router(Gate::new(token), api), token: said, _directory: directory }
    }

    impl Page {
        /// Sends a request as a browser that has opened the page would, except that `headers` replace or, if empty, remove
        /// the fields.
        async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Response) {
            let mut request = Request::new(Body::from("{}"));
            *request.method_mut() = method.parse::<Method>().unwrap();
            *request.uri_mut() = path.parse().unwrap();
            let bearer = format!("Bearer {}", self.token);
            let usual = [
                ("host", "localhost:9102"),
                ("origin", "http://localhost:9102"),
                ("content-type", "application/json"),
                ("authorization", bearer.as_str()),
            ];
            for (name, value) in usual.iter().chain(headers) {
                let name: HeaderName = name.parse().unwrap();
                if value.is_empty() {
                    request.headers_mut().remove(name);
                } else {
                    request.headers_mut().insert(name, value.parse().unwrap());
                }
            }
            let response = self.router.clone().call(request).await.unwrap();
            (response.status(), response)
        }

        async fn status(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
            self.ask(method, path, headers).await.0.as_u16()
        }
    }

    #[tokio::test]
    async fn a_request_that_satisfies_every_check_reaches_the_api() {
        let page = page();
        let (status, response) = page.ask("GET", "/v1/status", &[]).await;
        assert_eq!(status, StatusCode::OK);
        for (name, value) in HEADERS {
            assert_eq!(response.headers()[&name], value);
        }
        let body: Value =
            serde_json::from_slice(&to_bytes(response.into_body(), 1_024).await.unwrap()).unwrap();
        assert_eq!(body["version"], "0");
        assert_eq!(page.status("POST", "/v1/block/add", &[]).await, 200);
        // A program that is not a browser sends no `Origin`.
        assert_eq!(page.status("GET", "/v1/status", &[("origin", "")]).await, 200);
    }

    #[tokio::test]
    async fn forged_hosts_origins_tokens_and_methods_are_refused() {
        let page = page();
        for (method, path) in
            [("GET", "/v1/status"), ("POST", "/v1/block/add"), ("GET", "/live"), ("GET", "/")]
        {
            assert_eq!(page.status(method, path, &[("host", "evil.example")]).await, 403, "{path}");
            assert_eq!(page.status(method, path, &[("host", "")]).await, 403, "{path}");
            assert_eq!(page.status(method, path, &[("origin", "http://evil.example")]).await, 403, "{path}");
            assert_eq!(page.status(method, path, &[("origin", "null")]).await, 403, "{path}");
            assert_eq!(page.status(method, path, &[("sec-fetch-site", "cross-site")]).await, 403, "{path}");
        }
        let other = "Bearer 0000000000000000000000000000000000000000000000000000000000000000";
        for token in ["", "Bearer", "Bearer ", other, &page.token, &format!("Basic {}", page.token)] {
            for (method, path) in [("GET", "/v1/status"), ("POST", "/v1/block/add"), ("GET", "/live")] {
                assert_eq!(
                    page.status(method, path, &[("authorization", token)]).await,
                    401,
                    "{path} {token}"
                );
            }
        }
        for method in ["DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "CONNECT", "NONSENSE"] {
            assert_eq!(page.status(method, "/v1/status", &[]).await, 405, "{method}");
        }
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(page.status(method, "/app.js", &[]).await, 405, "{method}");
        }
        // Media types that a form on another site could send.
        for kind in ["", "text/plain", "application/x-www-form-urlencoded"] {
            assert_eq!(page.status("POST", "/v1/block/add", &[("content-type", kind)]).await, 415, "{kind}");
        }
    }

    #[tokio::test]
    async fn the_files_of_the_page_need_no_token_and_contain_no_secret() {
        let page = page();
        let (status, response) = page.ask("GET", "/", &[("authorization", ""), ("origin", "")]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(
            response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains(&page.token));
        assert_eq!(page.status("GET", "/nothing.js", &[]).await, 404);
    }
}
