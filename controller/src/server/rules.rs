//! Rules, bans, bypass, health, and the configuration.

use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer},
    lists::prefixes,
    peer::Peer,
    trials::{TrialQuery, tried},
};
use crate::{
    api::{
        BanCount, BanPage, BypassRequest, BypassState, Changed, HealthReport, InForce, KeepRequest,
        LiftRequest, MAX_PAGE, ReloadReport, ReloadRequest, RuleChange, RuleList, RuleMode, RuleReport,
    },
    event::What,
    host::Accepted,
    policy::RuleId,
    state::Refusal,
    tables::Prefix,
};

/// The rules, and what they have done.
pub(super) fn rules(context: &Context) -> Result<Vec<RuleReport>, Refused> {
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

pub(super) async fn set(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(change): Body<RuleChange>,
) -> Answer<Changed<RuleList>> {
    answer(&context, move |context| {
        let RuleChange { service, of, per, reset, .. } = &change;
        let verb = if *reset { "reset" } else { "set" };
        let drops = !matches!(change.mode, Some(RuleMode::Monitor | RuleMode::Off));
        let touches = |login: &Accepted| drops && context.filter.takes_in(service, login.port);
        let command = || format!("limit {verb} {service} {of} per {per}");
        let terms = trial.terms(context, peer, touches, command);
        let Changed { answer: RuleId { service, rule }, trial } =
            tried(context, terms, || Ok(context.filter.set_rule(&change)?))?;
        let mut rules = rules(context)?;
        rules.retain(|report| report.service == service && report.rule == rule);
        Ok(Changed { answer: RuleList { rules }, trial })
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
    ConnectInfo(peer): ConnectInfo<Peer>,
    Parameters(trial): Parameters<TrialQuery>,
    Body(request): Body<ReloadRequest>,
) -> Answer<Changed<ReloadReport>> {
    answer(&context, move |context| {
        let changes_something =
            || context.filter.reload(true).is_ok_and(|report| !report.differences.is_empty());
        let touches = |_: &Accepted| changes_something();
        let terms = trial.terms(context, peer, touches, || "reload".to_owned()).filter(|_| !request.dry_run);
        let changed = tried(context, terms, || Ok(context.filter.reload(request.dry_run)?))?;
        if changed.answer.applied {
            changed.answer.differences.iter().for_each(|line| tracing::info!("configuration: {line}"));
        }
        Ok(changed)
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
