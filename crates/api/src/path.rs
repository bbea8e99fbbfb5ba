//! Paths of the control socket, as server, client and documents write them.

/// How the filter stands.
pub const STATUS: &str = "/v1/status";
/// How everything stands at one moment.
pub const OVERVIEW: &str = "/v1/overview";
/// Imports a list into the blocklist.
pub const IMPORT: &str = "/v1/block/import";
/// Empties the blocklist.
pub const FLUSH: &str = "/v1/block/flush";
/// A page of a list.
pub const LIST: &str = "/v1/{list}";
/// Lists prefixes.
pub const ADD: &str = "/v1/{list}/add";
/// Takes prefixes off a list.
pub const REMOVE: &str = "/v1/{list}/remove";
/// What decides about an address.
pub const TEST: &str = "/v1/{list}/test";
/// What becomes of an address's packets, and why.
pub const WHY: &str = "/v1/why";
/// What packets are judged by beside lists and signatures.
pub const POLICY: &str = "/v1/policy";
/// The rules.
pub const RULE: &str = "/v1/rule";
/// The bans.
pub const BAN: &str = "/v1/ban";
/// Lifts bans.
pub const LIFT: &str = "/v1/ban/lift";
/// Makes bans entries of the blocklist.
pub const KEEP: &str = "/v1/ban/keep";
/// Whether everything passes.
pub const BYPASS: &str = "/v1/bypass";
/// Services that are closed to all but known clients.
pub const LOCKDOWN: &str = "/v1/lockdown";
/// Opens one of them step by step.
pub const LOCKDOWN_REOPEN: &str = "/v1/lockdown/reopen";
/// Which are closed by themselves.
pub const LOCKDOWN_AUTO: &str = "/v1/lockdown/auto";
/// Reads the configuration again.
pub const RELOAD: &str = "/v1/reload";
/// How the host fares.
pub const HEALTH: &str = "/v1/health";
/// What is known of a source.
pub const SOURCE: &str = "/v1/source";
/// The signatures.
pub const SIGNATURE: &str = "/v1/signature";
/// Deploys a signature.
pub const SIGNATURE_ADD: &str = "/v1/signature/add";
/// Keeps a signature that was found.
pub const SIGNATURE_PIN: &str = "/v1/signature/pin";
/// Takes a signature back.
pub const SIGNATURE_DROP: &str = "/v1/signature/drop";
/// Changes that wait to be confirmed.
pub const TRIAL: &str = "/v1/trial";
/// Confirms them.
pub const CONFIRM: &str = "/v1/trial/confirm";
/// What happens, as it happens.
pub const EVENTS: &str = "/v1/events";
/// Puts the filter on an interface.
pub const ATTACH: &str = "/v1/attach";
/// Takes the filter off an interface.
pub const DETACH: &str = "/v1/detach";
/// Whether what is said to be filtered is.
pub const DOCTOR: &str = "/v1/doctor";
/// Who has asked for which change.
pub const AUDIT: &str = "/v1/audit";
/// The incidents.
pub const INCIDENT: &str = "/v1/incident";
/// One of them, with its rates.
pub const INCIDENT_REPORT: &str = "/v1/incident/report";
/// Packets of one of them.
pub const INCIDENT_PCAP: &str = "/v1/incident/pcap";
/// Who is told of incidents.
pub const NOTIFY: &str = "/v1/notify";
/// Sends a test to one of them.
pub const NOTIFY_TEST: &str = "/v1/notify/test";

/// The control socket, described for programs (OpenAPI 3.1).
pub const OPENAPI: &str = "/v1/openapi.json";

/// A path that names a list, for this one.
pub fn of_list(path: &str, list: super::ListName) -> String {
    path.replace("{list}", list.name())
}
