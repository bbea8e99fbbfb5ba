//! The program on its interfaces, as the server sees it.

use std::{collections::BTreeMap, net::IpAddr};

use floodwall_common::wire::{Reason, Verdict, knowledge};

use super::protection::{LOOK, Protection};
use crate::{
    api::{
        ChallengeStatus, DoctorCheck, HealthReport, InterfaceStatus, MachineStatus, ProofStatus, ReasonCount,
        ServiceTraffic, TaskRestarts, WouldCount,
    },
    kernel::{MonitoredTotals, ServiceTotals},
    policy::Lifelines,
    server::{Dataplane, Examination, LockdownFigures},
    state::RuleCounts,
};

/// What is told where nothing was asked for.
const NONE_NAMED: &str = "NOTHING IS FILTERED: no interface is named in the configuration (`interfaces`); `floodwall setup` \
                          proposes what to write there";

impl Dataplane for Protection {
    /// As they are at this moment, not at the last look: what is told to be filtered is.
    fn interfaces(&self) -> Vec<InterfaceStatus> {
        self.runtime.block_on(async {
            // A command that is under way knows better.
            if let Ok(_changes) = self.changes.try_lock() {
                let reconciler = self.reconciler();
                // What a kernel that is busy does not answer is told as it was.
                let _ = tokio::time::timeout(LOOK, reconciler.look(&self.protected)).await;
            }
        });
        self.protected.lock().statuses()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.protected.lock().problems();
        if self.protected.lock().is_empty() {
            problems.push(NONE_NAMED.to_owned());
        }
        problems.extend(self.tasks.problems());
        problems
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.protected.lock().warnings();
        warnings.extend(self.seen.lock().unseen.iter().map(ToString::to_string));
        warnings
    }

    fn counters(&self) -> anyhow::Result<Vec<ReasonCount>> {
        let verdict = |reason: Reason| match reason.verdict() {
            Verdict::Pass => "pass",
            Verdict::Drop => "drop",
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

    fn would_drop(&self) -> anyhow::Result<Vec<WouldCount>> {
        let mut would = Vec::new();
        for reason in Reason::ALL {
            let totals = self.kernel.monitored(reason)?;
            if totals != MonitoredTotals::default() {
                let MonitoredTotals { known, unknown } = totals;
                would.push(WouldCount {
                    reason: reason.name().to_owned(),
                    known_packets: known.0,
                    known_bytes: known.1,
                    unknown_packets: unknown.0,
                    unknown_bytes: unknown.1,
                });
            }
        }
        Ok(would)
    }

    fn challenges(&self) -> anyhow::Result<ChallengeStatus> {
        let known = self.kernel.tables().settings[0].knowledge.load();
        let totals = self.kernel.service_counters()?.into_iter().map(|(_, totals)| totals);
        let nothing =
            ChallengeStatus { possible: known & knowledge::CHALLENGES != 0, ..ChallengeStatus::default() };
        Ok(totals.fold(nothing, |sum, totals| ChallengeStatus {
            sent: sum.sent.wrapping_add(totals.challenged),
            answered: sum.answered.wrapping_add(totals.proven),
            ..sum
        }))
    }

    fn lockdowns(&self) -> BTreeMap<String, LockdownFigures> {
        self.lockdowns.lock().clone()
    }

    fn services(&self) -> anyhow::Result<Vec<(u8, ServiceTraffic)>> {
        let traffic = |totals: ServiceTotals| ServiceTraffic {
            packets: totals.packets,
            bytes: totals.bytes,
            dropped: totals.dropped,
            syns: totals.syns,
            new_sources: totals.new_sources,
            challenged: totals.challenged,
            proven: totals.proven,
            locked_out: totals.locked_out,
            admitted: totals.admitted,
            sampled: totals.samples,
            ..ServiceTraffic::default()
        };
        let totals = self.kernel.service_counters()?.into_iter();
        Ok(totals.map(|(number, totals)| (number, traffic(totals))).collect())
    }

    fn restarts(&self) -> Vec<TaskRestarts> {
        self.tasks.restarts()
    }

    fn proofs(&self) -> Vec<ProofStatus> {
        self.seen.lock().proofs()
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
            let monitored = self.kernel.monitored(reason)?.all();
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

    fn machine(&self) -> MachineStatus {
        self.machine.lock().clone()
    }

    fn examine(&self, examination: Examination) -> anyhow::Result<Vec<DoctorCheck>> {
        self.examined(examination)
    }

    fn attach(&self, interface: &str) -> anyhow::Result<InterfaceStatus> {
        self.runtime.block_on(async {
            let _changes = self.changes.lock().await;
            self.reconciler().attach(&self.protected, interface).await
        })
    }

    fn detach(&self, interface: &str) -> anyhow::Result<Vec<String>> {
        let _changes = self.changes.blocking_lock();
        let held = self.protected.lock().held(interface);
        for name in &held {
            self.kernel.detach(name)?;
        }
        // The link of an interface that is gone may still be pinned.
        self.kernel.sweep()?;
        let left = self.kernel.attached_interfaces()?;
        let mut protected = self.protected.lock();
        protected.forget(interface);
        tracing::info!(interface, "detached");
        if protected.is_empty() {
            self.all_detached.notify_one();
        }
        Ok(left)
    }

    fn lifelines(&self) -> Lifelines {
        // Whom the host asks and talks to changes from moment to moment: no block is refused for that.
        Lifelines { resolvers: Vec::new(), peers: Vec::new(), ..self.lifelines.read().clone() }
    }

    fn lives_by(&self) -> Lifelines {
        Lifelines { own: Vec::new(), peers: Vec::new(), ..self.lifelines.read().clone() }
    }

    fn is_reached_by(&self, local: IpAddr) -> bool {
        self.reached.read().contains(&local)
    }

    fn never_banned(&self) -> Lifelines {
        self.spared()
    }
}
