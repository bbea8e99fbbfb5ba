//! Outcomes as HTTP responses.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, Uri, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use super::Context;
use crate::{
    api::{Failure, FailureKind, ROUTES},
    state::{Caller, Refusal},
};

pub(super) const TOO_MUCH: &str =
    "too much for one request: put the prefixes into a file and import it, or make several requests";

/// A refused request.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Failure);

/// What a handler gives back.
pub(super) type Answer<T> = Result<Json<T>, Refused>;

impl Refused {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self(Failure { kind: FailureKind::Invalid, message: message.into() })
    }

    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self(Failure { kind: FailureKind::Busy, message: message.into() })
    }

    pub(super) fn internal(error: &anyhow::Error) -> Self {
        Self(Failure { kind: FailureKind::Internal, message: format!("{error:#}") })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(failure(&refusal))
    }
}

/// A refusal as it goes over the wire.
pub(super) fn failure(refusal: &Refusal) -> Failure {
    let kind = match refusal {
        Refusal::Invalid(_) => FailureKind::Invalid,
        Refusal::NotFound(_) => FailureKind::NotFound,
        Refusal::Dangerous(_) => FailureKind::Refused,
        Refusal::BadList { .. } | Refusal::Unreadable(_) => FailureKind::BadList,
        Refusal::Full(_) => FailureKind::Full,
        Refusal::Damaged(_) => FailureKind::StateDamaged,
        Refusal::Internal(_) => FailureKind::Internal,
    };
    Failure { kind, message: refusal.to_string() }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            FailureKind::Invalid => StatusCode::BAD_REQUEST,
            FailureKind::NotFound => StatusCode::NOT_FOUND,
            FailureKind::Refused => StatusCode::CONFLICT,
            FailureKind::BadList => StatusCode::UNPROCESSABLE_ENTITY,
            FailureKind::Full => StatusCode::INSUFFICIENT_STORAGE,
            FailureKind::StateDamaged | FailureKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            FailureKind::Denied => StatusCode::FORBIDDEN,
            FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

/// A JSON body; what is wrong with it is answered as a [`Failure`]. `Content-Type` may be missing, as it is
/// with a plain `curl --data`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Context> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, context: &Context) -> Result<Self, Refused> {
        let bytes = axum::body::Bytes::from_request(request, context).await.map_err(|rejection| {
            match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Refused::invalid(TOO_MUCH),
                _ => Refused::invalid(rejection.body_text()),
            }
        })?;
        match Json::from_bytes(&bytes) {
            Ok(Json(value)) => Ok(Self(value)),
            Err(error) => Err(Refused::invalid(error.body_text())),
        }
    }
}

/// Query parameters; what is wrong with them is answered as a [`Failure`].
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Context> for Parameters<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Refused> {
        let Query(value) = Query::from_request_parts(parts, context)
            .await
            .map_err(|rejection| Refused::invalid(rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// Runs what may wait for a disk or a lock where it holds up nobody else.
pub(super) async fn blocking<T, F>(context: &Context, work: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce(&Context) -> Result<T, Refused> + Send + 'static,
{
    let permit = context.requests.clone().acquire_owned().await;
    let context = context.clone();
    // Dropped with the request, which is when its client hangs up.
    let waits = Arc::new(());
    let waiting = Arc::downgrade(&waits);
    let caller = Caller::gone_if(move || waiting.strong_count() == 0);
    let outcome = tokio::task::spawn_blocking(move || {
        let outcome = caller.asks(|| work(&context));
        drop(permit);
        outcome
    });
    let outcome = outcome.await.unwrap_or_else(|error| {
        Err(Refused::internal(&anyhow::anyhow!("the request's task failed: {error}")))
    });
    drop(waits);
    outcome
}

/// As [`blocking`], with the outcome as JSON.
pub(super) async fn answer<T, F>(context: &Context, work: F) -> Answer<T>
where
    T: Serialize + Send + 'static,
    F: FnOnce(&Context) -> Result<T, Refused> + Send + 'static,
{
    blocking(context, work).await.map(Json)
}

pub(super) async fn no_such_path(uri: Uri) -> Refused {
    let mut paths: Vec<&str> = ROUTES.iter().map(|route| route.path).collect();
    paths.dedup();
    Refused(Failure {
        kind: FailureKind::NotFound,
        message: format!("there is no {}; there are {}", uri.path(), paths.join(", ")),
    })
}

pub(super) async fn no_such_method(method: axum::http::Method, uri: Uri) -> Refused {
    Refused::invalid(format!("{} does not take {method}", uri.path()))
}
