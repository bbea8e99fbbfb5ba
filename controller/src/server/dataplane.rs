//! What the server asks of whoever holds the program.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    api::{
        ChallengeStatus, DoctorCheck, HealthReport, InterfaceStatus, KnockingReport, MachineStatus,
        ProofStatus, ReasonCount, ReopeningReport, ServiceTraffic, TaskRestarts, WouldCount,
    },
    policy::Lifelines,
    state::RuleCounts,
};

/// What is known to whoever asks for an examination.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    /// An address that the blocklist drops.
    pub blocked: Option<IpAddr>,
    /// Everything passes for a time.
    pub bypassed: bool,
}

/// How a service stands that is closed.
#[derive(Clone, Debug, Default)]
pub struct LockdownFigures {
    /// How far it is opened, if it is being opened.
    pub progress: Option<ReopeningReport>,
    /// What knocks, once that was measured.
    pub knocking: Option<KnockingReport>,
}

/// The filter as it runs.
pub trait Dataplane: Send + Sync {
    /// Protected interfaces.
    fn interfaces(&self) -> Vec<InterfaceStatus>;

    /// What keeps packets from being filtered; empty if nothing does.
    fn problems(&self) -> Vec<String>;

    /// What an operator should know about; empty if all is well.
    fn warnings(&self) -> Vec<String>;

    /// Requests that were challenged, of all services.
    fn challenges(&self) -> anyhow::Result<ChallengeStatus>;

    /// How services that are closed stand, by name, as was last looked.
    fn lockdowns(&self) -> BTreeMap<String, LockdownFigures>;

    /// Packets and bytes by reason.
    fn counters(&self) -> anyhow::Result<Vec<ReasonCount>>;

    /// Packets and bytes that matched signatures, by number.
    fn signature_counters(&self) -> anyhow::Result<Vec<(u64, u64)>>;

    /// What rules have counted, after the counters of those in `fresh` were cleared: their numbers were others' before.
    fn rule_counters(&self, fresh: &[u8]) -> anyhow::Result<RuleCounts>;

    /// What tells how the host and its services fare; `None` if that has not been measured yet.
    fn health(&self) -> Option<HealthReport>;

    /// How links, CPUs and file systems fare.
    fn machine(&self) -> MachineStatus;

    /// What checks and rules that only count would have dropped, by reason.
    fn would_drop(&self) -> anyhow::Result<Vec<WouldCount>>;

    /// What has come for services, by their numbers; their names are left empty.
    fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTraffic)>>;

    /// How often tasks had to be started again.
    fn restarts(&self) -> Vec<TaskRestarts>;

    /// By what it is known which packets belong to something, on each interface that leads out.
    fn proofs(&self) -> Vec<ProofStatus>;

    /// Proves that what is said to be filtered is.
    fn examine(&self, examination: Examination) -> anyhow::Result<Vec<DoctorCheck>>;

    /// Puts the filter on an interface, or back on it.
    fn attach(&self, interface: &str) -> anyhow::Result<InterfaceStatus>;

    /// Takes the filter off an interface; says which are left. After the last one the daemon ends.
    fn detach(&self, interface: &str) -> anyhow::Result<Vec<String>>;

    /// Addresses that no block should cover: of the host, and those that people are logged in from, as was last looked.
    fn lifelines(&self) -> Lifelines;

    /// Whom the host lives by: its gateways and resolvers, and those that are logged in.
    fn lives_by(&self) -> Lifelines;

    /// Whether packets to one of the host's addresses come in by a protected interface.
    fn is_reached_by(&self, local: IpAddr) -> bool;

    /// Addresses that no rule bans.
    fn never_banned(&self) -> Lifelines;
}
