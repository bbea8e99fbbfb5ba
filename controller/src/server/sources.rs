//! What is known of a source.

use std::net::IpAddr;

use axum::extract::State;
use floodwall_origin::Origin;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Parameters, Refused, answer},
};
use crate::{
    api::{AddressOrigin, SourceReport},
    lists::parse_address,
};

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
    answer(&context, move |context| {
        Ok(SourceReport { origin: origin_of(context, address), ..context.filter.source(address) })
    })
    .await
}

/// Which network and country an address is of; `None` if nothing tells.
pub(super) fn origin_of(context: &Context, address: IpAddr) -> Option<AddressOrigin> {
    let Origin { asn, name, country } = context.origins.of(address);
    let origin = AddressOrigin { asn, name, country: country.map(|country| country.to_string()) };
    (origin != AddressOrigin::default()).then_some(origin)
}
