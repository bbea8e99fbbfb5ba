//! Requests and responses of the control socket, and nothing else.
//!
//! HTTP/1.1 with JSON on a Unix socket; `curl --unix-socket` works. Everything lives under `/v1`. Times are
//! Unix seconds, rates are per second, addresses and prefixes are text (`203.0.113.0/24`, `2001:db8::/32`; a bare
//! address is a /32 or /128). A refused request is answered with [`Failure`] and a status that says whose
//! fault it was: 400 what was said, 404 not there, 409 refused as it stands, 422 content, 507 full, 500 ours. While the state
//! on disk is damaged, whatever would change it is answered with 503: it may be asked again once an operator has seen to
//! that. Questions, `bypass`, `reload` and `detach` are answered as ever.
//!
//! What is answered where stands in [`ROUTES`]; [`openapi`] describes it for programs.

mod audit;
pub mod client;
mod doctor;
mod events;
mod incidents;
mod limits;
mod lockdown;
mod machine;
mod notify;
pub mod openapi;
mod origin;
mod overview;
pub mod path;
mod policy;
mod prefixes;
pub mod routes;
mod rules;
mod signatures;
mod standing;
mod status;
mod trials;
mod why;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audit::{AuditEntry, AuditPage};
pub use doctor::{DoctorCheck, DoctorReport};
pub use events::{DropReport, Event, InterfaceReport, Notice};
pub use incidents::{
    Confidence, Incident, IncidentActor, IncidentCountry, IncidentHarm, IncidentLine, IncidentList,
    IncidentNetwork, IncidentPhase, IncidentPrefix, IncidentProven, IncidentReport, IncidentSecond,
    IncidentService, IncidentSeverity, IncidentSources, IncidentStrain, IncidentTraffic, IncidentTurn,
    IncidentVector, IncidentWave,
};
pub use limits::{Limit, Limits, SourceReport};
pub use lockdown::{
    AutomaticRequest, KnockingReport, LockdownList, LockdownReport, LockdownRequest, RecentSources,
    ReopenRequest, ReopeningReport,
};
pub use machine::{CpuStatus, DiskStatus, LinkStatus, MachineStatus};
pub use notify::{NotifyList, NotifyReport, NotifyTestRequest, NotifyTested};
pub use origin::AddressOrigin;
pub use overview::{ImportTraffic, Overview, ServiceTraffic, SourceTable, TaskRestarts, Telling};
pub use policy::{Capacity, InForce};
pub use prefixes::{
    AddRequest, AddResponse, Covering, Entry, FlushRequest, ImportLine, ImportProblem, ImportReport,
    ListName, ListPage, Lists, RemoveRequest, RemoveResponse, TestResponse,
};
pub use routes::{MAX_PAGE, ROUTES};
pub use rules::{
    BanCount, BanEntry, BanPage, BypassRequest, BypassState, HealthReport, KeepRequest, LiftRequest,
    ReloadReport, ReloadRequest, RuleChange, RuleList, RuleMode, RuleReport, RuleState, SignalReport,
};
pub use signatures::{SignatureList, SignatureNumber, SignatureReport, SignatureRequest};
pub use standing::{Standing, State};
pub use status::{
    AttachRequest, ChallengeStatus, CheckStatus, DetachRequest, DetachResponse, InterfaceStatus, ListStatus,
    MemoryUse, ProofStatus, ReasonCount, Status, WebStatus, WouldCount,
};
pub use trials::{Changed, ConfirmRequest, TrialList, TrialReport};
pub use why::{
    AppliedBan, AppliedRule, AppliedSignature, Outcome, PastBan, PastPackets, RuleOrigin, Spares, WhyPacket,
    WhyPast, WhyReport, WhyUndo,
};

/// Why a request was refused. Nothing was changed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What kind of refusal, for scripts.
    pub kind: FailureKind,
    /// What was meant to be done, what stood in the way, and what can be done, for people.
    pub message: String,
}

/// Kinds of refusal; the CLI's exit codes follow them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request could not be understood (400).
    Invalid,
    /// What was to be removed or shown is not there (404).
    NotFound,
    /// Dangerous without force (409).
    Refused,
    /// A list with bad lines (422).
    BadList,
    /// The table is full (507).
    Full,
    /// The state on disk is damaged, and no change is taken (503).
    StateDamaged,
    /// There are too many clients, streams or imports at the moment (503).
    Busy,
    /// Whoever asks may only look (403).
    Denied,
    /// floodwall's own fault (500).
    Internal,
}
