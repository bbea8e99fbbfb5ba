//! The programs that tests drive or measure against.

use std::path::Path;

use anyhow::Result;
use floodwall_lab::skip::require_tool;

use super::debian::{self, Apt};
use crate::steps::Steps;
use crate::vm;

/// A program and the Debian package that has it.
const PROGRAMS: [(&str, &str); 12] = [
    ("ip", "iproute2"),
    ("ethtool", "ethtool"),
    ("bpftool", "bpftool"),
    ("nft", "nftables"),
    ("ipset", "ipset"),
    ("tcpdump", "tcpdump"),
    ("xdp-filter", "xdp-tools"),
    ("hping3", "hping3"),
    ("tcpreplay", "tcpreplay"),
    ("wrk", "wrk"),
    ("wg", "wireguard-tools"),
    ("pppd", "ppp"),
];

/// Those that are not installed.
pub(crate) fn missing() -> Vec<&'static str> {
    lacking().map(|(program, _)| program).collect()
}

/// Those of this checkout's tests, and those of its virtual machine.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROGRAMS.into_iter().chain(vm::PROGRAMS)
}

fn lacking() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter(|(program, _)| require_tool(program).is_err())
}

/// Installs those that are missing; what cannot be had is told, and its tests will say so too.
///
/// # Errors
/// When the package manager fails half-way.
pub(super) fn ensure(steps: &Steps, apt: &mut Apt) -> Result<()> {
    let packages: Vec<_> = lacking().map(|(_, package)| package).collect();
    if packages.is_empty() {
        steps.ok("programs for tests", &all().map(|(program, _)| program).collect::<Vec<_>>().join(" "));
        return Ok(());
    }
    let consequence = "tests that use them will be skipped and counted as such";
    if !Path::new("/usr/bin/apt-get").exists() {
        steps.lacking(&packages.join(" "), &format!("{consequence}; install them with your package manager"));
        return Ok(());
    }
    match debian::install_available(steps, apt, "programs for tests", &packages) {
        Ok(absent) if absent.is_empty() => {}
        Ok(absent) => {
            steps
                .lacking(&absent.join(" "), &format!("{consequence}; this distribution has no such package"));
        }
        Err(error) => steps.lacking(&packages.join(" "), &format!("{consequence}; {error:#}")),
    }
    Ok(())
}
