//! The program on its interfaces, as the server sees it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use floodwall_common::wire::Reason;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::{
    api::{HealthReport, InterfaceStatus, ReasonCount},
    host::{Lifelines, Netlink},
    kernel::{Attachment, Kernel, ServiceTotals},
    options::{Mode, RunOptions},
    server::Dataplane,
    state::RuleCounts,
};

/// How often the host's own addresses and gateways, and what became of the interfaces, are read again.
const INTERVAL: Duration = Duration::from_secs(5);

/// The loaded program, its attachments, and what a block must not cut off.
pub(super) struct Protection {
    kernel: Kernel,
    netlink: Netlink,
    attachments: Mutex<Vec<Attachment>>,
    lifelines: RwLock<Lifelines>,
    health: Mutex<Option<HealthReport>>,
    all_detached: Arc<Notify>,
}

impl Protection {
    /// Attaches to every interface. If one cannot be attached, those that were attached by this call are let
    /// go again; those that an earlier run protected stay so.
    pub(super) async fn start(
        kernel: Kernel,
        netlink: Netlink,
        options: &RunOptions,
        mode: Mode,
        all_detached: Arc<Notify>,
    ) -> anyhow::Result<Self> {
        let before = kernel.attached_interfaces()?;
        let mut interfaces = Vec::new();
        for name in &options.interfaces {
            interfaces.push(netlink.interface(name).await?);
        }
        let mut attachments = Vec::new();
        for interface in &interfaces {
            match kernel.attach(interface, mode) {
                Ok(attachment) => attachments.push(attachment),
                Err(error) => {
                    let new: Vec<_> =
                        attachments.iter().filter(|new| !before.contains(&new.interface)).collect();
                    for attachment in new {
                        kernel.detach(&attachment.interface).context("undoing an attachment")?;
                    }
                    return Err(error);
                }
            }
        }
        for attachment in &attachments {
            announce(attachment);
        }
        // Links of interfaces that were not named now still run the program of an earlier run over its maps;
        // those maps must stay as long as they do.
        let forgotten: Vec<_> = before.iter().filter(|name| !options.interfaces.contains(name)).collect();
        if forgotten.is_empty() {
            kernel.remove_other_maps()?;
        } else {
            warn!(
                ?forgotten,
                "protected by an earlier run and not named now: left as they are, with that run's program"
            );
        }
        let protection = Self {
            kernel,
            netlink,
            attachments: Mutex::new(attachments),
            lifelines: RwLock::default(),
            health: Mutex::default(),
            all_detached,
        };
        protection.read_addresses().await?;
        Ok(protection)
    }

    /// What came for each service, by its number.
    pub(super) fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTotals)>> {
        self.kernel.service_counters()
    }

    /// Takes note of how the host fares.
    pub(super) fn set_health(&self, report: HealthReport) {
        *self.health.lock() = Some(report);
    }

    /// Keeps the lifelines up to date, and tells of interfaces that disappear, for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut dead = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let are_dead = self.attachments.lock().iter().filter(|attachment| attachment.is_dead()).count();
            if are_dead > dead {
                self.problems().iter().for_each(|problem| error!("{problem}"));
            }
            dead = are_dead;
            if let Err(error) = self.read_addresses().await {
                error!(
                    error = format!("{error:#}"),
                    "the host's addresses could not be read; those known before hold"
                );
            }
        }
    }

    async fn read_addresses(&self) -> anyhow::Result<()> {
        // Loopback addresses never come in from a wire; a list that covers them does no harm.
        let own =
            self.netlink.addresses().await?.into_iter().filter(|address: &IpAddr| !address.is_loopback());
        let lifelines =
            Lifelines { own: own.collect(), gateways: self.netlink.gateways().await?, logins: Vec::new() };
        *self.lifelines.write() = lifelines;
        Ok(())
    }
}

fn announce(attachment: &Attachment) {
    let Attachment { interface, native, fallback, .. } = attachment;
    let mode = if *native { "native" } else { "generic" };
    match fallback {
        None => info!(interface, mode, "protected"),
        Some(why) => {
            warn!(interface, mode, why, "PROTECTED IN GENERIC MODE ONLY: several times the cost per packet");
        }
    }
}

/// Why an interface is not filtered, if it is not.
fn problem(attachment: &Attachment) -> Option<String> {
    let Attachment { interface, .. } = attachment;
    attachment.is_dead().then(|| {
        format!("{interface} HAS DISAPPEARED and is not filtered; when it is back, start floodwall again")
    })
}

/// What an operator should know about an attachment.
fn warning(attachment: &Attachment) -> Option<String> {
    let Attachment { interface, native, fallback, .. } = attachment;
    if *native {
        return None;
    }
    let why = fallback.as_deref().unwrap_or("it was asked for");
    Some(format!("{interface} is filtered in generic mode, at several times the cost per packet: {why}"))
}

impl Dataplane for Protection {
    fn interfaces(&self) -> Vec<InterfaceStatus> {
        let mode = |native| if native { "native" } else { "generic" }.to_owned();
        let attachments = self.attachments.lock();
        attachments
            .iter()
            .map(|Attachment { interface, ifindex, native, .. }| InterfaceStatus {
                name: interface.clone(),
                ifindex: *ifindex,
                mode: mode(*native),
            })
            .collect()
    }

    fn problems(&self) -> Vec<String> {
        let attachments = self.attachments.lock();
        attachments.iter().filter_map(problem).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let attachments = self.attachments.lock();
        attachments.iter().filter_map(warning).collect()
    }

    fn counters(&self) -> anyhow::Result<Vec<ReasonCount>> {
        let verdict = |reason: floodwall_common::wire::Reason| match reason.verdict() {
            floodwall_common::wire::Verdict::Pass => "pass",
            floodwall_common::wire::Verdict::Drop => "drop",
        };
        let totals = self.kernel.counters()?;
        Ok(totals
            .into_iter()
            .map(|totals| ReasonCount {
                reason: totals.reason.name().to_owned(),
                verdict: verdict(totals.reason).to_owned(),
                packets: totals.packets,
                bytes: totals.bytes,
            })
            .collect())
    }

    fn signature_counters(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        self.kernel.signature_counters()
    }

    fn rule_counters(&self, fresh: &[u8]) -> anyhow::Result<RuleCounts> {
        fresh.iter().try_for_each(|number| self.kernel.clear_rule_counter(*number))?;
        let enforced = self.kernel.counters()?;
        let over = |reason: Reason| {
            let dropped = enforced.iter().find(|totals| totals.reason == reason);
            let (packets, bytes) = dropped.map_or((0, 0), |totals| (totals.packets, totals.bytes));
            let monitored = self.kernel.monitored(reason)?;
            anyhow::Ok((packets + monitored.0, bytes + monitored.1))
        };
        Ok(RuleCounts {
            rules: self.kernel.rule_counters()?,
            source_packets: over(Reason::PacketRate)?,
            source_syn: over(Reason::SynRate)?,
        })
    }

    fn health(&self) -> Option<HealthReport> {
        self.health.lock().clone()
    }

    fn detach(&self, interface: &str) -> anyhow::Result<Vec<String>> {
        let mut attachments = self.attachments.lock();
        let left = self.kernel.detach(interface)?;
        attachments.retain(|attachment| attachment.interface != interface);
        info!(interface, "detached");
        if attachments.is_empty() {
            self.all_detached.notify_one();
        }
        Ok(left)
    }

    fn lifelines(&self) -> Lifelines {
        self.lifelines.read().clone()
    }
}
