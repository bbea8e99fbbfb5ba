//! What becomes of an address's packets, and why.

use std::{net::IpAddr, time::SystemTime};

use axum::extract::State;
use floodwall_units::unix;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Parameters, Refused, answer},
    sources::origin_of,
    why_undo,
};
use crate::{
    api::WhyReport,
    host::all_login_addresses,
    lists::parse_address,
    policy::Lifelines,
    state::{Around, FiveTuple},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyQuery {
    address: String,
    protocol: Option<Protocol>,
    port: Option<u16>,
    to: Option<String>,
    to_port: Option<u16>,
}

/// Protocols with ports.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Tcp,
    Udp,
}

impl WhyQuery {
    /// What is asked of: an address, and a packet from there if all of it is said.
    fn meant(&self) -> Result<(IpAddr, Option<FiveTuple>), Refused> {
        let parse = |text: &str| parse_address(text).map_err(|error| Refused::invalid(error.to_string()));
        let source = parse(&self.address)?;
        let tuple = match (self.protocol, self.port, &self.to, self.to_port) {
            (None, None, None, None) => None,
            (Some(protocol), Some(source_port), Some(to), Some(destination_port)) => Some(FiveTuple {
                udp: protocol == Protocol::Udp,
                source,
                source_port,
                destination: parse(to)?,
                destination_port,
            }),
            _ => {
                return Err(Refused::invalid(
                    "of a packet, protocol, port, to and to_port are named, all of them",
                ));
            }
        };
        if tuple.is_some_and(|tuple| tuple.source.is_ipv4() != tuple.destination.is_ipv4()) {
            return Err(Refused::invalid(
                "a packet goes from an IPv4 address to an IPv4 address, or from IPv6 to IPv6",
            ));
        }
        Ok((source, tuple))
    }
}

pub(super) async fn answered(
    State(context): State<Context>,
    Parameters(query): Parameters<WhyQuery>,
) -> Answer<WhyReport> {
    let (address, tuple) = query.meant()?;
    answer(&context, move |context| {
        let mut report = why(context, address)?;
        if let Some(tuple) = tuple {
            context.filter.add_packet(&mut report, tuple);
        }
        report.undo = why_undo::commands(&report);
        Ok(report)
    })
    .await
}

/// Asks everybody who has a say.
pub(super) fn why(context: &Context, address: IpAddr) -> Result<WhyReport, Refused> {
    let Context { filter, dataplane, detection, past, .. } = context;
    let signature_counters = dataplane.signature_counters().map_err(|error| Refused::internal(&error))?;
    let around = Around {
        never_banned: &Lifelines { logins: all_login_addresses(), ..dataplane.never_banned() },
        detection: &detection.snapshot(),
        signature_counters: &signature_counters,
        problems: dataplane.problems().into_iter().chain(filter.problems()).collect(),
    };
    let mut report = filter.why(address, around);
    report.source.origin = origin_of(context, address);
    (report.past.since_ms, report.past.packets) = past.of(address, unix::millis(SystemTime::now()));
    Ok(report)
}
