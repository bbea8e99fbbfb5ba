//! Signatures, as they are found and as operators want them.

use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use floodwall_common::{
    features::{ByteField, WordField},
    parse::protocol,
    tables::Tables as _,
};

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer},
    peer::Peer,
    trials::{TrialQuery, tried},
};
use crate::{
    api::{Changed, Failure, FailureKind, SignatureList, SignatureNumber, SignatureReport, SignatureRequest},
    detect::{Deployed, Held, place_of},
    host::Accepted,
    signature::Signature,
    state::Refusal,
};

pub(super) async fn list(State(context): State<Context>) -> Answer<SignatureList> {
    answer(&context, now).await
}

/// Those that there are now.
pub(super) fn now(context: &Context) -> Result<SignatureList, Refused> {
    let seen = context.detection.snapshot();
    let signatures = seen
        .signatures
        .iter()
        .map(|(number, deployed, held)| report(context, *number, deployed, *held))
        .collect::<Result<_, _>>()?;
    Ok(SignatureList {
        attack: !seen.attacked.is_empty(),
        attacked: seen.attacked.iter().filter_map(|number| context.filter.service_name(*number)).collect(),
        incident: seen.incident,
        wave: seen.wave,
        baseline: seen.baseline_len as u64,
        assumed: seen.is_fresh,
        signatures,
    })
}

pub(super) async fn add(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(request): Body<SignatureRequest>,
) -> Answer<Changed<SignatureReport>> {
    answer(&context, move |context| {
        let signature = context
            .filter
            .signature_of(&request.text)
            .map_err(|error| Refused::invalid(format!("signature `{}`: {error}", request.text)))?;
        if signature.takes_nearly_all() && !request.monitor && !request.force {
            return Err(Refusal::Dangerous(format!(
                "signature `{}` drops all, or nearly all, of what it names: say more of what tells an attack's packets apart, \
                 or --monitor to see what it would drop",
                request.text
            ))
            .into());
        }
        let touches = |login: &Accepted| !request.monitor && may_take(&signature, login);
        let terms = trial.terms(context, peer, touches, || format!("signature add {}", request.text));
        let lifetime = request.seconds.map(Duration::from_secs);
        tried(context, terms, || deploy(context, signature.clone(), !request.monitor, lifetime))
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
        deploy(context, found.signature.clone(), found.enforced, None)
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

/// Whether packets of a login may be among those that a signature takes.
fn may_take(signature: &Signature, login: &Accepted) -> bool {
    let Signature { octets, shorts, .. } = signature;
    octets.get(&(ByteField::Protocol as usize)).is_none_or(|set| set.contains(protocol::TCP))
        && shorts.get(&(WordField::DestinationPort as usize)).is_none_or(|ports| ports.contains(login.port))
}

/// Deploys what an operator wants, in force and on disk.
fn deploy(
    context: &Context,
    signature: Signature,
    enforced: bool,
    lifetime: Option<Duration>,
) -> Result<SignatureReport, Refused> {
    let (number, deployed) =
        context.filter.pin_signature(signature, enforced, lifetime, &context.detection)?;
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
    let text = context.filter.signature_in_words(&deployed.signature);
    Ok(SignatureReport {
        number: number as u32,
        expires: context.filter.signature_expiry(&text).filter(|_| deployed.pinned),
        text,
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
