//! Drop events, from the kernel's words to those of the API.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use floodwall_common::{
    prefix::{Address, Family},
    wire::{DropEvent, Reason},
};
use floodwall_metrics::Meters;
use floodwall_origin::Origins;
use floodwall_units::unix;
use nix::time::{ClockId, clock_gettime};
use tokio::sync::{Mutex, broadcast};
use tracing::error;

use crate::{
    api::DropReport,
    kernel::{EventReader, LogReader},
};

/// Forwards events for ever; where nobody listens they are gone.
pub(super) async fn forward(
    events: Arc<Mutex<EventReader<DropEvent>>>,
    sender: broadcast::Sender<DropReport>,
    meters: Arc<Meters>,
    origins: Arc<Origins>,
) {
    let mut events = events.lock().await;
    let mut names = HashMap::new();
    loop {
        let offset = boot_offset();
        let read = events
            .read(|event| {
                meters.drop_told(event.untold);
                drop(sender.send(translate(&event, offset, &mut names, &origins)));
            })
            .await;
        if let Err(error) = read {
            error!(error = format!("{error:#}"), "reading events failed");
            return;
        }
    }
}

/// Forwards the kernel program's log into this process's, for ever.
pub(super) async fn forward_log(log: Arc<Mutex<LogReader>>) {
    if let Err(error) = log.lock().await.forward().await {
        error!(error = format!("{error:#}"), "reading the kernel program's log failed");
    }
}

/// What to add to the kernel's monotonic clock to get Unix time.
fn boot_offset() -> Duration {
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    unix::time(SystemTime::now()).saturating_sub(monotonic)
}

fn translate(
    event: &DropEvent,
    offset: Duration,
    names: &mut HashMap<u32, String>,
    origins: &Origins,
) -> DropReport {
    let source = address(event.family, event.source);
    let interface = names.entry(event.ifindex).or_insert_with(|| interface_name(event.ifindex));
    DropReport {
        time_ms: (offset + Duration::from_nanos(event.time_ns)).as_millis() as u64,
        reason: Reason::from_index(event.reason).map_or("unknown", Reason::name).to_owned(),
        interface: interface.clone(),
        source: source.map(|source| source.to_string()),
        destination: address(event.family, event.destination).map(|address| address.to_string()),
        protocol: event.protocol,
        source_port: event.source_port,
        destination_port: event.destination_port,
        tcp_flags: event.tcp_flags,
        length: event.length,
        untold: event.untold,
        origin: source.and_then(|source| origin(origins, source)),
    }
}

/// `AS64500 XX`, as far as it is known.
fn origin(origins: &Origins, source: IpAddr) -> Option<String> {
    let (asn, country) = origins.asn_and_country(source);
    let known =
        asn.map(|asn| format!("AS{asn}")).into_iter().chain(country.map(|country| country.to_string()));
    let known: Vec<_> = known.collect();
    (!known.is_empty()).then(|| known.join(" "))
}

fn address(family: u8, [high, low]: [u64; 2]) -> Option<IpAddr> {
    let family = Family::of_number(family)?;
    Some(Address { family, high, low }.into())
}

fn interface_name(index: u32) -> String {
    nix::net::if_::if_indextoname(index)
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| format!("#{index}"))
}
