//! The routes of lockdowns: services that are closed to all but known clients.

use axum::extract::{ConnectInfo, State};

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer},
    peer::Peer,
    trials::{TrialQuery, tried},
};
use crate::{
    api::{AutomaticRequest, Changed, LockdownList, LockdownReport, LockdownRequest, ReopenRequest},
    event::What,
    host::Accepted,
};

/// Who is logged in is not shut out, and open connections go on: a lockdown cuts nobody off who asks for it.
fn touches(_: &Accepted) -> bool {
    false
}

pub(super) async fn list(State(context): State<Context>) -> Answer<LockdownList> {
    answer(&context, now).await
}

pub(super) async fn set(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(request): Body<LockdownRequest>,
) -> Answer<Changed<LockdownList>> {
    answer(&context, move |context| {
        let LockdownRequest { service, closed, admitted_percent, .. } = &request;
        let command = || format!("lockdown {} {service}", if *closed { "on" } else { "off" });
        let terms = trial.terms(context, peer, touches, command);
        let Changed { answer: (), trial } = tried(context, terms, || Ok(context.filter.lock_down(&request)?))?;
        let text = match closed {
            true if *admitted_percent > 0.0 => format!(
                "LOCKDOWN: {service} is closed to all but known clients, and {admitted_percent} % of others on trial"
            ),
            true => format!("LOCKDOWN: {service} is closed to all but known clients"),
            false => format!("the lockdown of {service} is over"),
        };
        context.bus.publish(What::Health { text, loud: *closed });
        Ok(Changed { answer: now(context)?, trial })
    })
    .await
}

pub(super) async fn reopen(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(ReopenRequest { service }): Body<ReopenRequest>,
) -> Answer<Changed<LockdownList>> {
    answer(&context, move |context| {
        let terms = trial.terms(context, peer, touches, || format!("lockdown reopen {service}"));
        let Changed { answer: (), trial } = tried(context, terms, || Ok(context.filter.reopen(&service)?))?;
        let text = format!("{service} is to be opened step by step, as far as it stands it");
        context.bus.publish(What::Health { text, loud: false });
        Ok(Changed { answer: now(context)?, trial })
    })
    .await
}

pub(super) async fn automatic(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(AutomaticRequest { service, automatic }): Body<AutomaticRequest>,
) -> Answer<Changed<LockdownList>> {
    answer(&context, move |context| {
        let terms = trial.terms(context, peer, touches, || format!("lockdown auto {service}"));
        let change = || Ok(context.filter.close_by_itself(&service, automatic)?);
        let Changed { answer: (), trial } = tried(context, terms, change)?;
        Ok(Changed { answer: now(context)?, trial })
    })
    .await
}

fn now(context: &Context) -> Result<LockdownList, Refused> {
    let services = context.dataplane.services().map_err(|error| Refused::internal(&error))?;
    let sum =
        |of: fn(&crate::api::ServiceTraffic) -> u64| services.iter().map(|(_, traffic)| of(traffic)).sum();
    let challenges = context.dataplane.challenges().map_err(|error| Refused::internal(&error))?;
    let mut figures = context.dataplane.lockdowns();
    let closed = context.filter.lockdowns().into_iter().map(|closed| {
        let figures = figures.remove(&closed.service).unwrap_or_default();
        let progress = figures.progress.filter(|_| closed.reopening);
        LockdownReport { progress, knocking: figures.knocking, ..closed }
    });
    Ok(LockdownList {
        closed: closed.collect(),
        locked_out: sum(|traffic| traffic.locked_out),
        admitted: sum(|traffic| traffic.admitted),
        recent: context.filter.learn_clients(),
        clients_of_a_day: context.filter.clients_of_a_day(),
        automatic: context.filter.closed_by_themselves(),
        challenges: challenges.possible,
    })
}
