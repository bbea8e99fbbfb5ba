//! Signatures, as they are found and as operators want them.

use axum::extract::State;
use floodwall_common::tables::Tables as _;

use super::{
    Context,
    answer::{Answer, Body, Refused, answer},
};
use crate::{
    api::{Failure, FailureKind, SignatureList, SignatureNumber, SignatureReport, SignatureRequest},
    detect::{Deployed, Held, place_of},
    signature::Signature,
};

pub(super) async fn list(State(context): State<Context>) -> Answer<SignatureList> {
    answer(&context, |context| {
        let seen = context.detection.snapshot();
        let signatures = seen
            .signatures
            .iter()
            .map(|(number, deployed, held)| report(context, *number, deployed, *held))
            .collect::<Result<_, _>>()?;
        Ok(SignatureList {
            attack: !seen.attacked.is_empty(),
            attacked: seen
                .attacked
                .iter()
                .filter_map(|number| context.filter.service_name(*number))
                .collect(),
            incident: seen.incident,
            wave: seen.wave,
            baseline: seen.baseline_len as u64,
            assumed: seen.is_fresh,
            signatures,
        })
    })
    .await
}

pub(super) async fn add(
    State(context): State<Context>,
    Body(request): Body<SignatureRequest>,
) -> Answer<SignatureReport> {
    answer(&context, move |context| {
        let signature = context
            .filter
            .signature_of(&request.text)
            .map_err(|error| Refused::invalid(format!("signature `{}`: {error}", request.text)))?;
        deploy(context, signature, !request.monitor)
    })
    .await
}

pub(super) async fn pin(
    State(context): State<Context>,
    Body(SignatureNumber { number }): Body<SignatureNumber>,
) -> Answer<SignatureReport> {
    answer(&context, move |context| {
        let seen = context.detection.snapshot();
        let found = seen.signature(number as usize).ok_or_else(|| no_such_number(number))?;
        deploy(context, found.signature.clone(), found.enforced)
    })
    .await
}

pub(super) async fn drop(
    State(context): State<Context>,
    Body(SignatureNumber { number }): Body<SignatureNumber>,
) -> Answer<SignatureReport> {
    answer(&context, move |context| {
        let removed = context.filter.unpin_signature(number as usize, &context.detection)?;
        report(context, number as usize, &removed, None)
    })
    .await
}

/// Deploys what an operator wants, in force and on disk.
fn deploy(context: &Context, signature: Signature, enforced: bool) -> Result<SignatureReport, Refused> {
    let (number, deployed) = context.filter.pin_signature(signature, enforced, &context.detection)?;
    report(context, number, &deployed, None)
}

fn report(
    context: &Context,
    number: usize,
    deployed: &Deployed,
    held: Option<Held>,
) -> Result<SignatureReport, Refused> {
    let counters = context.dataplane.signature_counters().map_err(|error| Refused::internal(&error))?;
    let (packets, bytes) = counters.get(place_of(number)).copied().unwrap_or_default();
    let too_broad = deployed.signature.too_broad().filter(|_| deployed.pinned && deployed.enforced);
    let seconds = |since: u64| context.filter.tables().clock().saturating_sub(since) as f64 / 1e9;
    Ok(SignatureReport {
        number: number as u32,
        text: context.filter.signature_in_words(&deployed.signature),
        enforced: deployed.enforced,
        pinned: deployed.pinned,
        asks: deployed.asks.is_some(),
        held: held.map(|held| held.to_string()),
        warning: too_broad.map(|why| format!("it drops, and is broad: {why}")),
        age_seconds: seconds(deployed.since_ns),
        idle_seconds: seconds(deployed.last_hit_ns),
        packets,
        bytes,
        sampled: deployed.hits,
        sampled_known: deployed.known_hits,
        sampled_again: deployed.again,
    })
}

fn no_such_number(number: u32) -> Refused {
    Refused(Failure {
        kind: FailureKind::NotFound,
        message: format!("there is no signature {number}; `floodwall signature list` names those there are"),
    })
}
