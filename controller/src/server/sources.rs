//! What is known of a source.

use axum::extract::State;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Parameters, Refused, answer},
};
use crate::{api::SourceReport, lists::parse_address};

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
