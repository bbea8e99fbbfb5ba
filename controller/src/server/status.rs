//! How the filter stands, what it drops, and its end.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, State};
use tracing::warn;

use super::{
    Context, Examination,
    answer::{Answer, Body, Parameters, Refused, answer},
    descriptors::Descriptors,
    peer::Peer,
    trials::TrialQuery,
};
use crate::{
    api::{
        self, AttachRequest, Changed, DetachRequest, DetachResponse, DoctorReport, Failure, FailureKind,
        InterfaceStatus, ListName, Status, TrialReport,
    },
    host::Accepted,
    lists::parse_prefix,
    records::Undo,
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
    status.warnings.extend(context.filter.cut_off(&context.dataplane.lives_by()));
    status.warnings.extend(Descriptors::now().warning());
    status.warnings.extend(context.incidents.problem());
    status.warnings.extend(context.origins.problems());
    status.notify = context.notifier.report();
    status.warnings.extend(context.notifier.problems());
    status.web = context.web.clone();
    status.trials = context.filter.trials();
    status.machine = context.dataplane.machine();
    status.warnings.extend(status.machine.problems().cloned().collect::<Vec<_>>());
    status.counters = counters;
    status.proofs = context.dataplane.proofs();
    status.challenges = context.dataplane.challenges().map_err(|error| Refused::internal(&error))?;
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
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(AttachRequest { interface }): Body<AttachRequest>,
) -> Answer<Changed<InterfaceStatus>> {
    answer(&context, move |context| {
        let is_filtered = is_protected(context, &interface);
        // Whether the login comes by that interface is not asked: what it does to one is not known before.
        let terms = trial.terms(context, peer, |_| !is_filtered, || format!("attach {interface}"));
        let trial = match terms.filter(|_| !is_filtered) {
            Some(terms) => {
                let undo = Undo::Detach { interface: interface.clone() };
                Some(context.filter.begin_trial(terms, vec![undo])?)
            }
            None => None,
        };
        match context.dataplane.attach(&interface) {
            Ok(answer) => Ok(Changed { answer, trial }),
            Err(error) => {
                end(context, trial.as_ref());
                Err(Refused(Failure { kind: FailureKind::Refused, message: format!("{error:#}") }))
            }
        }
    })
    .await
}

pub(super) async fn detach(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(request): Body<DetachRequest>,
) -> Answer<Changed<DetachResponse>> {
    answer(&context, move |context| {
        let protected = context.dataplane.interfaces();
        if !is_protected(context, &request.interface) {
            let names: Vec<_> = protected.iter().map(|interface| interface.name.as_str()).collect();
            let message = format!("{} is not protected; protected: {}", request.interface, names.join(", "));
            return Err(Refused(Failure { kind: FailureKind::NotFound, message }));
        }
        // Nobody is cut off by that.
        let touches = |_: &Accepted| false;
        let command = || format!("detach {}", request.interface);
        let trial = match trial.terms(context, peer, touches, command) {
            Some(_) if protected.len() < 2 => {
                return Err(Refused::invalid(format!(
                    "{} is the last interface: the daemon ends with it, and nobody would put the filter back; leave out \
                     --confirm-within, or let everything pass for a time (`floodwall bypass on --for 1m`)",
                    request.interface
                )));
            }
            Some(terms) => {
                let undo = Undo::Attach { interface: request.interface.clone() };
                Some(context.filter.begin_trial(terms, vec![undo])?)
            }
            None => None,
        };
        let remaining = context.dataplane.detach(&request.interface).map_err(|error| {
            end(context, trial.as_ref());
            Refusal::Internal(format!("{error:#}"))
        })?;
        Ok(Changed { answer: DetachResponse { remaining }, trial })
    })
    .await
}

fn is_protected(context: &Context, name: &str) -> bool {
    context.dataplane.interfaces().iter().any(|interface| interface.is_called(name))
}

/// Ends the trial of a change that was not made.
fn end(context: &Context, trial: Option<&TrialReport>) {
    let Some(trial) = trial else { return };
    if let Err(error) = context.filter.confirm(Some(trial.number)) {
        warn!(%error, number = trial.number, "the trial of a change that was not made goes on");
    }
}

pub(super) async fn openapi() -> axum::Json<serde_json::Value> {
    axum::Json(api::openapi::document())
}
