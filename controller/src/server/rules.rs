//! Rules, bans, bypass, health, and the configuration.

use std::time::Duration;

use axum::extract::State;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer},
    lists::prefixes,
};
use crate::{
    api::{
        BanCount, BanPage, BypassRequest, BypassState, HealthReport, InForce, KeepRequest, LiftRequest,
        MAX_PAGE, ReloadReport, ReloadRequest, RuleChange, RuleList, RuleReport,
    },
    event::What,
    policy::RuleId,
    state::Refusal,
    tables::Prefix,
};

fn rules(context: &Context) -> Result<Vec<RuleReport>, Refused> {
    let fresh = context.filter.fresh_rules();
    let counts = context.dataplane.rule_counters(&fresh).map_err(|error| Refused::internal(&error))?;
    Ok(context.filter.rules(&counts))
}

pub(super) async fn list(State(context): State<Context>) -> Answer<RuleList> {
    answer(&context, |context| Ok(RuleList { rules: rules(context)? })).await
}

pub(super) async fn in_force(State(context): State<Context>) -> Answer<InForce> {
    answer(&context, |context| Ok(context.filter.in_force()?)).await
}

pub(super) async fn set(State(context): State<Context>, Body(change): Body<RuleChange>) -> Answer<RuleList> {
    answer(&context, move |context| {
        let RuleId { service, rule } = context.filter.set_rule(&change)?;
        let mut rules = rules(context)?;
        rules.retain(|report| report.service == service && report.rule == rule);
        Ok(RuleList { rules })
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// A ban is of a source; of IPv6 that is a /64, whichever of its addresses is named.
fn sources(texts: &[String]) -> Result<Vec<Prefix>, Refused> {
    let widened = prefixes(texts)?.into_iter().map(|prefix| match prefix.length() {
        65.. => Prefix::around(prefix.address(), 64).unwrap_or(prefix),
        _ => prefix,
    });
    Ok(widened.collect())
}

pub(super) async fn bans(
    State(context): State<Context>,
    Parameters(query): Parameters<PageQuery>,
) -> Answer<BanPage> {
    let after = match &query.after {
        Some(text) => prefixes(std::slice::from_ref(text))?.first().copied(),
        None => None,
    };
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    answer(&context, move |context| Ok(context.filter.bans(after, limit))).await
}

pub(super) async fn lift(
    State(context): State<Context>,
    Body(request): Body<LiftRequest>,
) -> Answer<BanCount> {
    answer(&context, move |context| {
        let bans = match request {
            LiftRequest { all: true, prefixes } if prefixes.is_empty() => context.filter.lift_all_bans()?,
            LiftRequest { all: true, .. } => {
                return Err(Refused::invalid("all bans, or those of some prefixes: not both"));
            }
            LiftRequest { all: false, prefixes } => context.filter.lift_bans(&sources(&prefixes)?)?,
        };
        Ok(BanCount { bans })
    })
    .await
}

pub(super) async fn keep(
    State(context): State<Context>,
    Body(request): Body<KeepRequest>,
) -> Answer<BanCount> {
    answer(&context, move |context| {
        let lifetime = request.seconds.map(Duration::from_secs);
        Ok(BanCount { bans: context.filter.keep_bans(&sources(&request.prefixes)?, lifetime)? })
    })
    .await
}

pub(super) async fn bypassed(State(context): State<Context>) -> Answer<BypassState> {
    answer(&context, |context| Ok(BypassState { seconds: context.filter.bypassed() })).await
}

pub(super) async fn bypass(
    State(context): State<Context>,
    Body(request): Body<BypassRequest>,
) -> Answer<BypassState> {
    answer(&context, move |context| {
        let seconds = context.filter.bypass(request.seconds.map(Duration::from_secs))?;
        match seconds {
            Some(seconds) => context.bus.publish(What::Health {
                text: format!("BYPASS: every packet passes for {seconds:.0} s"),
                loud: true,
            }),
            None => {
                context.bus.publish(What::Health { text: "the bypass is over".to_owned(), loud: false });
            }
        }
        Ok(BypassState { seconds })
    })
    .await
}

pub(super) async fn reload(
    State(context): State<Context>,
    Body(request): Body<ReloadRequest>,
) -> Answer<ReloadReport> {
    answer(&context, move |context| {
        let report = context.filter.reload(request.dry_run)?;
        if report.applied {
            report.differences.iter().for_each(|line| tracing::info!("configuration: {line}"));
        }
        Ok(report)
    })
    .await
}

pub(super) async fn health(State(context): State<Context>) -> Answer<HealthReport> {
    answer(&context, |context| {
        context.dataplane.health().ok_or_else(|| {
            Refused::from(Refusal::NotFound(
                "nothing has been measured yet; ask again in a second".to_owned(),
            ))
        })
    })
    .await
}
