//! Who is told of incidents.

use axum::{Json, extract::State};

use super::{
    Context,
    answer::{Answer, Body, Refused},
};
use crate::{
    api::{Failure, FailureKind, NotifyList, NotifyTestRequest, NotifyTested},
    notify::Untested,
};

/// The targets, and how they fare.
pub(super) async fn list(State(context): State<Context>) -> Answer<NotifyList> {
    Ok(Json(NotifyList { targets: context.notifier.report() }))
}

/// Sends a test. It takes as long as the target's time limit, and nobody else waits for it.
pub(super) async fn test(
    State(context): State<Context>,
    Body(NotifyTestRequest { name }): Body<NotifyTestRequest>,
) -> Answer<NotifyTested> {
    match context.notifier.test(&name).await {
        Ok(tested) => Ok(Json(tested)),
        Err(Untested::Busy) => Err(Refused::busy(format!("a test of {name} is under way; try again"))),
        Err(Untested::NoSuchTarget) => Err(Refused(Failure {
            kind: FailureKind::NotFound,
            message: format!("there is no notify {name}; `floodwall notify list` names those there are"),
        })),
    }
}
