//! What is known of where a packet goes, by its five-tuple.

use std::net::IpAddr;

use floodwall_common::{
    flow,
    parse::{Packet, protocol},
    prefix::Address,
    service,
    tables::Tables as _,
};

use crate::filter::Filter;
use floodwall_api::{WhyPacket, WhyReport};
use floodwall_detect::signature::{Heading, Signature};

/// A packet by its five-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiveTuple {
    /// UDP; else TCP.
    pub udp: bool,
    /// Where it comes from,
    pub source: IpAddr,
    /// and the port there.
    pub source_port: u16,
    /// Where it goes,
    pub destination: IpAddr,
    /// and the port there.
    pub destination_port: u16,
}

impl Filter {
    /// Adds to a report which service a packet is for, whether something listens there, whether its flow is known, and
    /// which signatures may match it.
    pub fn add_packet(&self, report: &mut WhyReport, tuple: FiveTuple) {
        let FiveTuple { udp, source, source_port, destination, destination_port } = tuple;
        let packet = Packet {
            source: Address::canonical(source),
            destination: Address::canonical(destination),
            source_port,
            destination_port,
            protocol: if udp { protocol::UDP } else { protocol::TCP },
            ..Packet::default()
        };
        let settings = &self.tables.settings[0];
        let port = service::port(&*self.tables, settings, &packet).unwrap_or_default();
        let now_ns = self.tables.told_clock().unwrap_or_else(|| self.tables.clock());
        let heading =
            Heading { protocol: packet.protocol, service: port.service, source_port, destination_port };
        for signature in &mut report.signatures {
            // One that is not understood any more may match anything.
            let may_match = |parsed: Signature| parsed.may_match(heading);
            signature.may_match &= self.signature_of(&signature.text).map_or(true, may_match);
        }
        report.packet = Some(WhyPacket {
            protocol: if udp { "udp" } else { "tcp" }.to_owned(),
            source_port,
            destination: destination.to_string(),
            destination_port,
            service: self.service_name(port.service).unwrap_or_else(|| "default".to_owned()),
            offered: port.offered,
            mutual: flow::is_mutual(&*self.tables, settings, &packet, now_ns).unwrap_or(false),
        });
    }
}
