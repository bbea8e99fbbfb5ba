//! Limits, and what is known of a source.

use axum::extract::State;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Body, Parameters, Refused, answer},
};
use crate::{
    api::{LimitChange, Limits, SourceReport},
    lists::parse_address,
};

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
    let address = parse_address(&query.address).map_err(|error| Refused::invalid(error.to_string()))?;
    answer(&context, move |context| Ok(context.filter.source(address))).await
}
