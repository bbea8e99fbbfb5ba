//! The server on a socket of its own, over tables in memory: as clients meet it, without root.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use floodwall_common::{prefix::Address, source};
use floodwall_incident::{self as incidents, ArchiveWriter};
use floodwall_metrics::Meters;
use floodwall_notify::Notifier;
use floodwall_origin::{Files, Origins, RangeFiles, RangeName};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::UnixListener,
    sync::{Notify, broadcast},
};

use super::{Audit, Bounds, Context, Dataplane, Examination, Incidents, LockdownFigures, serve};
use crate::{
    api::{
        ChallengeStatus, DoctorCheck, FailureKind, HealthReport, InterfaceStatus, ListName, MachineStatus,
        ProofStatus, ROUTES, ReasonCount, ServiceTraffic, TaskRestarts, WouldCount, openapi, path,
        routes::Method,
    },
    client::{Client, ClientError, Upload},
    config::Config,
    detect::{Detection, Detector, Owner, Surroundings},
    event::Bus,
    policy::Lifelines,
    state::{Filter, RuleCounts, carry_out},
    store::Store,
    tables::{Capacity, SharedTables},
};

mod audit;
mod bounds;
mod events;
mod failures;
mod interfaces;
mod origins;
mod overview;
mod prefixes;
mod read_only;
mod routes;
mod signatures;
mod why;

/// The host's own address.
const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The host's gateway.
const GATEWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 254));
/// Which networks there are; the last has the host's gateway.
const NETWORKS: &str =
    "198.51.100.0 24 64500\n2001:db8:7:: 48 64500\n203.0.113.0 24 64501\n192.0.2.0 24 64502\n";
/// The ranges of a CDN, as it publishes them.
const RANGES: &str = r#"{"addresses": ["198.51.100.0/25"], "ipv6_addresses": ["2001:db8:9::/48"]}"#;
/// How long something may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(20);

/// Interfaces that are only names.
#[derive(Default)]
struct Names(Mutex<BTreeMap<String, u32>>);

impl Dataplane for Names {
    fn interfaces(&self) -> Vec<InterfaceStatus> {
        let names = self.0.lock();
        let status = |(name, ifindex): (&String, &u32)| InterfaceStatus {
            name: name.clone(),
            other_names: Vec::new(),
            ifindex: *ifindex,
            mode: "native".to_owned(),
            filtered: true,
        };
        names.iter().map(status).collect()
    }

    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    fn counters(&self) -> anyhow::Result<Vec<ReasonCount>> {
        Ok(Vec::new())
    }

    fn signature_counters(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        Ok(vec![(7, 700)])
    }

    fn rule_counters(&self, _: &[u8]) -> anyhow::Result<RuleCounts> {
        Ok(RuleCounts::default())
    }

    fn health(&self) -> Option<HealthReport> {
        None
    }

    fn machine(&self) -> MachineStatus {
        MachineStatus::default()
    }

    fn would_drop(&self) -> anyhow::Result<Vec<WouldCount>> {
        Ok(Vec::new())
    }

    fn challenges(&self) -> anyhow::Result<ChallengeStatus> {
        Ok(ChallengeStatus { possible: true, sent: 3, answered: 1 })
    }

    fn lockdowns(&self) -> BTreeMap<String, LockdownFigures> {
        BTreeMap::new()
    }

    fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTraffic)>> {
        Ok(vec![(0, ServiceTraffic { packets: 9, dropped: 2, ..ServiceTraffic::default() })])
    }

    fn restarts(&self) -> Vec<TaskRestarts> {
        vec![TaskRestarts { task: "links".to_owned(), restarts: 1 }]
    }

    fn proofs(&self) -> Vec<ProofStatus> {
        Vec::new()
    }

    fn examine(&self, _: Examination) -> anyhow::Result<Vec<DoctorCheck>> {
        Ok(Vec::new())
    }

    fn attach(&self, interface: &str) -> anyhow::Result<InterfaceStatus> {
        anyhow::ensure!(interface.starts_with('e'), "there is no interface {interface}");
        self.0.lock().insert(interface.to_owned(), 7);
        self.interfaces().into_iter().next().ok_or_else(|| anyhow::anyhow!("gone"))
    }

    fn detach(&self, interface: &str) -> anyhow::Result<Vec<String>> {
        let mut names = self.0.lock();
        names.remove(interface);
        Ok(names.keys().cloned().collect())
    }

    fn lifelines(&self) -> Lifelines {
        Lifelines { own: vec![OWN], ..Lifelines::default() }
    }

    fn lives_by(&self) -> Lifelines {
        Lifelines { gateways: vec![GATEWAY], ..Lifelines::default() }
    }

    fn is_reached_by(&self, local: IpAddr) -> bool {
        local == OWN
    }

    fn never_banned(&self) -> Lifelines {
        Lifelines { gateways: vec![GATEWAY], ..self.lifelines() }
    }
}

/// Where the detector of a test lives.
struct Room(Arc<SharedTables>);

impl Surroundings for Room {
    fn now_ns(&self) -> u64 {
        1
    }

    fn carry_out(&mut self, detector: &mut Detector) {
        carry_out(&self.0, detector.take_actions(), || ());
    }

    fn service_name(&self, _: u8) -> Option<String> {
        None
    }
}

/// A server, and a client of it.
struct Served {
    client: Client,
    filter: Arc<Filter>,
    tables: Arc<SharedTables>,
    directory: TempDir,
    ending: Arc<AtomicBool>,
    ended: Arc<Notify>,
    bus: Bus,
    context: Context,
    meters: Arc<Meters>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.ended.notify_one();
    }
}

fn detection(tables: &Arc<SharedTables>, ending: &Arc<AtomicBool>) -> Detection {
    let (mut owner, detection) = Owner::new(Detector::default());
    let (mut room, ending) = (Room(Arc::clone(tables)), Arc::clone(ending));
    std::thread::spawn(move || {
        while !ending.load(Ordering::Relaxed) {
            owner.serve_until(Instant::now() + Duration::from_millis(10), &mut room);
        }
    });
    detection
}

/// Starts one, with a state directory that `prepare` may have put something into.
fn served_with(prepare: impl FnOnce(&std::path::Path)) -> Served {
    served_as(prepare, Bounds::default())
}

/// Starts one that gives clients so much.
fn served_within(bounds: Bounds) -> Served {
    served_as(|_| (), bounds)
}

fn served_as(prepare: impl FnOnce(&std::path::Path), bounds: Bounds) -> Served {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    std::fs::create_dir(&state).expect("a directory");
    prepare(&state);
    let config =
        Config { capacity: Capacity { prefixes: 1_000, sources: 1_024, flows: 1_024 }, ..Config::default() };
    let tables = Arc::new(SharedTables::in_memory(&config.capacity).expect("memory"));
    let opened = Store::open(&state, false).expect("a directory that can be used");
    let bus = Bus::default();
    let filter = Filter::open(Arc::clone(&tables), opened, &config, bus.clone()).expect("a state that fits");
    let ending = Arc::new(AtomicBool::new(false));
    let detection = detection(&tables, &ending);
    filter.attend(detection.clone());
    let (drops, _) = broadcast::channel(16);
    let audit = Audit::start(&state, filter.keeps_changes()).expect("a thread");
    let (incidents, _) = ArchiveWriter::start(None, incidents::Limits::default()).expect("a thread");
    let names = Arc::new(Names::default());
    let meters = Arc::new(Meters::default());
    let notifier = Arc::new(Notifier::start(Vec::new(), "host").expect("no thread"));
    let incidents = Incidents { archive: incidents.archive(), notifier };
    let context = Context::new(Arc::clone(&filter), names, detection, drops, bus.clone(), audit, incidents);
    let networks = directory.path().join("networks.txt");
    std::fs::write(&networks, NETWORKS).expect("written");
    let ranges = directory.path().join("ranges.json");
    std::fs::write(&ranges, RANGES).expect("written");
    let cdn = RangeName::new("edge").expect("a name");
    let cdn = BTreeMap::from([(cdn, RangeFiles { files: vec![ranges], service: None })]);
    let origins = Arc::new(Origins::new(Files { asn: vec![networks], cdn, ..Files::default() }));
    origins.refresh();
    let context = context.measured_by(Arc::clone(&meters)).knowing(origins).within(bounds);
    let socket = directory.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let ended = Arc::new(Notify::new());
    let until = Arc::clone(&ended);
    let served = context.clone();
    tokio::spawn(async move { serve(listener, served, async move { until.notified().await }).await });
    Served {
        client: Client::new(socket).with_patience(PATIENCE),
        filter,
        tables,
        directory,
        ending,
        ended,
        bus,
        context,
        meters,
    }
}

fn served() -> Served {
    served_with(|_| ())
}

/// The kind of failure that a request is answered with.
fn kind<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> FailureKind {
    match outcome {
        Err(ClientError::Failed(failure)) => failure.kind,
        other => panic!("no failure: {other:?}"),
    }
}
