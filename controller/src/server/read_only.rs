//! What those may not do who may only look.

use axum::{
    extract::Request,
    http::Method,
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::answer::Refused;
use crate::api::{Failure, FailureKind};

/// Lets questions through; whatever changes something is refused before it is read.
pub(super) async fn refuse_changes(request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let message = "this socket is for those who may only look; root, and the members of the control socket's group \
                   (`floodwall`, where the package is installed), may change something";
    Refused(Failure { kind: FailureKind::Denied, message: message.to_owned() }).into_response()
}
