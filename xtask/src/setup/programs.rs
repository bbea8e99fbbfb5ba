//! The programs that tests drive or measure against.

use std::path::Path;

use floodwall_lab::skip::require_tool;

use super::debian::{self, Apt};
use super::services;
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
    let all = PROGRAMS.into_iter().chain(vm::PROGRAMS);
    let tools = all.map(|(program, _)| program).filter(|program| require_tool(program).is_err());
    tools.chain(services::missing()).collect()
}

/// Installs those that are missing; what cannot be had is told, and its tests will say so too.
///
/// The emulator is a step of its own: its packages exclude those of another release's emulator, and a machine that has
/// one of these would otherwise get none of the others either.
pub(super) fn ensure(steps: &Steps, apt: &mut Apt) {
    ensure_group(steps, apt, "programs for tests", &PROGRAMS);
    ensure_group(steps, apt, "virtual machine for tests", &vm::PROGRAMS);
}

fn ensure_group(steps: &Steps, apt: &mut Apt, what: &str, programs: &[(&'static str, &'static str)]) {
    let lacking = programs.iter().filter(|(program, _)| require_tool(program).is_err());
    let packages: Vec<_> = lacking.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return steps.ok(what, &programs.iter().map(|(program, _)| *program).collect::<Vec<_>>().join(" "));
    }
    let consequence = "tests that use them will be skipped and counted as such";
    if !Path::new("/usr/bin/apt-get").exists() {
        steps.lacking(&packages.join(" "), &format!("{consequence}; install them with your package manager"));
        return;
    }
    match debian::install_available(steps, apt, what, &packages) {
        Ok(absent) if absent.is_empty() => {}
        Ok(absent) => {
            let why = format!("{consequence}; this distribution has no such package");
            steps.lacking(&absent.join(" "), &why);
        }
        Err(error) => steps.lacking(&packages.join(" "), &format!("{consequence}; {error:#}")),
    }
}
