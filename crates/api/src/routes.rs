//! Everything that the control socket answers, in one table. The server serves it, and the [OpenAPI document] is made
//! of it.
//!
//! [OpenAPI document]: super::openapi

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{
    AddRequest, AddResponse, AttachRequest, AuditPage, AutomaticRequest, BanCount, BanPage, BypassRequest,
    BypassState, Changed, ConfirmRequest, DetachRequest, DetachResponse, DoctorReport, Event, FlushRequest,
    HealthReport, ImportLine, InForce, IncidentList, IncidentReport, InterfaceStatus, KeepRequest,
    LiftRequest, ListPage, LockdownList, LockdownRequest, NotifyList, NotifyTestRequest, NotifyTested,
    Overview, ReloadReport, ReloadRequest, RemoveRequest, RemoveResponse, ReopenRequest, RuleChange,
    RuleList, SignatureList, SignatureNumber, SignatureReport, SignatureRequest, SourceReport, Status,
    TestResponse, TrialList, WhyReport, path,
};

/// Most entries of a page; fewer come only if fewer are asked for, or left.
pub const MAX_PAGE: usize = 5_000;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It asks.
    Get,
    /// It does something.
    Post,
    /// It gives something a new value.
    Put,
}

impl Method {
    /// As HTTP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// A parameter in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, as JSON Schema names it.
    pub kind: &'static str,
    /// Whether it has to be there.
    pub required: bool,
    /// What it says.
    pub what: &'static str,
}

const fn parameter(name: &'static str, kind: &'static str, required: bool, what: &'static str) -> Parameter {
    Parameter { name, kind, required, what }
}

const PAGE: &[Parameter] = &[
    parameter("after", "string", false, "Entries after this prefix: `next` of the page before."),
    parameter("limit", "integer", false, "At most so many entries."),
];
const ADDRESS: &[Parameter] = &[parameter("address", "string", true, "An IPv4 or IPv6 address.")];
const AUDIT: &[Parameter] = &[
    parameter("before", "integer", false, "Entries before the one with this number."),
    parameter("limit", "integer", false, "At most so many entries, the latest."),
];
const INCIDENTS: &[Parameter] = &[
    parameter("before", "integer", false, "Those before the one with this number."),
    parameter("limit", "integer", false, "At most so many, the latest."),
];
const INCIDENT: &[Parameter] = &[
    parameter("id", "integer", true, "Its number."),
    parameter("points", "integer", false, "At most so many points of its rates; more are taken together."),
];
const INCIDENT_ID: &[Parameter] = &[parameter("id", "integer", true, "Its number.")];
const WITHIN: Parameter = parameter(
    "confirm_within",
    "integer",
    false,
    "Undo it after so many seconds, unless it is confirmed before; 0: it stays.",
);
const TRIAL: &[Parameter] = &[WITHIN];
const IMPORT: &[Parameter] = &[
    parameter("name", "string", true, "What the import is called."),
    parameter("skip_bad", "boolean", false, "Import what is right of a list that has bad lines."),
    parameter("replace", "boolean", false, "Take off what an import of this name brought before."),
    parameter("force", "boolean", false, "Import what would cut off the host, too."),
    parameter("seconds", "integer", false, "Take all of it back after so long."),
    WITHIN,
];

/// What a body holds.
#[derive(Clone, Copy)]
pub enum Body {
    /// Nothing.
    None,
    /// A list of prefixes as it was published, plain or gzip.
    List,
    /// A capture of packets: pcapng.
    Capture,
    /// One document.
    Json(Describe),
    /// Documents, one a line.
    Lines(Describe),
}

/// Describes a type.
pub type Describe = fn(&mut SchemaGenerator) -> Schema;

const fn json<T: JsonSchema>() -> Body {
    Body::Json(SchemaGenerator::subschema_for::<T>)
}

const fn lines<T: JsonSchema>() -> Body {
    Body::Lines(SchemaGenerator::subschema_for::<T>)
}

/// One thing that is answered.
#[derive(Clone, Copy)]
pub struct Route {
    /// What the request does.
    pub method: Method,
    /// Where it is sent.
    pub path: &'static str,
    /// What it is good for.
    pub what: &'static str,
    /// Parameters in the query.
    pub parameters: &'static [Parameter],
    /// What is sent.
    pub request: Body,
    /// What is answered.
    pub answer: Body,
}

const fn get(path: &'static str, what: &'static str, answer: Body) -> Route {
    Route { method: Method::Get, path, what, parameters: &[], request: Body::None, answer }
}

const fn post(path: &'static str, what: &'static str, request: Body, answer: Body) -> Route {
    Route { method: Method::Post, path, what, parameters: &[], request, answer }
}

const fn put(path: &'static str, what: &'static str, request: Body, answer: Body) -> Route {
    Route { method: Method::Put, path, what, parameters: &[], request, answer }
}

const fn with(parameters: &'static [Parameter], route: Route) -> Route {
    Route { parameters, ..route }
}

/// A command that may be on trial.
const fn tried(path: &'static str, what: &'static str, request: Body, answer: Body) -> Route {
    with(TRIAL, post(path, what, request, answer))
}

/// All of them.
pub const ROUTES: [Route; 41] = [
    get(path::STATUS, "How the filter stands.", json::<Status>()),
    get(path::OVERVIEW, "Everything that figures are drawn from, at one moment.", json::<Overview>()),
    tried(path::ADD, "Lists prefixes: all or none.", json::<AddRequest>(), json::<Changed<AddResponse>>()),
    tried(
        path::REMOVE,
        "Takes prefixes off a list: all or none.",
        json::<RemoveRequest>(),
        json::<Changed<RemoveResponse>>(),
    ),
    with(PAGE, get(path::LIST, "A page of a list, in order of address.", json::<ListPage>())),
    with(ADDRESS, get(path::TEST, "What decides about an address, and why.", json::<TestResponse>())),
    with(IMPORT, post(path::IMPORT, "Imports a list into the blocklist.", Body::List, lines::<ImportLine>())),
    post(
        path::FLUSH,
        "Empties the blocklist, or takes back an import.",
        json::<FlushRequest>(),
        json::<RemoveResponse>(),
    ),
    get(path::RULE, "The rules, and what they have done.", json::<RuleList>()),
    with(
        TRIAL,
        put(path::RULE, "Says something of a rule.", json::<RuleChange>(), json::<Changed<RuleList>>()),
    ),
    with(PAGE, get(path::BAN, "A page of the bans, in order of address.", json::<BanPage>())),
    post(path::LIFT, "Lifts bans before their time.", json::<LiftRequest>(), json::<BanCount>()),
    post(path::KEEP, "Makes bans entries of the blocklist.", json::<KeepRequest>(), json::<BanCount>()),
    get(path::BYPASS, "Whether every packet passes, and for how long.", json::<BypassState>()),
    put(
        path::BYPASS,
        "Has every packet pass for a time, or no longer.",
        json::<BypassRequest>(),
        json::<BypassState>(),
    ),
    get(path::LOCKDOWN, "The services that are closed to all but known clients.", json::<LockdownList>()),
    with(
        TRIAL,
        put(
            path::LOCKDOWN,
            "Closes a service to all but known clients, or opens it again.",
            json::<LockdownRequest>(),
            json::<Changed<LockdownList>>(),
        ),
    ),
    tried(
        path::LOCKDOWN_REOPEN,
        "Opens a service that is closed step by step, as far as it stands it.",
        json::<ReopenRequest>(),
        json::<Changed<LockdownList>>(),
    ),
    tried(
        path::LOCKDOWN_AUTO,
        "Has a service be closed by itself once it is attacked and nothing else relieves it, or not.",
        json::<AutomaticRequest>(),
        json::<Changed<LockdownList>>(),
    ),
    tried(
        path::RELOAD,
        "Reads the configuration again.",
        json::<ReloadRequest>(),
        json::<Changed<ReloadReport>>(),
    ),
    get(
        path::DOCTOR,
        "Proves that what is said to be filtered is. The packets that this takes are counted as others are.",
        json::<DoctorReport>(),
    ),
    get(path::HEALTH, "How the host and its services fare.", json::<HealthReport>()),
    with(
        AUDIT,
        get(path::AUDIT, "Who has asked for which change, and what became of it.", json::<AuditPage>()),
    ),
    get(path::POLICY, "What packets are judged by, beside lists and signatures.", json::<InForce>()),
    with(ADDRESS, get(path::SOURCE, "What is known of a source.", json::<SourceReport>())),
    with(ADDRESS, get(path::WHY, "What becomes of an address's packets, and why.", json::<WhyReport>())),
    get(path::SIGNATURE, "Attacks, and the signatures against them.", json::<SignatureList>()),
    tried(
        path::SIGNATURE_ADD,
        "Deploys a signature.",
        json::<SignatureRequest>(),
        json::<Changed<SignatureReport>>(),
    ),
    post(
        path::SIGNATURE_PIN,
        "Keeps a signature that was found.",
        json::<SignatureNumber>(),
        json::<SignatureReport>(),
    ),
    post(
        path::SIGNATURE_DROP,
        "Takes a signature back.",
        json::<SignatureNumber>(),
        json::<SignatureReport>(),
    ),
    with(INCIDENTS, get(path::INCIDENT, "The incidents, the latest first.", json::<IncidentList>())),
    with(
        INCIDENT,
        get(path::INCIDENT_REPORT, "An incident, with its rates over time.", json::<IncidentReport>()),
    ),
    with(INCIDENT_ID, get(path::INCIDENT_PCAP, "A sample of an incident's packets.", Body::Capture)),
    get(path::NOTIFY, "Who is told of incidents, and how that fares.", json::<NotifyList>()),
    post(
        path::NOTIFY_TEST,
        "Sends a message that says that it is a test; answers once it was taken, or not.",
        json::<NotifyTestRequest>(),
        json::<NotifyTested>(),
    ),
    get(path::EVENTS, "What happens, as it happens, until either side hangs up.", lines::<Event>()),
    tried(
        path::ATTACH,
        "Puts the filter on an interface, or back on it.",
        json::<AttachRequest>(),
        json::<Changed<InterfaceStatus>>(),
    ),
    tried(
        path::DETACH,
        "Takes the filter off an interface.",
        json::<DetachRequest>(),
        json::<Changed<DetachResponse>>(),
    ),
    get(path::TRIAL, "Changes that are undone unless they are confirmed.", json::<TrialList>()),
    post(
        path::CONFIRM,
        "Has changes stay that would be undone.",
        json::<ConfirmRequest>(),
        json::<TrialList>(),
    ),
    get(path::OPENAPI, "This description.", Body::Json(anything)),
];

fn anything(_: &mut SchemaGenerator) -> Schema {
    Schema::default()
}
