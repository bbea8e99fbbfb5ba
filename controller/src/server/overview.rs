//! How everything stands at one moment.

use std::time::SystemTime;

use axum::extract::State;
use floodwall_units::unix;

use super::{
    Context,
    answer::{Answer, Refused, answer, blocking},
    rules, signatures, status,
};
use crate::api::{BypassState, IncidentPhase, Overview, ServiceTraffic, SourceTable, Standing, Telling};

/// Incidents that are looked through for those that are not over.
const INCIDENTS: usize = 100;

pub(super) async fn overview(State(context): State<Context>) -> Answer<Overview> {
    answer(&context, now).await
}

/// The overview for others than clients of the control socket, or in words why it cannot be read.
pub async fn read_overview(context: Context) -> Result<Overview, String> {
    blocking(&context, now).await.map_err(|refused| refused.0.message)
}

fn now(context: &Context) -> Result<Overview, Refused> {
    let Context { filter, dataplane, incidents, meters, audit, .. } = context;
    let signatures = signatures::now(context)?;
    let services = dataplane.services().map_err(|error| Refused::internal(&error))?;
    let named = services.into_iter().filter_map(|(number, traffic)| {
        let service = filter.service_name(number)?;
        let attacked = signatures.attacked.contains(&service);
        Some(ServiceTraffic { service, attacked, ..traffic })
    });
    let services = named.collect();
    // The latest is told even if it is over.
    let mut latest = incidents.list(None, INCIDENTS);
    let mut place = 0;
    latest.retain(|incident| {
        place += 1;
        place == 1 || incident.phase != IncidentPhase::Resolved
    });
    let tables = filter.tables();
    let overview = Overview {
        time_ms: unix::millis(SystemTime::now()),
        standing: Standing::default(),
        status: status::now(context)?,
        services,
        rules: rules::rules(context)?,
        signatures,
        incidents: latest,
        health: dataplane.health(),
        bypass: BypassState { seconds: filter.bypassed() },
        bans: filter.ban_count(),
        imports: meters.imports(),
        sources: SourceTable { capacity: tables.source_places(), used: tables.source_use() },
        telling: Telling {
            bans_lost: tables.settings[0].lost_bans.load(),
            audit_lost: audit.lost(),
            ..meters.telling()
        },
        restarts: dataplane.restarts(),
    };
    Ok(Overview { standing: overview.judged(), ..overview })
}
