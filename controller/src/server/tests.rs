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

use floodwall_common::source;
use floodwall_incident::{self as incidents, Keeper};
use floodwall_metrics::Meters;
use floodwall_notify::Notifier;
use floodwall_origin::{Files, Origins};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::UnixListener,
    sync::{Notify, broadcast},
};

use super::{Audit, Bounds, Context, Dataplane, Examination, Incidents, serve};
use crate::{
    api::{
        DoctorCheck, FailureKind, HealthReport, InterfaceStatus, ListName, MachineStatus, ProofStatus,
        ROUTES, ReasonCount, ServiceTraffic, TaskRestarts, WouldCount, openapi, path, routes::Method,
    },
    client::{Client, ClientError, Upload},
    config::Config,
    detect::{Detection, Detector, Owner, Surroundings},
    event::Bus,
    policy::Lifelines,
    state::{Filter, RuleCounts, address_of, carry_out},
    store::Store,
    tables::{Capacity, SharedTables},
};

mod bounds;
mod origins;
mod overview;
mod read_only;

/// The host's own address.
const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// The host's gateway.
const GATEWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 254));
/// Which networks there are; the last has the host's gateway.
const NETWORKS: &str =
    "198.51.100.0 24 64500\n2001:db8:7:: 48 64500\n203.0.113.0 24 64501\n192.0.2.0 24 64502\n";
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
    let (incidents, _) = Keeper::start(None, incidents::Limits::default()).expect("a thread");
    let names = Arc::new(Names::default());
    let meters = Arc::new(Meters::default());
    let notifier = Arc::new(Notifier::start(Vec::new(), "host").expect("no thread"));
    let incidents = Incidents { shelf: incidents.shelf(), notifier };
    let context = Context::new(Arc::clone(&filter), names, detection, drops, bus.clone(), audit, incidents);
    let networks = directory.path().join("networks.txt");
    std::fs::write(&networks, NETWORKS).expect("written");
    let origins = Arc::new(Origins::new(Files { asn: vec![networks], country: Vec::new() }));
    origins.look();
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

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_come_and_go_and_what_would_cut_off_the_host_is_refused() {
    let served = served();
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"], "note": "spam" });
    let added: Value = client.post("/v1/block/add", &add).await.expect("added");
    assert_eq!(added["added"], json!(["203.0.113.0/24"]));
    let found: Value = client.get("/v1/block/test?address=203.0.113.7").await.expect("found");
    assert_eq!((&found["decided_by"], &found["prefix"]), (&json!("block"), &json!("203.0.113.0/24")));
    let page: Value = client.get("/v1/block").await.expect("a page");
    assert_eq!((&page["total"], &page["entries"][0]["note"]), (&json!(1), &json!("spam")));

    let own = json!({ "prefixes": ["192.0.2.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &own).await), FailureKind::Refused);
    let nonsense = json!({ "prefixes": ["192.0.2.0/99"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &nonsense).await), FailureKind::Invalid);
    let absent = json!({ "prefixes": ["198.51.100.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/remove", &absent).await), FailureKind::NotFound);
    let many = json!({ "prefixes": (0..2_000).map(|n| format!("10.{}.{}.0/24", n / 250, n % 250)).collect::<Vec<_>>() });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &many).await), FailureKind::Full);
    let status: Value = client.get("/v1/status").await.expect("a status");
    assert_eq!(status["block"], json!({ "ipv4": 1, "ipv6": 0 }), "what was refused is not listed");
    let removed: Value =
        client.post("/v1/block/remove", &json!({ "prefixes": ["203.0.113.0/24"] })).await.expect("removed");
    assert_eq!(removed["removed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_understood_is_told_by_its_kind() {
    let served = served();
    let client = &served.client;
    assert_eq!(kind(client.get::<Value>("/v1/nonsense").await), FailureKind::NotFound);
    assert_eq!(kind(client.post::<Value>("/v1/status", &json!({})).await), FailureKind::Invalid);
    assert_eq!(
        kind(client.post::<Value>("/v1/block/add", &json!({ "prefix": 1 })).await),
        FailureKind::Invalid
    );
    assert_eq!(kind(client.get::<Value>("/v1/block?limit=many").await), FailureKind::Invalid);
    assert_eq!(
        kind(client.post::<Value>("/v1/attach", &json!({ "interface": "x0" })).await),
        FailureKind::Refused
    );
    assert_eq!(
        kind(client.post::<Value>("/v1/detach", &json!({ "interface": "e0" })).await),
        FailureKind::NotFound
    );
    let attached: Value = client.post("/v1/attach", &json!({ "interface": "e0" })).await.expect("attached");
    assert_eq!(attached["name"], "e0");
    let left: Value = client.post("/v1/detach", &json!({ "interface": "e0" })).await.expect("detached");
    assert_eq!(left["remaining"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_table_is_served_and_no_other_method() {
    let served = served();
    for route in ROUTES {
        let path = path::of_list(route.path, ListName::Block);
        // What it says does not matter here, but that somebody is there to say it.
        let answer = match route.method {
            // A stream has no end.
            Method::Get if route.path == path::EVENTS => continue,
            Method::Get => served.client.get::<Value>(&path).await,
            Method::Post => served.client.post(&path, &json!(0)).await,
            Method::Put => served.client.put(&path, &json!(0)).await,
        };
        if let Err(ClientError::Failed(failure)) = answer {
            let nobody =
                failure.message.starts_with("there is no /v1") || failure.message.contains("does not take");
            assert!(!nobody, "{} {path}: {failure:?}", route.method.name());
        }
        let is_there = |method| ROUTES.iter().any(|other| other.path == route.path && other.method == method);
        if !is_there(Method::Put) {
            let refused = served.client.put::<Value>(&path, &json!(0)).await;
            assert!(
                matches!(refused, Err(ClientError::Failed(failure)) if failure.message.contains("does not take PUT"))
            );
        }
    }
    let described: Value = served.client.get(path::OPENAPI).await.expect("a description");
    assert_eq!(described, openapi::document());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_in_force_when_it_is_answered_and_out_when_it_is_dropped() {
    let served = served();
    let client = &served.client;
    let wanted = json!({ "text": "udp sport=7 len=28", "monitor": false });
    let report: Value = client.post("/v1/signature/add", &wanted).await.expect("deployed");
    assert_eq!(
        (&report["pinned"], &report["enforced"], &report["packets"]),
        (&json!(true), &json!(true), &json!(7))
    );
    assert_ne!(served.tables.settings[0].signatures.load(), 0);
    let list: Value = client.get("/v1/signature").await.expect("a list");
    assert_eq!((&list["attack"], list["signatures"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    assert_eq!(
        kind(client.post::<Value>("/v1/signature/drop", &json!({ "number": 9 })).await),
        FailureKind::NotFound
    );
    let number = json!({ "number": report["number"] });
    client.post::<Value>("/v1/signature/drop", &number).await.expect("dropped");
    assert_eq!(served.tables.settings[0].signatures.load(), 0);
    let nonsense = json!({ "text": "udp sport=x", "monitor": false });
    assert_eq!(kind(client.post::<Value>("/v1/signature/add", &nonsense).await), FailureKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_on_trial_or_for_a_time_is_taken_back_and_one_that_takes_all_is_forced() {
    let served = served();
    let Served { client, filter, tables, .. } = &served;
    let in_force = || tables.settings[0].signatures.load() != 0;
    let wanted = json!({ "text": "udp sport=7 len=28", "monitor": false });
    let tried: Value = client.post("/v1/signature/add?confirm_within=60", &wanted).await.expect("deployed");
    assert_eq!((&tried["trial"]["number"], in_force()), (&json!(1), true), "{tried}");
    let waiting: Value = client.get("/v1/trial").await.expect("a list");
    assert_eq!(waiting["trials"][0], tried["trial"]);
    let number = filter.trials()[0].number;
    assert!(filter.undo_trial(number).expect("undone"));
    assert!(!in_force());
    client.post::<Value>("/v1/signature/add", &wanted).await.expect("deployed");
    let monitor = json!({ "text": "udp sport=7 len=28", "monitor": true });
    client.post::<Value>("/v1/signature/add?confirm_within=60", &monitor).await.expect("deployed");
    assert!(filter.undo_trial(number + 1).expect("undone"));
    let list: Value = client.get("/v1/signature").await.expect("a list");
    assert_eq!(list["signatures"][0]["enforced"], true, "as it was before: {list}");

    let brief = json!({ "text": "udp sport=9 len=28", "seconds": 60 });
    let report: Value = client.post("/v1/signature/add", &brief).await.expect("deployed");
    let expires = report["expires"].as_u64().expect("a time");
    let late = std::time::UNIX_EPOCH + Duration::from_secs(expires);
    assert_eq!(filter.expire(late).expect("taken back"), 1);
    let list: Value = client.get("/v1/signature").await.expect("a list");
    assert_eq!(list["signatures"].as_array().map(Vec::len), Some(1), "{list}");

    for text in ["tcp", "len=0-65535"] {
        let all = json!({ "text": text });
        assert_eq!(
            kind(client.post::<Value>("/v1/signature/add", &all).await),
            FailureKind::Refused,
            "{text}"
        );
    }
    assert_eq!(
        kind(client.post::<Value>("/v1/trial/confirm", &json!({ "number": 9 })).await),
        FailureKind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_blocked_is_told_of_until_it_is_allowed() {
    let served = served();
    let client = &served.client;
    let warnings = async || {
        let status: Value = client.get("/v1/status").await.expect("a status");
        let warnings = status["warnings"].as_array().cloned().unwrap_or_default();
        warnings
            .iter()
            .filter(|warning| warning.as_str().is_some_and(|warning| warning.contains("gateway")))
            .count()
    };
    assert_eq!(warnings().await, 0);
    let forced = json!({ "prefixes": ["192.0.2.128/25"], "force": true });
    client.post::<Value>("/v1/block/add", &forced).await.expect("forced");
    assert_eq!(warnings().await, 1);
    let allowed = json!({ "prefixes": [GATEWAY.to_string()] });
    client.post::<Value>("/v1/allow/add", &allowed).await.expect("allowed");
    assert_eq!(warnings().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn interfaces_on_trial_are_written_down_before_they_are_touched() {
    let served = served();
    let client = &served.client;
    let attach = |name: &str| json!({ "interface": name });
    client.post::<Value>("/v1/attach", &attach("e0")).await.expect("attached");
    let last = client.post::<Value>("/v1/detach?confirm_within=60", &attach("e0")).await;
    assert_eq!(kind(last), FailureKind::Invalid, "the daemon would end");
    let tried: Value = client.post("/v1/attach?confirm_within=60", &attach("e1")).await.expect("attached");
    assert_eq!(tried["trial"]["command"], "attach e1");
    let refused = client.post::<Value>("/v1/attach?confirm_within=60", &attach("x0")).await;
    assert_eq!(kind(refused), FailureKind::Refused);
    assert_eq!(served.filter.trials().len(), 1, "what was not made waits for nobody");
    let tried: Value = client.post("/v1/detach?confirm_within=60", &attach("e0")).await.expect("detached");
    assert_eq!((&tried["remaining"], &tried["trial"]["number"]), (&json!(["e1"]), &json!(3)));
    let confirmed: Value = client.post("/v1/trial/confirm", &json!({})).await.expect("confirmed");
    assert_eq!(confirmed["trials"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_hears_what_has_changed_and_who_has_changed_it() {
    let served = served();
    let mut events = served.client.lines::<Value>("/v1/events").await.expect("a stream");
    let add = json!({ "prefixes": ["203.0.113.0/24"] });
    // The stream begins when its answer does.
    served.client.post::<Value>("/v1/block/add", &add).await.expect("added");
    let mut heard = BTreeMap::new();
    while heard.len() < 2 {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("told");
        let event = event.expect("a line").expect("more");
        heard.insert(event["kind"].to_string(), event["text"].to_string());
    }
    assert!(heard["\"list\""].contains("blocklist: 1 added"), "{heard:?}");
    let who = format!("uid {}", nix::unistd::getuid());
    assert!(heard["\"command\""].contains(&who) && heard["\"command\""].contains("block add"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_written_down_who_has_asked_for_what_and_what_became_of_it() {
    let served = served();
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"], "note": "spam" });
    client.post::<Value>("/v1/block/add", &add).await.expect("added");
    let own = json!({ "prefixes": ["192.0.2.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &own).await), FailureKind::Refused);
    client.get::<Value>("/v1/block").await.expect("a question");
    assert_eq!(kind(client.post::<Value>("/v1/none/sense", &own).await), FailureKind::NotFound);
    let list = Upload::new(&b"198.51.100.7\n"[..], |_| ());
    let mut lines = client.upload::<Value>("/v1/block/import?name=list", list).await.expect("an import");
    while lines.next().await.expect("a line").is_some() {}

    let deadline = Instant::now() + PATIENCE;
    // Each is on disk a moment after its answer at the latest.
    let page: Value = loop {
        let page: Value = client.get("/v1/audit").await.expect("a page");
        if page["entries"].as_array().expect("entries").len() >= 3 {
            break page;
        }
        assert!(Instant::now() < deadline, "{page}");
    };
    let told: Vec<_> = page["entries"].as_array().expect("entries").iter().collect();
    let words = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(told.len(), 3, "{page}");
    for (number, entry) in (1..).zip(&told) {
        let (uid, pid) = (nix::unistd::getuid().as_raw(), std::process::id());
        assert_eq!(
            (&entry["number"], &entry["uid"], &entry["pid"]),
            (&json!(number), &json!(uid), &json!(pid))
        );
    }
    assert_eq!((words(told[0], "command"), words(told[0], "result")), ("block add".into(), "done".into()));
    assert!(words(told[0], "request").contains("203.0.113.0/24"), "{page}");
    assert!(
        words(told[1], "result").starts_with("refused: ") && words(told[1], "result").contains("--force")
    );
    assert_eq!(words(told[2], "result"), "done: 1 added, 0 removed");
    let latest: Value = client.get("/v1/audit?limit=1&before=3").await.expect("a page");
    assert_eq!((&latest["entries"][0]["number"], &latest["entries"][1]), (&json!(2), &Value::Null));
    assert_eq!(latest["lost"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_takes_no_change_and_lets_everything_pass_if_asked_to() {
    let served = served_with(|state| {
        std::fs::write(state.join("journal-7.jsonl"), "{\"change\":\"lift-all\"}\n").expect("written");
    });
    let client = &served.client;
    let add = json!({ "prefixes": ["203.0.113.0/24"] });
    assert_eq!(kind(client.post::<Value>("/v1/block/add", &add).await), FailureKind::StateDamaged);
    let bypass: Value = client.put("/v1/bypass", &json!({ "seconds": 60 })).await.expect("at all times");
    assert!(bypass["seconds"].as_f64().is_some_and(|left| left > 50.0));
    let status: Value = client.get("/v1/status").await.expect("a status");
    assert!(status["problems"][0].as_str().is_some_and(|problem| problem.contains("DAMAGED")), "{status}");
    assert!(served.directory.path().join("state/journal-7.jsonl").exists(), "it is left as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_says_what_becomes_of_an_address_and_what_was_considered() {
    let served = served();
    let client = &served.client;
    let passes: Value = client.get("/v1/why?address=203.0.113.7").await.expect("an answer");
    assert_eq!(
        (&passes["outcome"], &passes["verdict"]),
        (&json!("passes"), &json!("203.0.113.7 passes as far as its address goes"))
    );
    assert_eq!((&passes["bans"], &passes["signatures"]), (&json!([]), &json!([])));
    assert_eq!((&passes["source"]["tracked"], &passes["lists"]["covering"]), (&json!(false), &json!([])));
    let limits = passes["source"]["limits"].as_array().expect("limits");
    let syn = limits.iter().find(|limit| limit["rule"] == "source-syn").expect("the limit of SYNs");
    assert_eq!(
        (&syn["rate"], &syn["left"], &syn["state"], &syn["from"]),
        (&json!(100), &json!(200), &json!("enforce"), &json!("default"))
    );
    let source: Value = client.get("/v1/source?address=203.0.113.7").await.expect("a source");
    assert_eq!(source["limits"], passes["source"]["limits"], "they are told of a source as well");

    for (text, monitor) in
        [("udp sport=7 len=28", false), ("tcp flags=syn window=0 new-sources", false), ("udp sport=9", true)]
    {
        let wanted = json!({ "text": text, "monitor": monitor });
        client.post::<Value>("/v1/signature/add", &wanted).await.expect("deployed");
    }
    let new: Value = client.get("/v1/why?address=203.0.113.7").await.expect("an answer");
    assert_eq!(new["verdict"], "203.0.113.7 passes as far as its address goes; 2 signatures drop by headers");
    let settings = &served.tables.settings[0];
    let key = source::Key::of(settings, address_of([203, 0, 113, 7].into()));
    let set = source::set_of(&*served.tables, settings, key).expect("the table");
    source::make_known(source::visit(set, key, 0, 1).0);
    let known: Value = client.get("/v1/why?address=203.0.113.7").await.expect("an answer");
    assert_eq!(
        known["verdict"], "203.0.113.7 passes as far as its address goes; 1 signature drops by headers",
        "one is for new sources only"
    );
    let told = |field: &str| -> Vec<Value> {
        let signatures = known["signatures"].as_array().expect("signatures");
        signatures.iter().map(|signature| signature[field].clone()).collect()
    };
    assert_eq!(told("drops"), [true, true, false]);
    assert_eq!(told("new_sources_only"), [false, true, false]);
    assert_eq!(told("may_match"), [true, false, true]);
    assert_eq!(told("packets")[0], 7);

    let own: Value = client.get("/v1/why?address=192.0.2.254").await.expect("an answer");
    assert_eq!(own["spared"], json!(["no rule bans it: 192.0.2.254 is this host's default gateway"]));
    for nonsense in ["?address=nobody", "?address=203.0.113.0/24", "", "?address=203.0.113.7&more=1"] {
        assert_eq!(kind(client.get::<Value>(&format!("/v1/why{nonsense}")).await), FailureKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_list_says_what_else_decides() {
    let served = served();
    let client = &served.client;
    let found: Value = client.get("/v1/block/test?address=203.0.113.7").await.expect("an answer");
    assert_eq!((&found["decided_by"], &found["outcome"]), (&json!(null), &json!("passes")));
    let rules = found["rules"].as_array().expect("rules").len();
    assert!(rules >= 7, "the defaults: {found}");
    let add = json!({ "prefixes": ["203.0.113.0/24"], "note": "spam" });
    client.post::<Value>("/v1/block/add", &add).await.expect("added");
    let found: Value = client.get("/v1/allow/test?address=203.0.113.7").await.expect("an answer");
    assert_eq!(
        (&found["decided_by"], &found["prefix"], &found["outcome"]),
        (&json!("block"), &json!("203.0.113.0/24"), &json!("blocked"))
    );
    assert_eq!(
        found["verdict"],
        "203.0.113.7 is blocked: 203.0.113.0/24 is on the blocklist (by hand, “spam”)"
    );
    assert_eq!(found["covering"][0]["wanted_by"], json!(["hand"]));
    client.put::<Value>("/v1/bypass", &json!({ "seconds": 60 })).await.expect("for a minute");
    let found: Value = client.get("/v1/block/test?address=203.0.113.7").await.expect("an answer");
    assert_eq!((&found["decided_by"], &found["outcome"]), (&json!("block"), &json!("bypassed")));
}
