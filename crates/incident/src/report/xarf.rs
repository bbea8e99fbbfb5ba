//! A report to the network that an attack comes from: XARF v4 (<https://xarf.org>), of the type `ddos`.
//!
//! Only of sources that have completed handshakes, which nobody forges: a report by a forged address would accuse whoever
//! owns it. Ports and times are those of sampled packets; what was not seen is left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use floodwall_api::{IncidentProven, IncidentReport};
use floodwall_units as units;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::summary::title;

/// The version of XARF that is written.
const VERSION: &str = "4.2.0";
/// Networks that are named, where the one that is meant has no source.
const NAMED: usize = 5;

/// Who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// The organization that was attacked.
    pub org: String,
    /// Its address for mail.
    pub contact: String,
    /// What that address has behind its @.
    pub domain: String,
}

impl Reporter {
    /// Of an organization, and of an address for mail.
    ///
    /// # Errors
    ///
    /// If either is nothing that could be one; in words.
    pub fn new(org: &str, contact: &str) -> Result<Self, String> {
        let org = org.trim();
        if org.is_empty() || org.chars().count() > 200 || org.chars().any(char::is_control) {
            return Err("the name of an organization has 1 to 200 printable characters".to_owned());
        }
        let is_part = |part: &str| {
            !part.is_empty()
                && part.is_ascii()
                && !part.bytes().any(|b| b.is_ascii_control() || b" @<>\"".contains(&b))
        };
        match contact.split_once('@') {
            Some((name, domain)) if is_part(name) && is_part(domain) && domain.contains('.') => {
                Ok(Self { org: org.to_owned(), contact: contact.to_owned(), domain: domain.to_owned() })
            }
            _ => Err(format!("`{contact}` is no address for mail, such as abuse@example.com")),
        }
    }
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoReport(pub String);

/// The report to a network, one for all of its sources: the one that was sampled most is named, and the others are in the
/// evidence. `random` are 16 bytes, of which the report's number is made.
///
/// # Errors
///
/// If no source of that network is proven.
pub fn xarf(
    IncidentReport { incident, .. }: &IncidentReport,
    asn: u32,
    reporter: &Reporter,
    random: [u8; 16],
) -> Result<Value, NoReport> {
    let id = incident.id;
    let proven = &incident.sources.proven;
    if proven.is_empty() {
        return Err(NoReport(format!(
            "there is nothing to report of incident {id}: no source of it completed a handshake, as far as was recorded (or \
             addresses were cut since). Its packets may bear any address, and a report would accuse whoever owns that"
        )));
    }
    let of_it: Vec<&IncidentProven> = proven.iter().filter(|proven| proven.asn == Some(asn)).collect();
    let Some(most) = of_it.first() else {
        return Err(NoReport(format!(
            "no source of AS{asn} completed a handshake in incident {id}, as far as was recorded; {}",
            others(proven)
        )));
    };
    let times = |of: fn(&IncidentProven) -> u64| of_it.iter().map(move |proven| of(proven));
    let first_ms = times(|proven| proven.first_ms).min().unwrap_or_default();
    let last_ms = times(|proven| proven.last_ms).max().unwrap_or_default();
    let csv = evidence(&of_it);
    let contact = json!({"org": reporter.org, "contact": reporter.contact, "domain": reporter.domain});
    let description = format!(
        "{}. {} of AS{asn} opened connections that came to nothing, time and again: handshakes were completed, so that the \
         addresses are not forged. Numbers are of sampled packets, and lower than those that came.",
        title(incident),
        match of_it.len() {
            1 => "One source".to_owned(),
            sources => format!("{} sources", units::count(sources as u64)),
        }
    );
    Ok(json!({
        "xarf_version": VERSION,
        "report_id": uuid(random),
        "timestamp": rfc3339(last_ms),
        "reporter": contact,
        "sender": contact,
        "source_identifier": most.source,
        "source_port": most.source_port,
        "category": "connection",
        "type": "ddos",
        "destination_ip": most.destination,
        "destination_port": most.destination_port,
        "protocol": "tcp",
        "first_seen": rfc3339(first_ms),
        "last_seen": rfc3339(last_ms),
        "attack_vector": "connection_flood",
        "mitigation_applied": true,
        "evidence_source": "firewall_logs",
        "description": description.chars().take(1_000).collect::<String>(),
        "evidence": [{
            "content_type": "text/csv",
            "description": "The sources, each with ports and times (UTC) of its sampled packets",
            "payload": STANDARD.encode(&csv),
            "hash": format!("sha256:{}", hex(&Sha256::digest(&csv))),
            "size": csv.len(),
        }],
    }))
}

/// Which networks there are.
fn others(proven: &[IncidentProven]) -> String {
    let mut networks: Vec<(u32, usize)> = Vec::new();
    for asn in proven.iter().filter_map(|proven| proven.asn) {
        match networks.iter_mut().find(|(known, _)| *known == asn) {
            Some((_, sources)) => *sources += 1,
            None => networks.push((asn, 1)),
        }
    }
    if networks.is_empty() {
        return "whose the sources are that did is not known: name a database in the configuration, `[origin]` with `asn`".to_owned();
    }
    networks.sort_by_key(|(asn, sources)| (std::cmp::Reverse(*sources), *asn));
    let named = networks.iter().take(NAMED).map(|(asn, sources)| format!("AS{asn} ({sources})"));
    format!("networks of which some did: {}", named.collect::<Vec<_>>().join(", "))
}

fn evidence(sources: &[&IncidentProven]) -> String {
    let mut csv =
        "source,source_port,destination,destination_port,sampled_packets,first_seen,last_seen\n".to_owned();
    for proven in sources {
        let IncidentProven { source, source_port, destination, destination_port, sampled, .. } = proven;
        let (first, last) = (rfc3339(proven.first_ms), rfc3339(proven.last_ms));
        csv += &format!("{source},{source_port},{destination},{destination_port},{sampled},{first},{last}\n");
    }
    csv
}

fn rfc3339(time_ms: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(time_ms);
    humantime::format_rfc3339_millis(time).to_string()
}

/// A random UUID (RFC 9562, version 4).
fn uuid(mut random: [u8; 16]) -> String {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    let digits = hex(&random);
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map(|(from, to)| &digits[from..to]);
    parts.join("-")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    fn proven(last: u8, asn: Option<u32>) -> IncidentProven {
        IncidentProven {
            source: format!("203.0.113.{last}"),
            source_port: 40_000 + u16::from(last),
            destination: "192.0.2.10".into(),
            destination_port: 443,
            asn,
            sampled: 9,
            first_ms: 1_796_000_000_000 + u64::from(last),
            last_ms: 1_796_000_060_000 + u64::from(last),
        }
    }

    fn reporter() -> Reporter {
        Reporter::new("Example", "abuse@example.com").expect("sound")
    }

    #[test]
    fn a_report_is_of_the_sources_of_one_network() {
        let mut report = report();
        report.incident.sources.proven =
            vec![proven(7, Some(64_500)), proven(8, Some(64_501)), proven(9, Some(64_500))];
        let xarf = xarf(&report, 64_500, &reporter(), [0xff; 16]).expect("there are two");
        assert_eq!(
            (&xarf["source_identifier"], &xarf["source_port"]),
            (&json!("203.0.113.7"), &json!(40_007))
        );
        assert_eq!(xarf["report_id"], "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(xarf["first_seen"], "2026-11-30T00:53:20.007Z");
        assert_eq!(xarf["last_seen"], "2026-11-30T00:54:20.009Z");
        let payload =
            STANDARD.decode(xarf["evidence"][0]["payload"].as_str().expect("text")).expect("base64");
        let csv = String::from_utf8(payload).expect("text");
        assert!(
            csv.contains("\n203.0.113.9,40009,192.0.2.10,443,9,") && !csv.contains("203.0.113.8"),
            "{csv}"
        );
        assert_eq!(xarf["evidence"][0]["size"], csv.len());
        assert!(xarf.get("confidence").is_none(), "what the library refuses without a word");
    }

    #[test]
    fn there_is_none_of_what_may_be_forged_and_the_reason_is_told() {
        let mut report = report();
        let why = |report: &IncidentReport, asn| xarf(report, asn, &reporter(), [0; 16]).expect_err("none").0;
        let none = why(&report, 64_500);
        assert!(none.contains("no source of it completed a handshake") && none.contains("accuse"), "{none}");
        report.incident.sources.proven = vec![proven(7, None)];
        assert!(why(&report, 64_500).contains("name a database"));
        report.incident.sources.proven.push(proven(8, Some(64_501)));
        assert!(why(&report, 64_500).ends_with("networks of which some did: AS64501 (1)"));
    }

    #[test]
    fn who_reports_has_a_name_and_an_address() {
        for (org, contact) in
            [("", "a@b.c"), ("x", "a.b"), ("x", "a@b"), ("x", "a b@c.d"), ("x\n", "a\n@c.d")]
        {
            assert!(Reporter::new(org, contact).is_err(), "{org} {contact}");
        }
        assert_eq!(reporter().domain, "example.com");
    }
}
