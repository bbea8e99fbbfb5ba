//! The configuration file: TOML, every key optional.
//!
//! ```toml
//! interfaces = ["eth0"]      # which are protected, by their names or alternative ones; without: none
//! mode = "native"            # or "generic", "auto"
//! max-prefixes = 1250000     # both lists and families together
//! max-sources = 1000000      # sources tracked at once
//! max-flows = 1000000        # flows that the host carries, known at once
//! events-per-second = 200    # drops told, of however many
//! lease = "60s"              # what was decided by itself holds for so long after the controller was heard of last
//! watch-disk = ["/var/log"]  # directories that services log to: their file systems are watched for room
//! challenges = true          # requests for connections are challenged where an attack forges them; false: they come again
//! observe = true             # lists, signatures and rules that are named here are in force; all else only counts
//!
//! [incidents]                # the record of attacks
//! keep = "365d"              # for so long,
//! max-mebibytes = 64         # and at most so much of it;
//! redact-after = "30d"       # addresses are cut to the prefixes that they lie in after that
//!
//! [metrics]                  # for Prometheus; nobody is listened to without this
//! listen = "127.0.0.1:9101"  # or "unix:/run/floodwall/metrics.sock"; other addresses with beyond-loopback = true
//! [web]                      # a page for a browser; there is none without this
//! listen = "127.0.0.1:9102"  # or "unix:/run/floodwall/web.sock"; never an address that others can reach
//!
//! [origin]                   # which networks and countries addresses are of, by files that you name
//! asn = "/var/lib/origin/asn.mmdb"  # of MaxMind's format, or prefixes and numbers as text; or several: ["…", "…"]
//! country = "/var/lib/origin/country.mmdb"
//! cdn.example = "/var/lib/origin/example.json"  # the ranges of a CDN or a crawler, for `allow add cdn:example`; or several files
//! cdn.other = { files = "/var/lib/origin/other.json", service = "EDGE" }  # one service of those that the document tells of
//!
//! [[notify]]                 # who is told of incidents: `floodwall_notify`
//! name = "pager"
//! kind = "pagerduty"
//! key = { credential = "pagerduty" }
//!
//! [limit]                    # per source; until `floodwall limit set` says otherwise
//! packets = { rate = 20000, burst = 40000 }
//! syn = { rate = 100, burst = 200 }
//! ```
//!
//! Services and rules are told of in [`policy::written`](floodwall_policy::written).

mod fault;
mod file;
pub mod options;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use floodwall_incident as incidents;
use floodwall_listen::ListenAddress;
use floodwall_notify::Target;
use floodwall_origin as origin;

pub use self::fault::Fault;
use self::file::File;
use crate::options::RunOptions;
use floodwall_host::Mode;
use floodwall_policy::{Limits, Policy, limits_of};
use floodwall_tables::Capacity;

/// The file's content, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Interfaces to protect.
    pub interfaces: Vec<String>,
    /// How the program is to run.
    pub mode: Mode,
    /// What the tables are made for.
    pub capacity: Capacity,
    /// Drops told, per second, over all CPUs.
    pub events_per_second: u64,
    /// How long what was decided by itself holds after the controller was heard of last.
    pub lease: Duration,
    /// Requests for connections are answered with a challenge where an attack forges them.
    pub challenges: bool,
    /// Only what the operator names is in force: lists, rules and signatures. Everything else counts.
    pub observe: bool,
    /// Directories that services log to: their file systems are watched for room.
    pub watch_disk: Vec<PathBuf>,
    /// How much is recorded of incidents, and for how long.
    pub incidents: incidents::Limits,
    /// Where metrics are to be had; `None`: nowhere.
    pub metrics: Option<ListenAddress>,
    /// Files that tell which networks and countries addresses are of.
    pub origin: origin::Files,
    /// Where the page for a browser is to be had; `None`: nowhere.
    pub web: Option<ListenAddress>,
    /// Who is told of incidents.
    pub notify: Vec<Target>,
    /// Services and rules.
    pub policy: Policy,
}

/// Fewest and most prefixes that tables are made for; rule numbers have 24 bits.
const PREFIXES: std::ops::RangeInclusive<u32> = 1_000..=8_000_000;
/// Fewest and most sources.
const SOURCES: std::ops::RangeInclusive<u32> = 1_024..=134_217_728;
/// Fewest and most flows.
const FLOWS: std::ops::RangeInclusive<u32> = 1_024..=64_000_000;
/// Longest file that is read: many times what all services and rules take.
const MAX_BYTES: u64 = 1 << 20;
/// Long enough for an upgrade, and not too long for a service that is opened meanwhile.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);
/// Shorter ones would lapse whenever the machine is busy for a moment, and longer ones are none.
const LEASES: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(86_400);
/// Least and most that is recorded of incidents, MiB.
const INCIDENT_MEBIBYTES: std::ops::RangeInclusive<u64> = 8..=65_536;
const DEFAULT_EVENTS_PER_SECOND: u64 = 200;
const MAX_EVENTS_PER_SECOND: u64 = 100_000;
/// Where services log to, and systemd's journal does.
const WATCH_DISK: [&str; 3] = ["/var/log", "/var/log/journal", "/run/log/journal"];
/// Most directories whose file systems are watched.
const MAX_WATCHED: usize = 32;
/// Most interfaces that are protected.
const MAX_INTERFACES: usize = 64;
/// More would be felt.
const MAX_SAMPLES_PER_SECOND: u64 = 100_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            mode: Mode::default(),
            capacity: Capacity::default(),
            events_per_second: DEFAULT_EVENTS_PER_SECOND,
            lease: DEFAULT_LEASE,
            challenges: true,
            observe: false,
            watch_disk: WATCH_DISK.iter().map(PathBuf::from).collect(),
            incidents: incidents::Limits::default(),
            metrics: None,
            origin: origin::Files::default(),
            web: None,
            notify: Vec::new(),
            policy: Policy::default(),
        }
    }
}

impl Config {
    /// What holds for a run: its options win over its file, and that over the defaults.
    pub fn of(options: &RunOptions) -> anyhow::Result<Self> {
        let mut config = match &options.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        if !options.interfaces.is_empty() {
            config.interfaces.clone_from(&options.interfaces);
        }
        config.mode = options.mode.unwrap_or(config.mode);
        config.observe |= options.observe;
        config.capacity.prefixes = options.max_prefixes.unwrap_or(config.capacity.prefixes);
        config.capacity.sources = options.max_sources.unwrap_or(config.capacity.sources);
        config.capacity.flows = options.max_flows.unwrap_or(config.capacity.flows);
        config.check()?;
        Ok(config)
    }

    /// Reads a file. The error names the line and column, and what is allowed there.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        Self::read_with_text(path).map(|(config, _)| config)
    }

    /// As [`Self::read`], with what the file says.
    pub fn read_with_text(path: &Path) -> anyhow::Result<(Self, String)> {
        let read = || {
            let mut bytes = Vec::new();
            fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = read().with_context(|| format!("reading the configuration {}", path.display()))?;
        let config =
            Self::parse_bytes(&bytes).with_context(|| format!("configuration {}", path.display()))?;
        // It has been understood, and so is text.
        Ok((config, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Understands what is in a file.
    fn parse_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Fault::new("", None, format!("more than {MAX_BYTES} bytes are no configuration")));
        }
        let text = str::from_utf8(bytes).map_err(|error| {
            let sound = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            let end = sound.len();
            Fault::new(&sound, Some(end..end), "this is no text (UTF-8)")
        })?;
        Self::parse(text)
    }

    /// Understands a text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let file: File =
            toml::from_str(text).map_err(|error| Fault::new(text, error.span(), error.message()))?;
        file.config().map_err(|mistake| Fault::new(text, Some(mistake.at), mistake.message))
    }

    /// Limits of every source.
    pub fn limits(&self) -> Limits {
        limits_of(&self.policy)
    }

    /// Values that the tables cannot hold.
    pub fn check(&self) -> anyhow::Result<()> {
        within("max-prefixes", self.capacity.prefixes, &PREFIXES)?;
        within("max-sources", self.capacity.sources, &SOURCES)?;
        within("max-flows", self.capacity.flows, &FLOWS)
    }
}

fn within(key: &str, value: u32, range: &std::ops::RangeInclusive<u32>) -> anyhow::Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    bail!("{key} is {value}, and must be from {} to {}", range.start(), range.end())
}

#[cfg(test)]
mod tests {
    use floodwall_common::wire::Reason;

    use super::*;
    use floodwall_policy::{Per, Rate, RuleId, Spares, Then, defaults};

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").expect("valid"), Config::default());
    }

    #[test]
    fn options_win_over_the_interfaces_of_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("floodwall.toml");
        fs::write(&file, "interfaces = [\"eth0\", \"eth1\"]").expect("written");
        let options = |interfaces: &[&str]| RunOptions {
            interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
            config: Some(file.clone()),
            state_dir: PathBuf::new(),
            accept_state: false,
            socket: PathBuf::new(),
            mode: None,
            bpffs: PathBuf::new(),
            max_prefixes: None,
            max_sources: None,
            max_flows: None,
            observe: false,
        };
        let interfaces = |named: &[&str]| Config::of(&options(named)).expect("valid").interfaces;
        assert_eq!(interfaces(&[]), ["eth0", "eth1"]);
        assert_eq!(interfaces(&["wan"]), ["wan"]);
    }

    #[test]
    fn a_default_spares_nobody_once_its_limit_is_named() {
        let spares = |text: &str| {
            let policy = Config::parse(text).expect("valid").policy;
            policy.rule(&RuleId::new("default", defaults::SOURCE_PACKETS)).expect("a default").spares
        };
        assert_eq!(spares(""), Spares::KnownInPeace);
        assert_eq!(spares("[limit]\npackets = { rate = 20000, burst = 40000 }"), Spares::Nobody);
        let said = "[defaults]\nsource-packets = { rate = 20000, spares = \"known-in-peace\" }";
        assert_eq!(spares(said), Spares::KnownInPeace);
        assert_eq!(spares("[defaults]\nsource-packets = { rate = 9, strangers = true }"), Spares::Known);
    }

    #[test]
    fn one_limit_leaves_the_other() {
        let config = Config::parse("[limit]\nsyn = { rate = 5, burst = 10 }").expect("valid");
        assert_eq!(config.limits().syn, Some(Rate { rate: 5, burst: 10 }));
        assert_eq!(config.limits().packets, limits_of(&Policy::default()).packets);
    }

    #[test]
    fn metrics_are_off_unless_said_otherwise_and_local_unless_said_otherwise() {
        let listen =
            |text: &str| Config::parse(text).expect("valid").metrics.map(|listen| listen.to_string());
        assert_eq!(listen(""), None);
        for place in ["127.0.0.1:9101", "[::1]:9101", "unix:/run/floodwall/metrics.sock"] {
            assert_eq!(listen(&format!("[metrics]\nlisten = \"{place}\"")).as_deref(), Some(place));
        }
        let beyond = "[metrics]\nlisten = \"0.0.0.0:9101\"\nbeyond-loopback = true";
        assert_eq!(listen(beyond).as_deref(), Some("0.0.0.0:9101"));
    }

    #[test]
    fn services_and_rules() {
        let config = Config::parse(
            r#"
            monitor = ["unsolicited", "stray"]
            [defaults]
            source-syn = { rate = 50 }
            source-icmp = { mode = "off" }
            [[service]]
            name = "web"
            destinations = ["192.0.2.10", "2001:db8::/64"]
            protocol = "tcp"
            ports = [80, "8000-8099"]
            probe = "tcp://192.0.2.10:80"
            [[service.rule]]
            per = "source"
            of = "syn"
            rate = "200/s"
            burst = 400
            [[service.rule]]
            per = "source-prefix"
            of = "bytes"
            rate = "20 MB/s"
            prefix = { v6 = 56 }
            mode = "monitor"
            when = "probe over 500ms"
            "#,
        )
        .expect("valid");
        let policy = config.policy;
        let formerly_stray = Reason::OutOfState.bit();
        assert_eq!(policy.monitored, Reason::Unsolicited.bit() | formerly_stray);
        let default = &policy.services[0];
        assert_eq!(default.rules.len(), defaults::rules().len() - 1);
        assert_eq!(default.rules[1].rate, Rate { rate: 50, burst: 50 });
        let web = policy.service("web").expect("there");
        let syn = web.rules.iter().find(|rule| rule.name == "source-syn").expect("a default, changed");
        assert_eq!(syn.rate, Rate { rate: 200, burst: 400 });
        assert_eq!(syn.then, Then::Limit, "what is not said stays");
        let bytes = web.rules.last().expect("its own");
        assert_eq!((bytes.name.as_str(), bytes.per), ("prefix-bytes", Per::SourcePrefix));
        assert_eq!(
            (bytes.rate.rate, bytes.prefix.v4, bytes.prefix.v6, bytes.monitor),
            (20_000_000, 24, 56, true)
        );
        assert_eq!(web.ports, [80..=80, 8000..=8099]);
    }

    #[test]
    fn databases_of_origins_are_named_by_their_paths() {
        let files = |text: &str| Config::parse(text).map(|config| config.origin);
        assert_eq!(files("").expect("valid"), origin::Files::default());
        let both = files("[origin]\nasn = [\"/v4.txt\", \"/v6.txt\"]\ncountry = \"/c.mmdb\"").expect("valid");
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let (asn, country) = (paths(&["/v4.txt", "/v6.txt"]), paths(&["/c.mmdb"]));
        assert_eq!(both, origin::Files { asn, country, ..origin::Files::default() });
        for (text, line, expected) in [
            ("[origin]\n\nasn = \"asn.mmdb\"", 3, "begins with /"),
            ("[origin]\nasn = 7", 2, "a path"),
            ("[origin]\ncity = \"/x\"", 2, "`asn`"),
        ] {
            let fault = files(text).expect_err(text);
            assert!(fault.line == line && fault.message.contains(expected), "{fault}");
        }
    }

    #[test]
    fn ranges_of_a_cdn_are_named_with_their_files() {
        let cdn = |text: &str| Config::parse(text).map(|config| config.origin.cdn);
        let found = cdn("[origin.cdn]\none = \"/a\"\ntwo-2 = [\"/b\", \"/c\"]\n\
                         three = { files = \"/d\", service = \"EDGE\" }\n")
        .expect("valid");
        let found: Vec<_> = found
            .into_iter()
            .map(|(name, origin::RangeFiles { files, service })| (name.to_string(), files.len(), service))
            .collect();
        let expected = [("one", 1, None), ("three", 1, Some("EDGE")), ("two-2", 2, None)];
        assert_eq!(
            found,
            expected.map(|(name, files, service)| (name.to_owned(), files, service.map(str::to_owned)))
        );
        for (text, line, expected) in [
            ("[origin]\ncdn.x = \"a\"", 2, "origin.cdn.x names `a`; a path begins with /"),
            ("[origin.cdn]\n\"a b\" = \"/a\"", 2, "`a b` is no name of ranges"),
            ("[origin.cdn]\nCloud = \"/a\"", 2, "in lower case"),
            ("[origin.cdn]\nx = []", 2, "names no file"),
            ("[origin.cdn]\nx = 7", 2, "service"),
            ("[origin.cdn]\nx = { service = \"EDGE\" }", 2, "service"),
        ] {
            let fault = cdn(text).expect_err(text);
            assert!(fault.line == line && fault.message.contains(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn who_is_told_has_a_name_of_their_own() {
        let one = "[[notify]]\nname = \"a\"\nkind = \"command\"\npath = \"/a\"\nservices = [\"default\"]\n";
        assert_eq!(Config::parse(one).expect("valid").notify[0].name(), "a");
        let fault = Config::parse(&format!("{one}{one}")).expect_err("two of one name");
        assert!(fault.line == 6 && fault.message.contains("another one of this name"), "{fault}");
        // A secret that stands where none should is not repeated, as what is told here goes into logs.
        let secret = "[[notify]]\nname = \"a\"\nkind = \"pagerduty\"\nkey = \"s3cret\"";
        let fault = Config::parse(secret).expect_err("no secret").to_string();
        assert!(fault.contains("where a secret lies") && !fault.contains("s3cret"), "{fault}");
    }

    #[test]
    fn what_is_no_text_is_placed_and_what_is_too_long_refused() {
        let fault = Config::parse_bytes(b"mode = \"native\"\n# \xff").expect_err("no UTF-8");
        assert_eq!((fault.line, fault.column), (2, 3), "{fault}");
        let fault = Config::parse_bytes(&vec![b'#'; MAX_BYTES as usize + 1]).expect_err("too long");
        assert!(fault.to_string().contains("no configuration"), "{fault}");
    }

    #[test]
    fn mistakes_are_placed_and_explained() {
        for (text, line, expected) in [
            ("mode = \"fast\"", 1, "native"),
            ("\ninterfaces = [\"eth0\", \"../eth1\"]", 2, "no name of an interface"),
            ("interfaces = [\"eth0\", \"eth0\"]", 1, "twice"),
            ("interfaces = \"eth0\"", 1, "sequence"),
            ("max-prefix = 3", 1, "max-prefixes"),
            ("\n\nmax-sources = \"x\"", 3, "u32"),
            ("max-sources = 3", 1, "1024"),
            ("[limit]\nsyn = { rate = 0, burst = 1 }", 2, "nothing would ever pass"),
            ("events-per-second = 100001", 1, "100000"),
            ("\nlease = \"1s\"", 2, "from 5s to 1day"),
            ("lease = 60", 1, "expected a string"),
            ("\n[[notify]]\nname = \"a\"\nkind = \"pigeon\"", 4, "alertmanager"),
            ("\n[[notify]]\nname = \"a\"\nkind = \"command\"", 2, "`path` is missing"),
            (
                "[[notify]]\nname = \"a\"\nkind = \"command\"\npath = \"/a\"\nwhen = 1",
                5,
                "unknown field `when`",
            ),
            (
                "[[notify]]\nname = \"a\"\nkind = \"command\"\npath = \"/a\"\nservices = [\"b\"]",
                1,
                "no service `b`",
            ),
            ("mode = \"auto\"\nwatch-disk = [\"var/log\"]", 2, "begins with /"),
            ("monitor = [\"clean\"]", 1, "unsolicited"),
            ("[metrics]\nlisten = \"0.0.0.0:9101\"", 2, "beyond-loopback"),
            ("[metrics]\nlisten = \"9101\"", 2, "ADDRESS:PORT"),
            ("[metrics]\nlisten = \"unix:x\"", 2, "absolute"),
            ("[web]\nlisten = \"0.0.0.0:9102\"", 2, "ssh -L"),
            ("[web]\nlisten = \"127.0.0.1:1\"\nport = 1", 3, "listen"),
            ("[metrics]\n", 1, "listen"),
            ("[metrics]\nlisten = \"127.0.0.1:1\"\nport = 1", 3, "beyond-loopback"),
            ("[defaults]\nsource-sin = { burst = 7 }", 2, "source-syn"),
            ("[defaults]\nsource-syn = { rate = 200000001 }", 2, "200000000"),
            ("[[service]]\nports = [80]", 1, "name"),
            ("[[service]]\nname = \"a b\"", 2, "letters"),
            ("[[service]]\nname = \"a\"\nprotocol = \"http\"", 3, "icmp"),
            ("[[service]]\nname = \"a\"\nports = [\"9-1\"]", 3, "8000-8099"),
            ("[[service]]\nname = \"a\"\nprotocol = \"icmp\"\nports = [1]", 4, "no ports"),
            ("[[service]]\nname = \"a\"\ndestinations = [\"10.0.0.1/8\"]", 3, "10.0.0.0/8"),
            ("[[service]]\nname = \"a\"\n[[service]]\nname = \"a\"\nports = [1]", 4, "second service"),
            ("[[service]]\nname = \"a\"\n[[service]]\nname = \"b\"\nports = [1]", 4, "no packet is for it"),
            ("[[service]]\nname = \"a\"\n[[service.rule]]\nrate = 1", 3, "per and of"),
            ("[[service]]\nname = \"a\"\n[[service.rule]]\nper = \"source\"\nof = \"sin\"", 5, "syn-ack"),
            ("[[service]]\nname = \"a\"\n[[service.rule]]\nper = \"source\"\nof = \"udp\"", 3, "rate"),
            (
                "[[service]]\nname = \"a\"\nrule = [{ name = \"source-syn\", then = \"ban\" }]",
                3,
                "ban for 60s",
            ),
            (
                "[[service]]\nname = \"a\"\nrule = [{ name = \"source-syn\", when = \"load over 3\" }]",
                3,
                "softirq",
            ),
            ("[[service]]\nname = \"a\"\nports = []", 3, "all of them"),
            ("[defaults]\nsource-syn = { ceiling = { known-percent = 300 } }", 2, "0 to 100"),
            ("[defaults]\nsource-syn = { ceiling = {} }", 2, "bans-per-minute"),
            ("[defaults]\nsource-syn = { rate = nan }", 2, "whole number"),
            ("[defaults]\nsource-syn = { rate = 99999999999999999999 }", 2, "beyond"),
            ("[defaults]\nsource-syn = { then = \"ban for 0s\" }", 2, "365 days"),
            ("[bans]\nceiling = \"0s\"", 2, "from 1 s"),
            ("[bans]\nforget-after = \"500000000y\"", 2, "to 365 d"),
            ("[bans]\nfactor = 0", 1, "1 (bans"),
            ("[bans]\nceiling = 5", 2, "string"),
        ] {
            let fault = Config::parse(text).expect_err(text);
            assert_eq!(fault.line, line, "`{text}`: {fault}");
            assert!(fault.message.contains(expected), "`{text}`: {fault}");
        }
    }
}
