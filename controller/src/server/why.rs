//! What becomes of an address's packets, and why.

use std::net::IpAddr;

use axum::extract::State;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Parameters, Refused, answer},
    sources::origin_of,
};
use crate::{
    api::WhyReport, host::all_login_addresses, lists::parse_address, policy::Lifelines, state::Around,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyQuery {
    address: String,
}

pub(super) async fn answered(
    State(context): State<Context>,
    Parameters(query): Parameters<WhyQuery>,
) -> Answer<WhyReport> {
    let address = parse_address(&query.address).map_err(|error| Refused::invalid(error.to_string()))?;
    answer(&context, move |context| why(context, address)).await
}

/// Asks everybody who has a say.
pub(super) fn why(context: &Context, address: IpAddr) -> Result<WhyReport, Refused> {
    let Context { filter, dataplane, detection, .. } = context;
    let signature_counters = dataplane.signature_counters().map_err(|error| Refused::internal(&error))?;
    let around = Around {
        never_banned: &Lifelines { logins: all_login_addresses(), ..dataplane.never_banned() },
        detection: &detection.snapshot(),
        signature_counters: &signature_counters,
        problems: dataplane.problems().into_iter().chain(filter.problems()).collect(),
    };
    let mut report = filter.why(address, around);
    report.source.origin = origin_of(context, address);
    Ok(report)
}
