//! Services that are closed to all but known clients.

use axum::extract::State;

use super::{
    Context,
    answer::{Answer, Body, Refused, answer},
};
use crate::{
    api::{LockdownList, LockdownRequest},
    event::What,
};

pub(super) async fn list(State(context): State<Context>) -> Answer<LockdownList> {
    answer(&context, now).await
}

pub(super) async fn set(
    State(context): State<Context>,
    Body(request): Body<LockdownRequest>,
) -> Answer<LockdownList> {
    answer(&context, move |context| {
        context.filter.lock_down(&request)?;
        let LockdownRequest { service, closed, admitted_percent, .. } = &request;
        let text = match closed {
            true if *admitted_percent > 0.0 => format!(
                "LOCKDOWN: {service} is closed to all but known clients, and {admitted_percent} % of others on trial"
            ),
            true => format!("LOCKDOWN: {service} is closed to all but known clients"),
            false => format!("the lockdown of {service} is over"),
        };
        context.bus.publish(What::Health { text, loud: *closed });
        now(context)
    })
    .await
}

fn now(context: &Context) -> Result<LockdownList, Refused> {
    let services = context.dataplane.services().map_err(|error| Refused::internal(&error))?;
    let sum =
        |of: fn(&crate::api::ServiceTraffic) -> u64| services.iter().map(|(_, traffic)| of(traffic)).sum();
    let challenges = context.dataplane.challenges().map_err(|error| Refused::internal(&error))?;
    Ok(LockdownList {
        closed: context.filter.lockdowns(),
        locked_out: sum(|traffic| traffic.locked_out),
        admitted: sum(|traffic| traffic.admitted),
        recent: context.filter.recent_sources(),
        challenges: challenges.possible,
    })
}
