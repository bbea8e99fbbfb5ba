//! Feeds the recorder of incidents with events from the bus, with the counters each second, and with sampled packets, and
//! passes its results to the archive and the notifier.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use floodwall_common::{
    frame::Captured,
    parse::{self, Fragment, Packet, Parsed},
    tables::Tables as _,
    wire::{Reason, SampleEvent, Verdict},
};
use floodwall_incident::{
    Archive, Changes, Excess, Frame, Occurrence, PacketHistory, Reading, ReasonCounts, Recorder,
    SampledPacket, ServiceCounts, Snapshot, Stage,
};
use floodwall_notify::Notifier;
use floodwall_origin::{Country, Origins};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::MissedTickBehavior;
use tracing::{error, warn};

use super::protection::Protection;
use crate::{
    api::{HealthReport, MachineStatus, SignalReport},
    detect::Class,
    event::{AttackEvent, Bus, Event, Heard, Standing, What},
    server::Dataplane as _,
    state::Filter,
    tables::Prefix,
};

/// How often the counters are read.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most samples that wait to be read: as many as there are in two seconds by default.
const WAITING: usize = 8_192;

/// The port of name servers.
const DNS: u16 = 53;

/// A queue of copies of samples. Adding one never blocks.
#[derive(Debug, Default)]
pub(super) struct Tap(Mutex<Vec<SampleEvent>>);

/// A locked [`Tap`], for adding several samples; `None` while it is being emptied.
pub(super) struct Tapped<'a>(Option<MutexGuard<'a, Vec<SampleEvent>>>);

impl Tap {
    /// Locks it, if it is not locked.
    pub(super) fn open(&self) -> Tapped<'_> {
        Tapped(self.0.try_lock())
    }

    fn drain(&self) -> Vec<SampleEvent> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Tapped<'_> {
    /// Copies a sample, if there is room.
    pub(super) fn take(&mut self, event: &SampleEvent) {
        if let Some(waiting) = self.0.as_mut().filter(|waiting| waiting.len() < WAITING) {
            waiting.push(*event);
        }
    }
}

/// The recorder, its inputs and its outputs.
pub(super) struct Incidents {
    pub(super) recorder: Recorder,
    pub(super) archive: Archive,
    pub(super) notifier: Arc<Notifier>,
    pub(super) tap: Arc<Tap>,
    pub(super) filter: Arc<Filter>,
    pub(super) protection: Arc<Protection>,
    pub(super) origins: Arc<Origins>,
    pub(super) past: Arc<PacketHistory>,
}

/// Records until the bus is closed.
pub(super) async fn record(incidents: Arc<tokio::sync::Mutex<Incidents>>, bus: Bus) {
    let mut incidents = incidents.lock().await;
    let mut happens = bus.subscribe();
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            heard = happens.next() => match heard {
                Some(Heard::Event(event)) => incidents.hear(event),
                Some(Heard::Missed(missed)) => warn!(missed, "events are missing from the record of incidents"),
                None => return,
            },
            _ = tick.tick() => incidents.look(),
        }
    }
}

impl Incidents {
    fn hear(&mut self, Event { time_ms, what }: Event) {
        let begins = matches!(what, What::Attack(AttackEvent::Began { .. }));
        let Some(told) = occurrence(what) else { return };
        self.recorder.record(time_ms, told);
        if begins {
            // The beginning of an attack is written at once.
            self.pass_on();
        }
    }

    fn look(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let tables = self.filter.tables();
        let offset = now.saturating_sub(Duration::from_nanos(tables.clock()));
        for event in self.tap.drain() {
            let time_ms = (offset + Duration::from_nanos(event.time_ns)).as_millis() as u64;
            if let Some(packet) = sampled(&event, time_ms, &self.origins) {
                self.recorder.sample(&packet);
                self.past.note(&packet);
            }
            if let Some(frame) = frame(&event, offset) {
                self.recorder.frame(frame);
            }
        }
        match self.counted(now.as_millis() as u64) {
            Ok(look) => self.recorder.snapshot(&look),
            Err(error) => {
                error!(error = format!("{error:#}"), "the counters could not be read for the record");
            }
        }
        self.pass_on();
        if let Some(incident) = self.recorder.open() {
            self.notifier.update(incident);
        }
    }

    /// Takes over the incident that an earlier run of the daemon has left open, and reports one that has ended since.
    pub(super) fn resume(&mut self) {
        if let Some(incident) = self.recorder.open() {
            self.notifier.resume(incident);
        }
        let changes = self.recorder.take_changes();
        changes.events.iter().for_each(|(_, incident)| self.notifier.resume(incident));
        self.tell(changes);
    }

    fn pass_on(&mut self) {
        let changes = self.recorder.take_changes();
        self.tell(changes);
    }

    fn tell(&self, mut changes: Changes) {
        for (_, frame) in &mut changes.frames {
            frame.by = self.decider(frame);
        }
        self.notifier.tell(&changes.events);
        self.archive.put(changes);
    }

    /// What has decided on a packet: the prefix of a list or a ban, or a signature that drops everything it matches.
    fn decider(&self, frame: &Frame) -> Option<String> {
        if frame.reason == Reason::Signature.name() {
            return self.filter.signature_that_drops(&Captured::cut(&frame.bytes, frame.length));
        }
        let is_banned = frame.reason == Reason::Banned.name();
        let is_listed = [Reason::Blocked, Reason::Trusted].iter().any(|reason| reason.name() == frame.reason);
        if !is_banned && !is_listed {
            return None;
        }
        let Parsed::Packet(packet) = parse::parse(&Captured::cut(&frame.bytes, frame.length)) else {
            return None;
        };
        if is_listed {
            return self.filter.test(packet.source.into()).prefix;
        }
        Prefix::around(packet.source, packet.source.family.source_bits())
            .ok()
            .map(|prefix| prefix.to_string())
    }

    fn counted(&self, time_ms: u64) -> anyhow::Result<Snapshot> {
        let reasons = self.protection.totals()?.into_iter().map(|totals| {
            let drops = totals.reason.verdict() == Verdict::Drop;
            (totals.reason.name(), ReasonCounts { packets: totals.packets, bytes: totals.bytes, drops })
        });
        let mut services = BTreeMap::new();
        for (number, totals) in self.protection.services()? {
            if let Some(name) = self.filter.service_name(number) {
                let (packets, bytes, dropped) = (totals.packets, totals.bytes, totals.dropped);
                services.insert(name, ServiceCounts { packets, bytes, dropped });
            }
        }
        let machine = self.protection.machine();
        let health = self.protection.health();
        Ok(Snapshot { time_ms, reasons: reasons.collect(), services, ..of_host(&machine, health.as_ref()) })
    }
}

/// The load on the host, as a snapshot without counters.
fn of_host(machine: &MachineStatus, health: Option<&HealthReport>) -> Snapshot {
    let percents = machine.links.iter().filter_map(|link| link.in_percent);
    let cpu = machine.cpu.as_ref().and_then(|cpu| cpu.busiest_percent);
    let full = machine.links.iter().filter(|link| link.full);
    let full_links = full.map(|link| match link.problems.first() {
        Some(problem) => problem.clone(),
        None => format!("{} is full", link.interface),
    });
    let of_links = machine.links.iter().flat_map(|link| {
        let used = link.in_percent.map(|percent| Reading {
            what: format!("use of link {}", link.interface),
            value: percent,
            text: format!("{percent:.0} %"),
        });
        let lost = link.lost_rate.filter(|lost| *lost > 0).map(|lost| Reading {
            what: format!("packets lost by {}", link.interface),
            value: lost as f64,
            text: format!("{lost}/s"),
        });
        used.into_iter().chain(lost)
    });
    let of_cpu = cpu.map(|percent| Reading {
        what: "share of the busiest CPU that packets took".to_owned(),
        value: percent,
        text: format!("{percent:.0} %"),
    });
    let signals = health.map_or(&[][..], |health| &health.signals);
    let of_signals = signals.iter().filter_map(|SignalReport { signal, service, value, text }| {
        let what = match service {
            Some(service) => format!("{signal} of {service}"),
            None => signal.clone(),
        };
        // A probe that fails has no value, and is worse than any.
        let value = match value {
            Some(0) => return None,
            Some(value) => *value as f64,
            None if service.is_some() => f64::MAX,
            None => return None,
        };
        Some(Reading { what, value, text: text.clone() })
    });
    Snapshot {
        link_percent: percents.reduce(f64::max),
        cpu_percent: cpu,
        full_links: full_links.collect(),
        readings: of_links.chain(of_cpu).chain(of_signals).collect(),
        ..Snapshot::default()
    }
}

/// Translates an event of the bus; `None` if it does not belong into the record.
fn occurrence(what: What) -> Option<Occurrence> {
    let kind = what.kind();
    let other = |text: String| Some(Occurrence::Other { kind, suffers: false, text });
    match what {
        What::Attack(AttackEvent::Began { service, class, text, .. }) => {
            Some(Occurrence::AttackBegan { service, excess: excess(class), text })
        }
        What::Attack(AttackEvent::Ended { service, text }) => Some(Occurrence::AttackEnded { service, text }),
        What::Attack(AttackEvent::NothingFound { text }) => Some(Occurrence::NothingFound { text }),
        What::Attack(AttackEvent::Noted { text }) => other(text),
        What::Signature { signature, standing, text, .. } => {
            let stage = match standing {
                Standing::Counts => Stage::Found,
                Standing::Drops => Stage::Drops,
                Standing::Gone => Stage::Gone,
            };
            Some(Occurrence::Signature { signature, stage, text })
        }
        What::Banned { bans, .. } => Some(Occurrence::Bans { bans, text: what.to_string() }),
        What::Unbanned { lifted: true, .. } => other(what.to_string()),
        What::Command { who, command } => Some(Occurrence::Command { who, text: command }),
        What::Strain { text, begins } => Some(Occurrence::Other { kind, suffers: begins, text }),
        What::List { .. }
        | What::Rule { .. }
        | What::Interface { .. }
        | What::Health { .. }
        | What::Task { .. } => other(what.to_string()),
        // These may be very many and change nothing.
        What::WouldBan { .. } | What::Unbanned { lifted: false, .. } => None,
    }
}

const fn excess(class: Class) -> Excess {
    match class {
        Class::Openings => Excess::Openings,
        Class::Segments => Excess::Segments,
        Class::Datagrams => Excess::Datagrams,
        Class::Unasked => Excess::Unasked,
        Class::Others => Excess::Others,
        Class::Fruitless => Excess::Fruitless,
        Class::Names => Excess::Names,
        Class::Returning => Excess::Returning,
    }
}

/// Parses a sampled frame.
fn sampled(event: &SampleEvent, time_ms: u64, origins: &Origins) -> Option<SampledPacket> {
    let reason = Reason::from_index(event.reason)?;
    let bytes = event.bytes.get(..usize::from(event.captured))?;
    let Parsed::Packet(packet) = parse::parse(&Captured::cut(bytes, event.length)) else { return None };
    let header = match packet.protocol {
        parse::protocol::TCP => {
            let words = bytes.get(packet.transport as usize + 12).map_or(5, |byte| byte >> 4);
            u32::from(words) * 4
        }
        _ => 8,
    };
    let source = IpAddr::from(packet.source);
    let (asn, country) = origins.asn_and_country(source);
    Some(SampledPacket {
        time_ms,
        source,
        destination: packet.destination.into(),
        protocol: packet.protocol,
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        tcp_flags: packet.tcp_flags,
        has_data: packet.end > packet.transport + header,
        later_fragment: packet.fragment == Fragment::Later,
        reason: reason.name(),
        dropped: reason.verdict() == Verdict::Drop,
        unproven: event.known == 0 && event.answers == 0,
        ttl: packet.hop_limit,
        asn,
        country: country.map(Country::bytes),
        question: question(&packet, bytes),
    })
}

/// A hash of the name in a DNS query, as far as the captured part of the frame contains it.
fn question(packet: &Packet, bytes: &[u8]) -> Option<u64> {
    /// The header of UDP, and that of DNS (RFC 1035, 4.1.1).
    const HEADERS: usize = 8 + 12;
    if packet.protocol != parse::protocol::UDP || packet.destination_port != DNS {
        return None;
    }
    let name = bytes.get(packet.transport as usize + HEADERS..)?;
    let name = name.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())?;
    let mut hasher = DefaultHasher::new();
    // Resolvers randomize the case of letters (draft-vixie-dnsext-dns0x20).
    name.to_ascii_lowercase().hash(&mut hasher);
    Some(hasher.finish())
}

/// A sampled frame as evidence.
fn frame(event: &SampleEvent, offset: Duration) -> Option<Frame> {
    let reason = Reason::from_index(event.reason)?;
    Some(Frame {
        time_us: (offset + Duration::from_nanos(event.time_ns)).as_micros() as u64,
        length: event.length,
        reason: reason.name().to_owned(),
        by: None,
        dropped: reason.verdict() == Verdict::Drop,
        bytes: event.bytes.get(..usize::from(event.captured))?.to_vec(),
    })
}

/// Evidence keeps everything of a frame that the kernel program samples.
const _: () = assert!(floodwall_common::wire::SAMPLE_BYTES == floodwall_incident::SNAP_LENGTH as usize);

#[cfg(test)]
mod corpus;

#[cfg(test)]
mod tests {
    use floodwall_common::wire::SAMPLE_BYTES;

    use super::*;
    use crate::api::{CpuStatus, LinkStatus};

    fn event(reason: Reason) -> SampleEvent {
        let mut bytes = [0; SAMPLE_BYTES];
        let frame = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113,
            7, 192, 0, 2, 10, 0, 123, 0, 80, 0, 8, 0, 0,
        ];
        bytes[..frame.len()].copy_from_slice(&frame);
        let captured = frame.len() as u16;
        let reason = reason as u32;
        SampleEvent { time_ns: 1, length: 42, ifindex: 3, reason, captured, known: 0, answers: 0, bytes }
    }

    #[test]
    fn a_sample_is_read_as_the_kernel_has_read_it() {
        let packet = sampled(&event(Reason::Signature), 7, &Origins::default()).expect("it is a packet");
        assert_eq!((packet.source, packet.source_port), (IpAddr::from([203, 0, 113, 7]), 123));
        assert_eq!((packet.reason, packet.dropped, packet.has_data), ("signature", true, false));
        assert!(packet.unproven && !packet.later_fragment);
    }

    #[test]
    fn a_tap_that_nobody_empties_keeps_no_more_than_there_is_room_for_and_holds_up_nobody() {
        let tap = Tap::default();
        let mut tapped = tap.open();
        (0..WAITING + 5).for_each(|_| tapped.take(&event(Reason::Clean)));
        // While it is held elsewhere, samples pass by.
        tap.open().take(&event(Reason::Clean));
        drop(tapped);
        assert_eq!((tap.drain().len(), tap.drain().len()), (WAITING, 0));
    }

    #[test]
    fn what_the_host_tells_is_in_a_look() {
        let link = LinkStatus {
            interface: "eth0".into(),
            in_percent: Some(97.0),
            lost_rate: Some(5_000),
            full: true,
            ..LinkStatus::default()
        };
        let cpu = CpuStatus { busiest_percent: Some(40.0), ..CpuStatus::default() };
        let machine = MachineStatus { links: vec![link], cpu: Some(cpu), disks: Vec::new() };
        let signal = |signal: &str, service: Option<&str>, value| SignalReport {
            signal: signal.to_owned(),
            service: service.map(str::to_owned),
            value,
            text: "as it is told".to_owned(),
        };
        let signals = vec![
            signal("listen-overflows", None, Some(0)),
            signal("syn-cookies", None, None),
            signal("probe", Some("web"), None),
        ];
        let look = of_host(&machine, Some(&HealthReport { signals, active: Vec::new() }));
        assert_eq!((look.link_percent, look.cpu_percent), (Some(97.0), Some(40.0)));
        assert_eq!(look.full_links, ["eth0 is full"]);
        let told: Vec<_> = look.readings.iter().map(|reading| reading.what.as_str()).collect();
        let expected = [
            "use of link eth0",
            "packets lost by eth0",
            "share of the busiest CPU that packets took",
            "probe of web",
        ];
        assert_eq!(told, expected, "what is as it should be is not told");
    }

    #[test]
    fn what_is_of_no_incident_is_left_out() {
        assert_eq!(occurrence(What::WouldBan { text: "a".into() }), None);
        let told = occurrence(What::Strain { text: "OVER CAPACITY".into(), begins: true });
        assert_eq!(
            told,
            Some(Occurrence::Other { kind: "health", suffers: true, text: "OVER CAPACITY".into() })
        );
        // A disk, say, that is nearly full.
        let told = occurrence(What::Health { text: "IS NEARLY FULL".into(), loud: true });
        assert_eq!(
            told,
            Some(Occurrence::Other { kind: "health", suffers: false, text: "IS NEARLY FULL".into() })
        );
    }
}
