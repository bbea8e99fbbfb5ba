//! Memory that the kernel keeps for a program.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
};

use anyhow::{Context as _, anyhow};
use aya::{maps::MapInfo, programs::loaded_programs};

/// Bytes that the kernel says it keeps for the program and all of its maps: `memlock` in their `fdinfo`.
pub(crate) fn kept_for(program: BorrowedFd<'_>) -> anyhow::Result<u64> {
    let id = field(program, "prog_id")?;
    let mut bytes = field(program, "memlock")?;
    for info in loaded_programs() {
        let info = info.context("asking about the loaded programs")?;
        if u64::from(info.id()) != id {
            continue;
        }
        for map in info.map_ids().context("asking about the program's maps")?.unwrap_or_default() {
            let map = MapInfo::from_id(map).context("asking about a map")?;
            bytes += field(map.fd().context("opening a map")?.as_fd(), "memlock")?;
        }
    }
    Ok(bytes)
}

/// A number out of the `fdinfo` of a descriptor.
fn field(descriptor: BorrowedFd<'_>, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.ok_or_else(|| anyhow!("{path} has no `{name}`"))?.trim();
    value.parse().with_context(|| format!("`{name}` in {path} is `{value}`"))
}
