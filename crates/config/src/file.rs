//! The file as it is written.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    path::PathBuf,
    time::Duration,
};

use floodwall_incident::Limits;
use floodwall_listen::ListenAddress;
use floodwall_notify::{MAX_TARGETS, NotifyTable, Target};
use floodwall_origin::{Files, RangeFiles, RangeName};
use serde::Deserialize;
use toml::Spanned;

use super::{
    Config, DEFAULT_EVENTS_PER_SECOND, DEFAULT_LEASE, FLOWS, INCIDENT_MEBIBYTES, LEASES,
    MAX_EVENTS_PER_SECOND, MAX_INTERFACES, MAX_SAMPLES_PER_SECOND, MAX_WATCHED, PREFIXES, SOURCES,
};
use floodwall_api::Limit;
use floodwall_host::{Mode, is_interface_name};
use floodwall_policy::{
    defaults,
    values::{Span, Stage},
    written::{self, BansTable, Mistake, RuleTable, ServiceTable, SuspectsTable},
};
use floodwall_tables::Capacity;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    interfaces: Vec<Spanned<String>>,
    mode: Option<Mode>,
    max_prefixes: Option<Spanned<u32>>,
    max_sources: Option<Spanned<u32>>,
    max_flows: Option<Spanned<u32>>,
    events_per_second: Option<Spanned<u64>>,
    samples_per_second: Option<Spanned<u64>>,
    lease: Option<Spanned<Span>>,
    watch_disk: Option<Spanned<Vec<PathBuf>>>,
    challenges: Option<bool>,
    #[serde(default)]
    observe: bool,
    #[serde(default)]
    monitor: Vec<Stage>,
    limit: Option<LimitTable>,
    incidents: Option<IncidentsTable>,
    metrics: Option<MetricsTable>,
    origin: Option<OriginTable>,
    web: Option<WebTable>,
    #[serde(default)]
    notify: Vec<Spanned<NotifyTable>>,
    suspects: Option<Spanned<SuspectsTable>>,
    bans: Option<Spanned<BansTable>>,
    #[serde(default)]
    defaults: BTreeMap<Spanned<String>, Spanned<RuleTable>>,
    #[serde(default)]
    service: Vec<Spanned<ServiceTable>>,
}

/// The rates of the two defaults that everybody changes first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitTable {
    packets: Option<Spanned<Limit>>,
    syn: Option<Spanned<Limit>>,
}

/// What is recorded of incidents.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct IncidentsTable {
    keep: Option<Span>,
    max_mebibytes: Option<Spanned<u64>>,
    redact_after: Option<Span>,
}

impl IncidentsTable {
    fn limits(self) -> Result<Limits, Mistake> {
        let Self { keep, max_mebibytes, redact_after } = self;
        let default = Limits::default();
        let seconds = |span: Option<Span>, or: u64| span.map_or(or, |span| span.0.as_secs());
        let mebibytes = within("max-mebibytes", max_mebibytes, &INCIDENT_MEBIBYTES)?;
        Ok(Limits {
            bytes: mebibytes.map_or(default.bytes, |mebibytes| mebibytes << 20),
            keep: seconds(keep, default.keep),
            redact_after: seconds(redact_after, default.redact_after),
        })
    }
}

/// Where metrics are to be had.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MetricsTable {
    listen: Spanned<ListenAddress>,
    #[serde(default)]
    beyond_loopback: bool,
}

impl MetricsTable {
    fn listen(self) -> Result<ListenAddress, Mistake> {
        let Self { listen, beyond_loopback } = self;
        if !listen.get_ref().is_local() && !beyond_loopback {
            let message = "others can reach that address, and there is no password: listen at 127.0.0.1 or a Unix socket, or \
                           say `beyond-loopback = true` beside it";
            return Err(Mistake { at: listen.span(), message: message.to_owned() });
        }
        Ok(listen.into_inner())
    }
}

/// Which networks and countries addresses are of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OriginTable {
    asn: Option<Spanned<Paths>>,
    country: Option<Spanned<Paths>>,
    #[serde(default)]
    cdn: BTreeMap<Spanned<String>, Spanned<RangesTable>>,
}

/// Where the ranges of a CDN or a crawler stand.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a path in quotes, several in brackets, or { files = …, service = \"…\" }")]
enum RangesTable {
    Files(Paths),
    OfService { files: Paths, service: String },
}

/// One path, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a path in quotes, or several in brackets")]
enum Paths {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl Paths {
    /// All of them, if they are absolute; `at` is where they stand, under this key of `[origin]`.
    fn absolute(self, key: &str, at: &Range<usize>) -> Result<Vec<PathBuf>, Mistake> {
        let paths = match self {
            Self::One(path) => vec![path],
            Self::Several(paths) => paths,
        };
        match paths.iter().find(|path| !path.is_absolute()) {
            None => Ok(paths),
            Some(path) => {
                let message = format!("origin.{key} names `{}`; a path begins with /", path.display());
                Err(Mistake { at: at.clone(), message })
            }
        }
    }
}

impl OriginTable {
    fn files(self) -> Result<Files, Mistake> {
        let Self { asn, country, cdn } = self;
        let absolute = |key: &str, paths: Option<Spanned<Paths>>| {
            let Some(paths) = paths else { return Ok(Vec::new()) };
            let at = paths.span();
            paths.into_inner().absolute(key, &at)
        };
        let cdn = cdn.into_iter().map(|(name, table)| ranges(&name, table)).collect::<Result<_, _>>()?;
        Ok(Files { asn: absolute("asn", asn)?, country: absolute("country", country)?, cdn })
    }
}

/// The files of the ranges of one name.
fn ranges(name: &Spanned<String>, table: Spanned<RangesTable>) -> Result<(RangeName, RangeFiles), Mistake> {
    let Some(known) = RangeName::new(name.get_ref()).filter(|known| known.to_string() == *name.get_ref())
    else {
        let message = format!(
            "`{}` is no name of ranges: a name is {}, in lower case",
            name.get_ref(),
            RangeName::FORM
        );
        return Err(Mistake { at: name.span(), message });
    };
    let at = table.span();
    let (files, service) = match table.into_inner() {
        RangesTable::Files(files) => (files, None),
        RangesTable::OfService { files, service } => (files, Some(service)),
    };
    let files = files.absolute(&format!("cdn.{known}"), &at)?;
    if files.is_empty() {
        let message = format!("origin.cdn.{known} names no file");
        return Err(Mistake { at, message });
    }
    Ok((known, RangeFiles { files, service }))
}

/// Where the page is to be had.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WebTable {
    listen: Spanned<ListenAddress>,
}

impl WebTable {
    fn listen(self) -> Result<ListenAddress, Mistake> {
        let Self { listen } = self;
        if !listen.get_ref().is_local() {
            let message = "others can reach that address, and the page is not encrypted: listen at 127.0.0.1 or a Unix socket, \
                           and look at it from elsewhere by `ssh -L`";
            return Err(Mistake { at: listen.span(), message: message.to_owned() });
        }
        Ok(listen.into_inner())
    }
}

impl File {
    pub(super) fn config(self) -> Result<Config, Mistake> {
        let Self {
            interfaces,
            mode,
            max_prefixes,
            max_sources,
            max_flows,
            events_per_second,
            samples_per_second,
            lease,
            watch_disk,
            challenges,
            observe,
            monitor,
            limit,
            incidents,
            metrics,
            origin,
            web,
            notify,
            suspects,
            bans,
            mut defaults,
            service,
        } = self;
        if let Some(LimitTable { packets, syn }) = limit {
            for (name, limit) in [(defaults::SOURCE_PACKETS, packets), (defaults::SOURCE_SYN, syn)] {
                let Some(limit) = limit else { continue };
                let at = limit.span();
                let Limit { rate, burst } = limit.into_inner();
                let table = Spanned::new(at.clone(), RuleTable::of_rate(rate, burst));
                if defaults.insert(Spanned::new(at.clone(), name.to_owned()), table).is_some() {
                    let message = format!("defaults.{name} says the same in another way; say it once");
                    return Err(Mistake { at, message });
                }
            }
        }
        let default = Capacity::default();
        let tables = written::Tables {
            defaults,
            services: service,
            suspects,
            bans,
            monitor,
            samples_per_second: within(
                "samples-per-second",
                samples_per_second,
                &(0..=MAX_SAMPLES_PER_SECOND),
            )?,
        };
        let policy = tables.policy()?;
        let notify = targets(notify, |service| policy.service(service).is_some())?;
        Ok(Config {
            interfaces: named(interfaces)?,
            mode: mode.unwrap_or_default(),
            capacity: Capacity {
                prefixes: within("max-prefixes", max_prefixes, &PREFIXES)?.unwrap_or(default.prefixes),
                sources: within("max-sources", max_sources, &SOURCES)?.unwrap_or(default.sources),
                flows: within("max-flows", max_flows, &FLOWS)?.unwrap_or(default.flows),
            },
            events_per_second: within("events-per-second", events_per_second, &(0..=MAX_EVENTS_PER_SECOND))?
                .unwrap_or(DEFAULT_EVENTS_PER_SECOND),
            lease: lease.map(lease_of).transpose()?.unwrap_or(DEFAULT_LEASE),
            challenges: challenges.unwrap_or(true),
            observe,
            watch_disk: match watch_disk {
                None => Config::default().watch_disk,
                Some(directories) => watched(directories)?,
            },
            incidents: incidents.unwrap_or_default().limits()?,
            metrics: metrics.map(MetricsTable::listen).transpose()?,
            origin: origin.map(OriginTable::files).transpose()?.unwrap_or_default(),
            web: web.map(WebTable::listen).transpose()?,
            notify,
            policy,
        })
    }
}

/// Who is told of incidents; `is_service` knows names of services.
fn targets(
    tables: Vec<Spanned<NotifyTable>>,
    is_service: impl Fn(&str) -> bool,
) -> Result<Vec<Target>, Mistake> {
    let mut targets: Vec<Target> = Vec::new();
    for table in tables {
        let at = table.span();
        let mistake = |message| Mistake { at: at.clone(), message };
        if targets.len() == MAX_TARGETS {
            return Err(mistake(format!("there may be {MAX_TARGETS} notify, and this is one more")));
        }
        let target = table.into_inner().target().map_err(mistake)?;
        let name = target.name();
        if targets.iter().any(|other| other.name() == name) {
            return Err(mistake(format!("notify {name}: there is another one of this name")));
        }
        if let Some(service) = target.services().iter().find(|service| !is_service(service)) {
            return Err(mistake(format!("notify {name}: there is no service `{service}`")));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn lease_of(value: Spanned<Span>) -> Result<Duration, Mistake> {
    let length = value.get_ref().0;
    if LEASES.contains(&length) {
        return Ok(length);
    }
    let [length, shortest, longest] =
        [length, *LEASES.start(), *LEASES.end()].map(humantime::format_duration);
    let message = format!("lease is {length}, and must be from {shortest} to {longest}");
    Err(Mistake { at: value.span(), message })
}

fn named(interfaces: Vec<Spanned<String>>) -> Result<Vec<String>, Mistake> {
    let mut names: Vec<String> = Vec::with_capacity(interfaces.len());
    for name in interfaces {
        let at = name.span();
        let name = name.into_inner();
        let message = if !is_interface_name(&name) {
            format!("`{name}` is no name of an interface; `ip link` shows them")
        } else if names.contains(&name) {
            format!("{name} is named twice")
        } else if names.len() == MAX_INTERFACES {
            format!("more than {MAX_INTERFACES} interfaces are named")
        } else {
            names.push(name);
            continue;
        };
        return Err(Mistake { at, message });
    }
    Ok(names)
}

fn watched(directories: Spanned<Vec<PathBuf>>) -> Result<Vec<PathBuf>, Mistake> {
    let at = directories.span();
    let directories = directories.into_inner();
    if directories.len() > MAX_WATCHED {
        let message =
            format!("watch-disk names {} directories, and may name {MAX_WATCHED}", directories.len());
        return Err(Mistake { at, message });
    }
    match directories.iter().find(|directory| !directory.is_absolute()) {
        Some(directory) => {
            let message = format!("watch-disk names `{}`; a directory begins with /", directory.display());
            Err(Mistake { at, message })
        }
        None => Ok(directories),
    }
}

fn within<T: Copy + PartialOrd + std::fmt::Display>(
    key: &str,
    value: Option<Spanned<T>>,
    range: &RangeInclusive<T>,
) -> Result<Option<T>, Mistake> {
    let Some(spanned) = value else { return Ok(None) };
    let value = *spanned.get_ref();
    if range.contains(&value) {
        return Ok(Some(value));
    }
    let message = format!("{key} is {value}, and must be from {} to {}", range.start(), range.end());
    Err(Mistake { at: spanned.span(), message })
}
