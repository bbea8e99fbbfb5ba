//! How the filter stands, what it drops, and its end.

use std::net::IpAddr;

use axum::extract::State;

use super::{
    Context, Examination,
    answer::{Answer, Body, Refused, answer},
    descriptors::Descriptors,
};
use crate::{
    api::{
        self, AttachRequest, DetachRequest, DetachResponse, DoctorReport, Failure, FailureKind,
        InterfaceStatus, ListName, Status,
    },
    lists::parse_prefix,
    state::Refusal,
};

pub(super) async fn status(State(context): State<Context>) -> Answer<Status> {
    answer(&context, now).await
}

/// How it stands now.
pub(super) fn now(context: &Context) -> Result<Status, Refused> {
    let counters = context.dataplane.counters().map_err(|error| Refused::internal(&error))?;
    let mut status = context.filter.status();
    status.interfaces = context.dataplane.interfaces();
    status.problems.extend(context.dataplane.problems());
    status.problems.extend(context.filter.problems());
    status.warnings.extend(context.dataplane.warnings());
    status.warnings.extend(context.filter.rule_warnings());
    status.warnings.extend(Descriptors::now().warning());
    status.warnings.extend(context.incidents.problem());
    status.machine = context.dataplane.machine();
    status.warnings.extend(status.machine.problems().cloned().collect::<Vec<_>>());
    status.counters = counters;
    status.proofs = context.dataplane.proofs();
    status.would_drop = context.dataplane.would_drop().map_err(|error| Refused::internal(&error))?;
    Ok(status)
}

pub(super) async fn doctor(State(context): State<Context>) -> Answer<DoctorReport> {
    /// Of so many entries one may be that nothing else is said of.
    const ENTRIES: usize = 16;
    answer(&context, |context| {
        let entries = context.filter.page(ListName::Block, None, ENTRIES).entries;
        let addresses = entries.iter().filter_map(|entry| parse_prefix(&entry.prefix).ok());
        let decides = |address: &IpAddr| {
            let lists = context.filter.test(*address);
            matches!(lists.decided_by, Some(ListName::Block)) && !lists.only_counts
        };
        let examination = Examination {
            blocked: addresses.map(|prefix| prefix.network()).find(decides),
            bypassed: context.filter.bypassed().is_some(),
        };
        let checks = context.dataplane.examine(examination).map_err(|error| Refused::internal(&error))?;
        Ok(DoctorReport { checks })
    })
    .await
}

pub(super) async fn attach(
    State(context): State<Context>,
    Body(request): Body<AttachRequest>,
) -> Answer<InterfaceStatus> {
    answer(&context, move |context| {
        context
            .dataplane
            .attach(&request.interface)
            .map_err(|error| Refused(Failure { kind: FailureKind::Refused, message: format!("{error:#}") }))
    })
    .await
}

pub(super) async fn detach(
    State(context): State<Context>,
    Body(request): Body<DetachRequest>,
) -> Answer<DetachResponse> {
    answer(&context, move |context| {
        let protected = context.dataplane.interfaces();
        if !protected.iter().any(|interface| interface.is_called(&request.interface)) {
            let names: Vec<_> = protected.iter().map(|interface| interface.name.as_str()).collect();
            let message = format!("{} is not protected; protected: {}", request.interface, names.join(", "));
            return Err(Refused(Failure { kind: FailureKind::NotFound, message }));
        }
        let remaining = context
            .dataplane
            .detach(&request.interface)
            .map_err(|error| Refusal::Internal(format!("{error:#}")))?;
        Ok(DetachResponse { remaining })
    })
    .await
}

pub(super) async fn openapi() -> axum::Json<serde_json::Value> {
    axum::Json(api::openapi::document())
}
