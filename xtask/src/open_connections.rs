//! `cargo xtask open-connections`: the connections that were there before a capture begins, for `floodwall replay --host`.
//!
//! A filter that starts on a host finds connections in the table of its sockets; one that replays a capture sees them only
//! from their next segment on. Of a capture that begins in peace, the connections whose first segment within some seconds is
//! no SYN were there before.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use floodwall_common::frame::Captured;
use floodwall_common::parse::{self, Fragment, Parsed, protocol, tcp_flag};
use floodwall_lab::pcap::Reader;
use serde_json::{Value, json};

/// How much of a capture is looked at, seconds: in those of the corpus, whatever was open has sent something by then.
pub(crate) const SECONDS: f64 = 8.0;

/// What to read.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The capture, which should begin in peace: what attackers send counts as well
    capture: PathBuf,
    /// What `floodwall replay` is told of the host by --host; its addresses say which end is the host's
    #[arg(long, value_name = "HOST.json")]
    host: PathBuf,
    /// How much of the capture is looked at, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = SECONDS)]
    seconds: f64,
}

/// Prints what is told of the host, with the connections: for `floodwall replay --host`.
///
/// # Errors
///
/// When a file cannot be read, the capture is damaged within these seconds, or the host has no address.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let told = told(&options.capture, &options.host, options.seconds)?;
    let found = told["connections"].as_array().map_or(0, Vec::len);
    eprintln!("{found} connections were open when {} begins", options.capture.display());
    println!("{}", serde_json::to_string_pretty(&told).context("writing JSON")?);
    Ok(ExitCode::SUCCESS)
}

/// What a file tells of a host, with the connections that were there before a capture begins, as its first seconds show.
///
/// # Errors
///
/// When a file cannot be read, the capture is damaged within these seconds, or the host has no address.
pub(crate) fn told(capture: &Path, host: &Path, seconds: f64) -> Result<Value> {
    let reading = || format!("reading {}", host.display());
    let text = fs::read_to_string(host).with_context(reading)?;
    let mut host: Value = serde_json::from_str(&text).with_context(reading)?;
    let addresses = addresses(&host).with_context(reading)?;
    let found = open(capture, &addresses, seconds)?;
    let rows =
        found.iter().map(|(local, remote)| json!({"protocol": "tcp", "local": local, "remote": remote}));
    host["connections"] = rows.collect();
    Ok(host)
}

/// Those that `--host` finds: a list, or what a scenario says of the protected host.
fn addresses(host: &Value) -> Result<HashSet<IpAddr>> {
    ensure!(host.is_object(), "it is no object");
    let one_or_many = |value: &Value| value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
    let protected = &host["protected"];
    let all = [&host["addresses"], &protected["v4"], &protected["v6"]];
    let mut addresses = HashSet::new();
    for value in all.into_iter().flat_map(one_or_many).filter(|value| !value.is_null()) {
        let address = value.as_str().and_then(|text| text.parse().ok());
        addresses.insert(address.with_context(|| format!("`{value}` is no address"))?);
    }
    ensure!(!addresses.is_empty(), "it names no address; `addresses` lists those of the host");
    Ok(addresses)
}

/// The host's end and the other one of each connection whose first segment is no SYN.
fn open(capture: &Path, own: &HashSet<IpAddr>, seconds: f64) -> Result<BTreeSet<(SocketAddr, SocketAddr)>> {
    let mut capture = Reader::open(capture)?;
    let (mut start, mut scratch) = (None, Vec::new());
    let (mut seen, mut open) = (HashSet::new(), BTreeSet::new());
    while let Some(packet) = capture.read()? {
        let start = *start.get_or_insert(packet.nanoseconds);
        // Packets may have changed places on their way into the file.
        if packet.nanoseconds.saturating_sub(start) as f64 >= seconds * 1e9 {
            break;
        }
        let frame = packet.ethernet(&mut scratch);
        let Some((ends, flags)) = segment(&Captured::cut(frame.bytes, frame.length), own) else { continue };
        if seen.insert(ends) && flags & tcp_flag::SYN == 0 {
            open.insert(ends);
        }
    }
    Ok(open)
}

/// The host's end of a segment's connection and the other one, and its flags.
fn segment(frame: &Captured<'_>, own: &HashSet<IpAddr>) -> Option<((SocketAddr, SocketAddr), u8)> {
    let Parsed::Packet(packet) = parse::parse(frame) else { return None };
    if packet.protocol != protocol::TCP || packet.fragment == Fragment::Later {
        return None;
    }
    let source = SocketAddr::new(packet.source.into(), packet.source_port);
    let destination = SocketAddr::new(packet.destination.into(), packet.destination_port);
    let ends = if own.contains(&destination.ip()) {
        (destination, source)
    } else if own.contains(&source.ip()) {
        (source, destination)
    } else {
        return None;
    };
    Some((ends, packet.tcp_flags))
}

#[cfg(test)]
mod tests {
    use floodwall_lab::frame::Frame;
    use floodwall_lab::pcap::Writer;

    use super::*;

    const HOST: &str = "192.0.2.10";
    const OTHER: &str = "198.51.100.7";

    fn found(frames: Vec<(u64, Vec<u8>)>) -> Vec<(u16, u16)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pcap");
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (millisecond, frame) in frames {
            writer.frame(1_767_225_600_000_000_000 + millisecond * 1_000_000, &frame).unwrap();
        }
        fs::write(&path, writer.finish().unwrap()).unwrap();
        let own = [HOST, "2001:db8::1"].map(|address| address.parse().unwrap()).into();
        let open = open(&path, &own, 8.0).unwrap();
        open.into_iter().map(|(local, remote)| (local.port(), remote.port())).collect()
    }

    #[test]
    fn a_connection_was_there_if_its_first_segment_is_no_syn() {
        let incoming = |port: u16| Frame::ipv4(OTHER, HOST).tcp(port, 443);
        let outgoing = |port: u16| Frame::ipv4(HOST, OTHER).tcp(443, port);
        let v6 = Frame::ipv6("2001:db8::7", "2001:db8::1").tcp(20_008, 22).ack().build();
        assert_eq!(
            found(vec![
                (0, incoming(20_000).ack().build()),
                // Its request is seen, and what follows is no other connection.
                (1, incoming(20_001).syn().build()),
                (2, incoming(20_001).ack().build()),
                // Answers to requests of the host, which may be before the capture; then they are not yet open.
                (3, incoming(20_002).syn().ack().build()),
                // The host's own segment is the first.
                (4, outgoing(20_003).ack().build()),
                (5, incoming(20_003).ack().build()),
                (6, incoming(20_004).fin().ack().build()),
                // Neither TCP nor of the host.
                (7, Frame::ipv4(OTHER, HOST).udp(20_005, 443).build()),
                (8, Frame::ipv4(OTHER, "192.0.2.11").tcp(20_006, 443).ack().build()),
                (7_998, v6),
                (8_000, incoming(20_007).ack().build()),
            ]),
            [(443, 20_000), (443, 20_003), (443, 20_004), (22, 20_008)]
        );
        assert!(found(Vec::new()).is_empty());
    }

    #[test]
    fn the_host_is_told_as_for_replay() {
        let read = |text: &str| addresses(&serde_json::from_str(text).unwrap());
        let expected =
            |all: &[&str]| all.iter().map(|address| address.parse().unwrap()).collect::<HashSet<_>>();
        assert_eq!(read(r#"{"addresses": ["192.0.2.10"]}"#).unwrap(), expected(&[HOST]));
        assert_eq!(
            read(r#"{"protected": {"v4": ["192.0.2.10"], "v6": "2001:db8::1", "mac": "x"}}"#).unwrap(),
            expected(&[HOST, "2001:db8::1"])
        );
        for text in ["{}", "[]", r#"{"addresses": ["host"]}"#, r#"{"addresses": [7]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
