//! The filters, each as its users would have it drop a list of sources.

use std::{
    io::Write as _,
    os::fd::{BorrowedFd, OwnedFd},
    process::{Command, Stdio},
};

use anyhow::{Context as _, anyhow, bail};

use super::stage::{self, Stage, UNDER_ATTACK};
use crate::{bpf, floodwall::Floodwall, xdp_filter::XdpFilter};

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// No filter.
    Nobody,
    /// A set with a drop in the ingress hook of the interface.
    Nftables,
    /// A set in the raw table, before connection tracking.
    Ipset,
    XdpFilter,
    Floodwall,
}

impl Contender {
    pub(super) const ALL: [Self; 5] =
        [Self::Nobody, Self::Nftables, Self::Ipset, Self::XdpFilter, Self::Floodwall];

    /// The name that people see.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no filter",
            Self::Nftables => "nftables, ingress",
            Self::Ipset => "ipset + iptables raw",
            Self::XdpFilter => "xdp-filter",
            Self::Floodwall => "floodwall",
        }
    }

    /// Puts it in place. An XDP program stays there for as long as the descriptor that is returned.
    pub(super) fn install(
        self,
        stage: &Stage,
        floodwall: &Floodwall,
        xdp_filter: Result<&XdpFilter, &anyhow::Error>,
    ) -> anyhow::Result<Option<OwnedFd>> {
        match self {
            Self::Nobody => Ok(None),
            Self::Nftables => nftables(stage).map(|()| None),
            Self::Ipset => ipset(stage).map(|()| None),
            Self::XdpFilter => {
                let filter = xdp_filter.map_err(|error| anyhow!("{error:#}"))?;
                filter.block(stage::addresses())?;
                attach(stage, filter.program()?).map(Some)
            }
            Self::Floodwall => attach(stage, floodwall.program()?).map(Some),
        }
    }
}

fn attach(stage: &Stage, program: BorrowedFd<'_>) -> anyhow::Result<OwnedFd> {
    let interface = stage.interface();
    stage.host.enter(|| bpf::attach(program, interface))?.context("attaching in native mode")
}

fn nftables(stage: &Stage) -> anyhow::Result<()> {
    let elements: Vec<String> = stage::addresses().map(|address| address.to_string()).collect();
    let rules = format!(
        "table netdev bench {{
            set blocked {{ type ipv4_addr; elements = {{ {} }} }}
            chain ingress {{
                type filter hook ingress device \"{UNDER_ATTACK}\" priority -500; policy accept;
                ip saddr @blocked drop
            }}
        }}",
        elements.join(", ")
    );
    tell(stage.host.command("nft").args(["-f", "-"]), &rules)
}

fn ipset(stage: &Stage) -> anyhow::Result<()> {
    let members: String = stage::addresses().map(|address| format!("add blocked {address}\n")).collect();
    tell(stage.host.command("ipset").arg("restore"), &format!("create blocked hash:ip\n{members}"))?;
    let rule = ["-t", "raw", "-A", "PREROUTING", "-m", "set", "--match-set", "blocked", "src", "-j", "DROP"];
    tell(stage.host.command("iptables").args(rule), "")
}

/// Runs a command with this input.
fn tell(command: &mut Command, input: &str) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("running `{name}` (is it installed?)"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).with_context(|| format!("writing to `{name}`"))?;
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for `{name}`"))?;
    if !output.status.success() {
        bail!("`{name}`: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
