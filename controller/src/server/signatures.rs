//! Signatures, as they are found and as operators want them.

use axum::extract::State;
use floodwall_common::tables::Tables as _;

use super::{
    Context,
    answer::{Answer, Body, Refused, answer},
};
use crate::{
    api::{Failure, FailureKind, SignatureList, SignatureNumber, SignatureReport, SignatureRequest},
    detect::{Deployed, Held},
    signature::Signature,
    state::Refusal,
    tables::memory::grace_period,
};

pub(super) async fn list(State(context): State<Context>) -> Answer<SignatureList> {
    answer(&context, |context| {
        let detector = context.detector.lock();
        let signatures = detector
            .signatures()
            .map(|(number, deployed)| report(context, number, deployed, detector.held(deployed)))
            .collect::<Result<_, _>>()?;
        Ok(SignatureList {
            attack: detector.is_attacked(),
            incident: detector.incident(),
            wave: detector.wave(),
            baseline: detector.baseline_len() as u64,
            assumed: detector.is_fresh(),
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
        let found = context
            .detector
            .lock()
            .signatures()
            .find(|(there, _)| *there == number as usize)
            .map(|(_, deployed)| (deployed.signature.clone(), deployed.enforced));
        let (signature, enforced) = found.ok_or_else(|| no_such_number(number))?;
        deploy(context, signature, enforced)
    })
    .await
}

pub(super) async fn drop(
    State(context): State<Context>,
    Body(SignatureNumber { number }): Body<SignatureNumber>,
) -> Answer<SignatureReport> {
    answer(&context, move |context| {
        let mut detector = context.detector.lock();
        let pinned = |(there, deployed): (usize, &Deployed)| there == number as usize && deployed.pinned;
        // One that was found by itself is on no disk.
        if detector.signatures().any(pinned) {
            context.filter.check_changeable()?;
        }
        let tables = context.filter.tables();
        let removed = detector
            .remove(number as usize, tables.clock(), tables, &grace)
            .ok_or_else(|| no_such_number(number))?;
        if removed.pinned {
            context.filter.unpin_signature(&removed.signature)?;
        }
        report(context, number as usize, &removed, None)
    })
    .await
}

/// Deploys what an operator wants, in force and on disk.
fn deploy(context: &Context, signature: Signature, enforced: bool) -> Result<SignatureReport, Refused> {
    context.filter.check_changeable()?;
    let mut detector = context.detector.lock();
    let tables = context.filter.tables();
    let number = detector
        .pin(signature.clone(), enforced, tables.clock(), tables, &grace)
        .ok_or_else(|| Refusal::Full("there are 64 signatures already; drop one first".to_owned()))?;
    if let Err(refusal) = context.filter.pin_signature(&signature, enforced) {
        detector.remove(number, tables.clock(), tables, &grace);
        return Err(refusal.into());
    }
    let deployed =
        detector.signatures().find(|(there, _)| *there == number).map(|(_, deployed)| deployed.clone());
    let deployed = deployed.ok_or_else(|| no_such_number(number as u32))?;
    report(context, number, &deployed, None)
}

/// Returns once no packet is judged any more by what was in force.
fn grace() {
    // Without the call, the half that is written is one that was left 50 ms ago at least.
    let _ = grace_period();
}

fn report(
    context: &Context,
    number: usize,
    deployed: &Deployed,
    held: Option<Held>,
) -> Result<SignatureReport, Refused> {
    let counters = context.dataplane.signature_counters().map_err(|error| Refused::internal(&error))?;
    let (packets, bytes) = counters.get(number).copied().unwrap_or_default();
    let too_broad = deployed.signature.too_broad().filter(|_| deployed.pinned && deployed.enforced);
    let seconds = |since: u64| context.filter.tables().clock().saturating_sub(since) as f64 / 1e9;
    Ok(SignatureReport {
        number: number as u32,
        text: context.filter.signature_in_words(&deployed.signature),
        enforced: deployed.enforced,
        pinned: deployed.pinned,
        held: held.map(|held| held.to_string()),
        warning: too_broad.map(|why| format!("it drops, and is broad: {why}")),
        age_seconds: seconds(deployed.since_ns),
        idle_seconds: seconds(deployed.last_hit_ns),
        packets,
        bytes,
        sampled: deployed.hits,
        sampled_known: deployed.known_hits,
    })
}

fn no_such_number(number: u32) -> Refused {
    Refused(Failure {
        kind: FailureKind::NotFound,
        message: format!("there is no signature {number}; `floodwall signature list` names those there are"),
    })
}
