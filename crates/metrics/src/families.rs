//! The name, type, unit, labels and help text of every metric family.

use prometheus_client::{metrics::MetricType, registry::Unit};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and starts from 0 when the daemon does.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations counted in cumulative buckets with fixed upper bounds.
    Histogram,
    /// Its value is always 1; the information is in its labels.
    Info,
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Bytes,
    Seconds,
    Ratio,
}

/// A metric family: all series of one name.
#[derive(Debug)]
pub struct Family {
    pub(crate) stem: &'static str,
    pub(crate) unit: Option<Measure>,
    /// Its type.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

impl Family {
    /// The name that queries use, with the suffixes of its unit and type.
    pub fn name(&self) -> String {
        let unit = match self.unit {
            Some(Measure::Bytes) => "_bytes",
            Some(Measure::Seconds) => "_seconds",
            Some(Measure::Ratio) => "_ratio",
            None => "",
        };
        let end = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{unit}{end}", self.stem)
    }

    pub(crate) fn unit(&self) -> Option<Unit> {
        Some(match self.unit? {
            Measure::Bytes => Unit::Bytes,
            Measure::Seconds => Unit::Seconds,
            Measure::Ratio => Unit::Other("ratio".to_owned()),
        })
    }

    pub(crate) const fn metric_type(&self) -> MetricType {
        match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        }
    }
}

/// Defines a static for each family, and [`FAMILIES`] with all of them.
macro_rules! families {
    ($($name:ident: $kind:ident $stem:literal $(in $unit:ident)? [$($label:literal),*] $help:literal;)*) => {
        $(pub(crate) static $name: Family = Family {
            stem: $stem,
            unit: families!(@unit $($unit)?),
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All families, in the order in which they are exposed.
        pub static FAMILIES: &[&Family] = &[$(&$name),*];
    };
    (@unit) => { None };
    (@unit $unit:ident) => { Some(Measure::$unit) };
}

families! {
    BUILD: Info "floodwall_build" ["version"] "Version of floodwall that runs";
    START: Gauge "floodwall_start_time" in Seconds [] "When the daemon was started, Unix time";
    INTERFACE_UP: Gauge "floodwall_interface_up" ["interface", "mode"]
        "Whether the packets of a protected interface are filtered (1) or not (0), and how: native, generic, none";
    PROBLEMS: Gauge "floodwall_problems" [] "What keeps the filter from doing all of its work, as `floodwall status` says";
    WARNINGS: Gauge "floodwall_warnings" [] "What an operator should know about, as `floodwall status` says";
    TRIALS: Gauge "floodwall_changes_on_trial" [] "Changes that are undone unless they are confirmed";
    BYPASS: Gauge "floodwall_bypass_remaining" in Seconds [] "For how long every packet passes still; 0 if packets are filtered";

    PACKETS: Counter "floodwall_packets" ["verdict", "reason"] "Packets by what became of them, and why";
    BYTES: Counter "floodwall" in Bytes ["verdict", "reason"] "Bytes on the wire by what became of them, and why";
    WOULD_PACKETS: Counter "floodwall_would_drop_packets" ["reason", "sources"]
        "Packets that passed though a check that only counts would have dropped them, of known or other sources";
    WOULD_BYTES: Counter "floodwall_would_drop" in Bytes ["reason", "sources"]
        "Bytes that passed though a check that only counts would have dropped them, of known or other sources";

    SERVICE_PACKETS: Counter "floodwall_service_packets" ["service"] "Packets that came for a service";
    SERVICE_BYTES: Counter "floodwall_service" in Bytes ["service"] "Bytes on the wire that came for a service";
    SERVICE_DROPPED: Counter "floodwall_service_dropped_packets" ["service"] "Packets for a service that were dropped";
    SERVICE_SYNS: Counter "floodwall_service_connection_requests" ["service"] "Requests for a TCP connection to a service";
    SERVICE_SOURCES: Counter "floodwall_service_new_sources" ["service"]
        "Sources that the source table did not hold and that were entered into it; into a full one in place of others";
    SERVICE_CHALLENGED: Counter "floodwall_service_challenged_requests" ["service"]
        "Requests for a TCP connection to a service that were answered with a challenge, and questions of DNS that were with a truncated answer";
    SERVICE_PROVEN: Counter "floodwall_service_answered_challenges" ["service"]
        "Challenges for a service that were answered, which lets their senders in";
    SERVICE_SAMPLED: Counter "floodwall_service_sampled_packets" ["service"] "Packets for a service that were sampled for detection";
    SERVICE_ATTACKED: Gauge "floodwall_service_attacked" ["service"] "Whether a service is attacked (1) or not (0)";

    RULE_PACKETS: Counter "floodwall_rule_packets" ["service", "rule"]
        "Packets over the rate of a rule, whether they were dropped or only counted";
    RULE_BYTES: Counter "floodwall_rule" in Bytes ["service", "rule"]
        "Bytes over the rate of a rule, whether they were dropped or only counted";
    RULE_BANS: Counter "floodwall_rule_bans" ["service", "rule"] "Bans for crossing a rule";
    RULE_ENFORCED: Gauge "floodwall_rule_enforced" ["service", "rule"]
        "Whether a rule does what it says (1) or only counts (0)";

    ATTACKED: Gauge "floodwall_attack" [] "Whether any service is attacked (1) or not (0)";
    INCIDENTS: Gauge "floodwall_incidents_open" ["severity"] "Incidents that are not over";
    SIGNATURES: Gauge "floodwall_signatures" ["action"] "Signatures that drop what they match, and those that only count it";
    BANS: Gauge "floodwall_bans_in_force" [] "Sources and prefixes of sources that are banned";

    LISTED: Gauge "floodwall_listed_prefixes" ["list", "family"] "Prefixes in the blocklist and the allowlist";
    LIST_CAPACITY: Gauge "floodwall_listed_prefixes_limit" [] "Prefixes that both lists can hold together";
    IMPORT_PREFIXES: Gauge "floodwall_import_prefixes" ["import"] "Prefixes that an import holds, looked at once a minute";
    IMPORT_HITS: Gauge "floodwall_import_hits" ["import"]
        "Packets that the prefixes of an import have decided since they were listed, looked at once a minute; those of a prefix that leaves go with it";
    SOURCES_USED: Gauge "floodwall_sources_used" in Ratio [] "Share of the source table that is taken, as a sample of it tells";
    SOURCES_CAPACITY: Gauge "floodwall_sources_limit" [] "Sources that are tracked at once";
    TABLE_BYTES: Gauge "floodwall_table" in Bytes ["table"] "Kernel memory of a table";
    TABLE_USED: Gauge "floodwall_table_used" in Ratio ["table"] "Share of a table's memory in use, where that can be told";

    DROPS_TOLD: Counter "floodwall_drop_events_told" [] "Dropped packets that the kernel told of, within its budget";
    DROPS_UNTOLD: Counter "floodwall_drop_events_suppressed" []
        "Dropped packets that were not told of: beyond the budget, or without room in the ring buffer";
    SAMPLES_READ: Counter "floodwall_samples_read" []
        "Samples that detection has read; what floodwall_service_sampled_packets counts beyond them found no room in the ring buffer";
    BANS_LOST: Counter "floodwall_ban_events_lost" [] "Bans that found no room in their ring buffer, and had to be looked for";
    AUDIT_LOST: Counter "floodwall_audit_entries_lost" [] "Entries that the audit log could not take";

    DETECTION_LAG: Histogram "floodwall_detection_lag" in Seconds []
        "Age of the oldest sample when detection looks at it, four times a second";
    REQUESTS: Histogram "floodwall_request_duration" in Seconds ["kind"]
        "How long the control socket took to answer questions and to carry out changes";
    PROBE_UP: Gauge "floodwall_probe_success" ["service"] "Whether a service has answered its last probe (1) or not (0)";
    PROBE_TIME: Gauge "floodwall_probe_duration" in Seconds ["service"] "How long a service took to answer its last probe";
    RESTARTS: Counter "floodwall_task_restarts" ["task"] "How often a task of the daemon had to be started again";

    LINK_USED: Gauge "floodwall_link_used" in Ratio ["interface", "direction"]
        "Share of a link's speed that comes in or goes out, where its speed is known";
    LINK_LOST: Counter "floodwall_link_lost_packets" ["interface"] "Packets that a device has lost before the filter saw them";
    CPU_BUSIEST: Gauge "floodwall_cpu_busiest" in Ratio []
        "Share of its time that the CPU busiest with packets spends on them";
    BACKLOG_DROPPED: Counter "floodwall_backlog_dropped_packets" []
        "Packets that a CPU had no room for since the machine was started";
}
