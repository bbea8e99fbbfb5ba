//! FastNetMon's interface to notification scripts, so that existing scripts keep working: one call for each attacked host,
//! `ban` when the attack begins and `unban` when it is over
//! (<https://fastnetmon.com/docs-fnm-advanced/fastnetmon-json-formats/>, and `notify_about_attack.sh` of its community
//! edition).
//!
//! floodwall counts neither by protocol nor outgoing traffic, so those of FastNetMon's counters are 0.

use std::{fmt::Write as _, net::IpAddr};

use floodwall_api::{Incident, IncidentSeverity};
use serde_json::{Map, Value, json};

use crate::message::Message;

/// Counters that scripts may expect and that floodwall does not have.
const NOT_COUNTED: [&str; 28] = [
    "total_outgoing_traffic",
    "total_outgoing_pps",
    "total_incoming_flows",
    "total_outgoing_flows",
    "average_outgoing_traffic",
    "average_outgoing_pps",
    "average_incoming_flows",
    "average_outgoing_flows",
    "incoming_ip_fragmented_traffic",
    "outgoing_ip_fragmented_traffic",
    "incoming_ip_fragmented_pps",
    "outgoing_ip_fragmented_pps",
    "incoming_tcp_traffic",
    "outgoing_tcp_traffic",
    "incoming_tcp_pps",
    "outgoing_tcp_pps",
    "incoming_syn_tcp_traffic",
    "outgoing_syn_tcp_traffic",
    "incoming_syn_tcp_pps",
    "outgoing_syn_tcp_pps",
    "incoming_udp_traffic",
    "outgoing_udp_traffic",
    "incoming_udp_pps",
    "outgoing_udp_pps",
    "incoming_icmp_traffic",
    "outgoing_icmp_traffic",
    "incoming_icmp_pps",
    "outgoing_icmp_pps",
];

/// `ban` or `unban`.
pub(super) const fn action(message: &Message) -> &'static str {
    match message.event {
        floodwall_incident::IncidentEvent::Ended => "unban",
        _ => "ban",
    }
}

/// The arguments of its JSON mode.
pub(super) fn json_arguments(message: &Message, address: IpAddr) -> Vec<String> {
    vec![action(message).to_owned(), address.to_string()]
}

/// The arguments of its text mode: host, direction, packets/s, action.
pub(super) fn text_arguments(message: &Message, address: IpAddr) -> Vec<String> {
    let power = message.incident.traffic.peak_packets.to_string();
    vec![address.to_string(), "incoming".to_owned(), power, action(message).to_owned()]
}

/// The standard input of its text mode: the details of a ban, and nothing for an unban.
pub(super) fn text(message: &Message, address: IpAddr) -> String {
    if message.is_over() {
        return String::new();
    }
    let incident = &message.incident;
    let (kind, protocol) = kind(incident);
    let traffic = &incident.traffic;
    let mut text = String::new();
    for (what, value) in [
        ("IP", address.to_string()),
        ("Attack uuid", uuid(incident, address)),
        ("Attack severity", severity(incident).to_owned()),
        ("Attack type", kind.to_owned()),
        ("Attack direction", "incoming".to_owned()),
        ("Attack protocol", protocol.to_owned()),
        ("Peak attack power", format!("{} packets per second", traffic.peak_packets)),
        ("Total incoming traffic", format!("{} mbps", traffic.peak_bytes * 8 / 1_000_000)),
        ("Total incoming pps", format!("{} packets per second", traffic.peak_packets)),
    ] {
        let _ = writeln!(text, "{what}: {value}");
    }
    let _ = write!(text, "\n{}", message.text());
    text
}

/// The standard input of its JSON mode. Rates are those of the whole host, in packets/s and bytes/s.
pub(super) fn document(message: &Message, address: IpAddr) -> Value {
    let incident = &message.incident;
    let traffic = &incident.traffic;
    let mean = |sum: u64| sum / traffic.seconds.max(1);
    let (kind, protocol) = kind(incident);
    let mut details: Map<String, Value> =
        NOT_COUNTED.iter().map(|name| ((*name).to_owned(), 0.into())).collect();
    for (name, value) in [
        ("attack_uuid", Value::from(uuid(incident, address))),
        ("attack_severity", severity(incident).into()),
        ("attack_type", kind.into()),
        ("initial_attack_power", traffic.peak_packets.into()),
        ("peak_attack_power", traffic.peak_packets.into()),
        ("attack_direction", "incoming".into()),
        ("attack_protocol", protocol.into()),
        ("attack_detection_source", "automatic".into()),
        ("total_incoming_traffic", traffic.peak_bytes.into()),
        ("total_incoming_pps", traffic.peak_packets.into()),
        ("average_incoming_traffic", mean(traffic.bytes).into()),
        ("average_incoming_pps", mean(traffic.packets).into()),
    ] {
        details.insert(name.to_owned(), value);
    }
    json!({
        "ip": address.to_string(),
        "action": action(message),
        "alert_scope": "host",
        "attack_details": details,
    })
}

const fn severity(incident: &Incident) -> &'static str {
    match incident.severity {
        IncidentSeverity::Warning => "middle",
        IncidentSeverity::Critical => "high",
    }
}

/// FastNetMon's names for the largest vector and its protocol.
fn kind(incident: &Incident) -> (&'static str, &'static str) {
    let Some(vector) = incident.vectors.first() else { return ("unknown", "unknown") };
    match vector.name.as_str() {
        "syn-flood" => ("syn_flood", "tcp"),
        "fragment-flood" => ("ip_fragmentation", "unknown"),
        name if name.starts_with("icmp") => ("icmp_flood", "icmp"),
        name if name.starts_with("udp") || name.ends_with("-reflection") || name.starts_with("dns") => {
            ("udp_flood", "udp")
        }
        name if name.starts_with("ack") || name.starts_with("connection") => ("unknown", "tcp"),
        _ => ("unknown", "unknown"),
    }
}

/// A UUID of version 8 (RFC 9562) that identifies a host and an incident.
fn uuid(incident: &Incident, address: IpAddr) -> String {
    let drawn = incident.key.rsplit('-').next().and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let drawn = drawn.unwrap_or(incident.began_ms);
    let of_host = match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64 ^ address.to_bits() as u64,
    };
    let (low, high) = (drawn & 0xfff, drawn >> 12);
    format!(
        "{:08x}-{:04x}-8{low:03x}-{:04x}-{:012x}",
        high >> 16 & 0xffff_ffff,
        high & 0xffff,
        of_host >> 48 & 0x3fff | 0x8000,
        (of_host ^ drawn >> 60) & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_incident::IncidentEvent;

    use crate::sample;

    #[test]
    fn a_ban_has_the_details_and_its_unban_the_same_uuid() {
        let address = IpAddr::from(sample::ADDRESS);
        let mut incident = sample::incident(1_796_000_000_000);
        incident.key = "floodwall-0123456789abcdef".to_owned();
        let ban = Message::new(IncidentEvent::Began, incident.clone().into());
        let unban = Message::new(IncidentEvent::Ended, sample::over(incident).into());
        assert_eq!(json_arguments(&ban, address), ["ban", "192.0.2.1"]);
        assert_eq!(text_arguments(&unban, address), ["192.0.2.1", "incoming", "100000", "unban"]);
        assert_eq!(text(&unban, address), "");
        assert!(text(&ban, address).starts_with("IP: 192.0.2.1\n"));
        let (ban, unban) = (document(&ban, address), document(&unban, address));
        assert_eq!((&ban["action"], &unban["action"]), (&"ban".into(), &"unban".into()));
        let details = &ban["attack_details"];
        assert_eq!(details["attack_type"], "syn_flood");
        assert_eq!(details["total_incoming_pps"], 100_000);
        assert_eq!(details["average_incoming_traffic"], 5_000_000);
        assert_eq!(details["attack_uuid"], unban["attack_details"]["attack_uuid"]);
        let uuid = details["attack_uuid"].as_str().expect("a text");
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!((lengths, &uuid[14..15]), (vec![8, 4, 4, 4, 12], "8"), "{uuid}");
        // As many as FastNetMon documents.
        assert_eq!(details.as_object().expect("an object").len(), 40);
    }
}
