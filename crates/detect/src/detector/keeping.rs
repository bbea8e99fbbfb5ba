//! Signatures of operators and of other detectors, and what outlives a restart.

use super::{Detector, REFUSED};
use crate::{
    deployment::Deployed,
    memory::{Memory, OtherVersion, Remembered},
    search::Refused,
    service_load::Load,
    signature::{Signature, naming},
};

impl Detector {
    /// What is to be kept over a restart, of services that have a name.
    pub fn remember(&self, name: impl Fn(u8) -> Option<String>) -> Memory {
        let services = self.baseline.services().filter_map(|(service, packets)| {
            let habits = self.loads.get(&service)?.habits();
            Some((name(service)?, Remembered::new(habits, packets)))
        });
        // Whether all have to come again hangs on what still passes, and is decided anew.
        let drops = |deployed: &Deployed| deployed.enforced && !deployed.pinned && deployed.asks.is_none();
        let found = self.signatures().filter(|(_, deployed)| drops(deployed));
        let found = found.map(|(_, deployed)| naming::named(&deployed.signature.to_string(), &name));
        Memory::new(services.collect(), found.collect())
    }

    /// Goes on with signatures that a detector before had [found](Memory::take_found), and that still drop.
    pub fn resume(&mut self, found: &[String], number: impl Fn(&str) -> Option<u8>, now_ns: u64) {
        // Of a service that is not there any more no packet comes.
        let understood = |text: &String| naming::numbered(text, &number).ok()?.parse().ok();
        for signature in found.iter().filter_map(understood) {
            self.deployment.take_over(signature, false, true, now_ns);
        }
        self.deploy();
    }

    /// Takes up what was kept, of services that there still are.
    ///
    /// # Errors
    ///
    /// If it was kept by a floodwall of another version.
    pub fn recall(
        &mut self,
        memory: Memory,
        number: impl Fn(&str) -> Option<u8>,
    ) -> Result<(), OtherVersion> {
        for (name, remembered) in memory.services()? {
            let Some(service) = number(&name) else { continue };
            self.loads.insert(service, Load::of(remembered.habits.clone()));
            self.baseline.recall(service, remembered.packets());
        }
        self.settled = !self.baseline.is_fresh();
        Ok(())
    }

    /// Deploys a signature that an operator wants. Gives its number; `None` if there is no room for another.
    pub fn pin(&mut self, signature: Signature, enforced: bool, now_ns: u64) -> Option<usize> {
        let number = self.deployment.pin(signature, enforced, now_ns)?;
        self.deploy();
        Some(number)
    }

    /// Deploys a signature that another detector has: one that was found there is enforced, rests and is taken back
    /// here as it would be there. Gives its number; `None` if there is no room for another.
    pub fn take_over(
        &mut self,
        signature: Signature,
        pinned: bool,
        enforced: bool,
        now_ns: u64,
    ) -> Option<usize> {
        let number = self.deployment.take_over(signature, pinned, enforced, now_ns)?;
        self.deploy();
        Some(number)
    }

    /// Takes a signature back. Neither it nor what resembles it is found again for a while.
    pub fn remove(&mut self, number: usize, now_ns: u64) -> Option<Deployed> {
        let removed = self.deployment.remove(number)?;
        self.refused.push(Refused {
            signature: removed.signature.clone(),
            until_ns: now_ns + REFUSED,
            by_operator: true,
        });
        self.deploy();
        Some(removed)
    }
}
