//! Incidents, as they are recorded.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse as _, Response},
};
use floodwall_incident::POINTS;
use floodwall_origin::Origins;
use serde::Deserialize;

use super::{
    Context,
    answer::{Answer, Parameters, Refused},
};
use crate::api::{Failure, FailureKind, Incident, IncidentList, IncidentReport};

/// Incidents of a page, unless another number is asked for, and at the most.
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 1_000;
/// Most points of a report.
const MOST_POINTS: usize = 5_000;
/// How long the disk is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

/// The incidents, the latest first. They are in memory.
pub(super) async fn list(
    State(context): State<Context>,
    Parameters(query): Parameters<ListQuery>,
) -> Answer<IncidentList> {
    let archive = &context.incidents;
    let incidents = archive.list(query.before, query.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE));
    Ok(Json(IncidentList { incidents, problem: archive.problem() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    id: u64,
    points: Option<usize>,
}

/// An incident with its rates. A disk that does not answer takes up a few threads and no more: what is known without it is
/// told then.
pub(super) async fn report(
    State(context): State<Context>,
    Parameters(ReportQuery { id, points }): Parameters<ReportQuery>,
) -> Answer<IncidentReport> {
    let points = points.unwrap_or(POINTS).clamp(1, MOST_POINTS);
    let named = |mut report: IncidentReport| {
        name_networks(&mut report.incident, &context.origins);
        Json(report)
    };
    let archive = context.incidents.clone();
    let without = |why: &str| {
        let report = context.incidents.without_disk(id, points, why).ok_or_else(|| no_such_incident(id))?;
        Ok(named(report))
    };
    let Ok(place) = Arc::clone(&context.reading).try_acquire_owned() else {
        return without("the disk does not answer, or others read from it");
    };
    let reading = tokio::task::spawn_blocking(move || {
        let _place = place;
        archive.report(id, points)
    });
    match tokio::time::timeout(PATIENCE, reading).await {
        Err(_) => without("the disk does not answer"),
        Ok(Err(error)) => Err(Refused::internal(&anyhow::anyhow!("the request's task failed: {error}"))),
        Ok(Ok(Err(error))) => without(&format!("{error:#}")),
        Ok(Ok(Ok(None))) => Err(no_such_incident(id)),
        Ok(Ok(Ok(Some(report)))) => Ok(named(report)),
    }
}

/// Adds what databases tell now and was not recorded: names of networks, and those of sources that are proven.
fn name_networks(incident: &mut Incident, origins: &Origins) {
    for network in &mut incident.sources.networks {
        network.name = network.name.take().or_else(|| origins.name(network.asn));
    }
    for proven in &mut incident.sources.proven {
        let of_source = || origins.asn_and_country(proven.source.parse().ok()?).0;
        proven.asn = proven.asn.or_else(of_source);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PcapQuery {
    id: u64,
}

/// A sample of an incident's packets.
pub(super) async fn pcap(
    State(context): State<Context>,
    Parameters(PcapQuery { id }): Parameters<PcapQuery>,
) -> Result<Response, Refused> {
    let archive = context.incidents.clone();
    let place = Arc::clone(&context.reading).try_acquire_owned().map_err(|_| {
        Refused::busy("the disk does not answer, or others read incidents from it; try again".to_owned())
    })?;
    let reading = tokio::task::spawn_blocking(move || {
        let _place = place;
        archive.capture(id)
    });
    let read = tokio::time::timeout(PATIENCE * 5, reading)
        .await
        .map_err(|_| Refused::busy("the disk does not answer; try again".to_owned()))?
        .map_err(|error| Refused::internal(&anyhow::anyhow!("the request's task failed: {error}")))?;
    let capture = read.map_err(|error| Refused::internal(&error))?.ok_or_else(|| no_such_incident(id))?;
    Ok(([(CONTENT_TYPE, "application/vnd.tcpdump.pcap")], capture).into_response())
}

fn no_such_incident(id: u64) -> Refused {
    Refused(Failure {
        kind: FailureKind::NotFound,
        message: format!("there is no incident {id}; `floodwall incident list` names those there are"),
    })
}
