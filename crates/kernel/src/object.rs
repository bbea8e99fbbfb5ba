//! What `build.rs` has compiled for the kernel: its programs and maps, created or taken up.

use std::{collections::HashMap, os::fd::AsFd as _};

use anyhow::{Context as _, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData},
    programs::{SchedClassifier, Xdp},
};

use super::pins::Pins;
use floodwall_tables::{Capacity, SharedTables, Table};

/// What `build.rs` made of `filter-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floodwall-filter"));
/// The filter.
pub(super) const PROGRAM: &str = "floodwall";
/// What challenges whatever asks for a connection, to prove that it can be done.
pub(super) const CHALLENGE: &str = "floodwall_challenge";
/// What looks at what leaves.
pub(super) const EGRESS: &str = "floodwall_egress";
/// The same for interfaces whose frames begin with the IP header.
pub(super) const IP_PROGRAM: &str = "floodwall_ip";
pub(super) const IP_EGRESS: &str = "floodwall_ip_out";
const OTHER_MAPS: [&str; 12] = [
    "LEFT",
    "REASON_COUNTS",
    "MONITOR_COUNTS",
    "RULE_COUNTS",
    "SIGNATURE_COUNTS",
    "SERVICE_COUNTS",
    "SAMPLE_METER",
    "BUSY_SOURCES",
    "EVENT_METER",
    "EVENTS",
    "BANS",
    "SAMPLES",
];

/// Maps without which no packet is judged or counted.
pub(super) const NEEDED: [&str; 8] =
    ["SETTINGS", "PREFIX_ROOTS", "PREFIX_LINES", "SOURCES", "RULES", "SIGNATURES", "FLOWS", "REASON_COUNTS"];

/// The name that the program knows a shared table by.
const fn map_name(table: Table) -> &'static str {
    match table {
        Table::Settings => "SETTINGS",
        Table::PrefixRoots => "PREFIX_ROOTS",
        Table::PrefixBitmaps => "PREFIX_BITMAPS",
        Table::PrefixLines => "PREFIX_LINES",
        Table::Sources => "SOURCES",
        Table::Aggregates => "AGGREGATES",
        Table::Ports => "PORTS",
        Table::Destinations => "DESTINATIONS",
        Table::Services => "SERVICES",
        Table::Rules => "RULES",
        Table::Signatures => "SIGNATURES",
        Table::Flows => "FLOWS",
        Table::Offered => "OFFERED",
        Table::Retransmissions => "RETRANSMISSIONS",
        Table::Names => "NAMES",
        Table::Requests => "REQUESTS",
        Table::Counted => "COUNTED",
        Table::Clients => "CLIENTS",
        Table::Fragments => "FRAGMENTS",
    }
}

/// What `build.rs` has made, with maps that are pinned, and taken up if they are there already.
pub(super) fn load_object(pins: Option<&Pins>, capacity: &Capacity) -> anyhow::Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    loader
        .map_max_entries("PREFIX_LINES", capacity.prefix_lines())
        .map_max_entries("SOURCES", capacity.source_sets())
        .map_max_entries("FLOWS", capacity.flow_lines());
    if let Some(pins) = pins {
        for name in Table::ALL.map(map_name).into_iter().chain(OTHER_MAPS) {
            loader.map_pin_path(name, pins.maps(capacity).join(name));
        }
    }
    loader.load(OBJECT).context("creating the BPF maps")
}

/// Has the kernel verify an XDP program.
pub(super) fn load_xdp<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a Xdp> {
    let program: &mut Xdp = ebpf
        .program_mut(name)
        .ok_or_else(|| anyhow!("the embedded object has no program `{name}`"))?
        .try_into()
        .context("the embedded program is not an XDP program")?;
    program
        .load()
        .context("the kernel's verifier refuses the program; please report this with your kernel version")?;
    Ok(program)
}

/// Has the kernel verify a filter and what looks at what leaves. Says what it calls the filter.
pub(super) fn load_programs(ebpf: &mut Ebpf, filter: &str, egress: &str) -> anyhow::Result<u32> {
    let program = load_xdp(ebpf, filter)?;
    let number = program.info().context("asking about the program")?.id();
    let observer: &mut SchedClassifier = ebpf
        .program_mut(egress)
        .ok_or_else(|| anyhow!("the embedded object has no program `{egress}`"))?
        .try_into()
        .context("the embedded program is none for what leaves")?;
    observer.load().context(
        "the kernel's verifier refuses the program that looks at what leaves; please report this with your kernel version",
    )?;
    Ok(number)
}

pub(super) fn xdp<'a>(ebpf: &'a Ebpf, name: &str) -> anyhow::Result<&'a Xdp> {
    ebpf.program(name)
        .ok_or_else(|| anyhow!("the program is gone"))?
        .try_into()
        .context("the program is not an XDP program")
}

pub(super) fn egress_of<'a>(ebpf: &'a Ebpf, name: &str) -> anyhow::Result<&'a SchedClassifier> {
    ebpf.program(name)
        .ok_or_else(|| anyhow!("the program is gone"))?
        .try_into()
        .context("the program is none for what leaves")
}

pub(super) fn take_map(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<Map> {
    ebpf.take_map(name).ok_or_else(|| anyhow!("the embedded object has no map `{name}`"))
}

pub(super) fn map_tables(ebpf: &mut Ebpf, capacity: &Capacity) -> anyhow::Result<SharedTables> {
    let maps = Table::ALL
        .into_iter()
        .map(|table| match take_map(ebpf, map_name(table))? {
            Map::Array(map) => Ok((table, map)),
            other => bail!("map `{}` is {other:?}, not an array", map_name(table)),
        })
        .collect::<anyhow::Result<HashMap<Table, MapData>>>()?;
    SharedTables::mapped(capacity, |table| maps[&table].fd().as_fd())
        .context("mapping the BPF maps into memory")
}
