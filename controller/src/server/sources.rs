//! Limits, and what is known of a source.

use axum::extract::State;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer},
};
use crate::api::{LimitChange, Limits, SourceReport};

pub(super) async fn limits(State(context): State<Context>) -> Answer<Limits> {
    answer(&context, |context| Ok(context.filter.limits())).await
}

pub(super) async fn set_limits(
    State(context): State<Context>,
    Body(change): Body<LimitChange>,
) -> Answer<Limits> {
    answer(&context, move |context| Ok(context.filter.set_limits(change)?)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceQuery {
    address: String,
}

pub(super) async fn source(
    State(context): State<Context>,
    Parameters(query): Parameters<SourceQuery>,
) -> Answer<SourceReport> {
    let address = query
        .address
        .parse()
        .map_err(|_| Refused::invalid(format!("`{}` is not an IPv4 or IPv6 address", query.address)))?;
    answer(&context, move |context| Ok(context.filter.source(address))).await
}
