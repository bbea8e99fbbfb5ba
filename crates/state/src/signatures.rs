//! Signatures that operators want as they are.

use std::time::{Duration, SystemTime};

use tracing::warn;

use super::{expiry::expiry, filter::Filter, ledger::Transaction, refusal::Refusal};
use floodwall_common::{frame::Captured, tables::Tables as _, wire::Reason};
use floodwall_detect::signature::{ParseError, Signature, naming};
use floodwall_detect::{Deployed, Detection, Ended, Sample};
use floodwall_store::Store;
use floodwall_store::records::Change;
use floodwall_tables::SharedTables;

impl Filter {
    /// What packets are judged by.
    pub fn tables(&self) -> &SharedTables {
        &self.tables
    }

    /// The signature in force that drops a packet whatever came before it, if there is one now.
    pub fn signature_that_drops(&self, frame: &Captured<'_>) -> Option<String> {
        let sample = Sample::read(&*self.tables, frame, self.tables.clock(), Reason::Signature)?;
        let snapshot = self.detection.get()?.snapshot();
        let mut drops = snapshot
            .signatures
            .iter()
            .filter(|(_, deployed, _)| deployed.enforced && deployed.asks.is_none());
        let (_, deployed, _) = drops.find(|(_, deployed, _)| sample.matches(&deployed.signature))?;
        Some(self.signature_in_words(&deployed.signature))
    }

    /// The name of a service.
    pub fn service_name(&self, number: u8) -> Option<String> {
        self.policy_state.lock().placement().service(number).map(str::to_owned)
    }

    /// The number of a service.
    pub fn service_number(&self, name: &str) -> Option<u8> {
        self.policy_state.lock().placement().services.get(name).copied()
    }

    /// A signature in an operator's words.
    pub fn signature_in_words(&self, signature: &Signature) -> String {
        naming::named(&signature.to_string(), |number| self.service_name(number))
    }

    /// A signature from an operator's words.
    pub fn signature_of(&self, text: &str) -> Result<Signature, ParseError> {
        naming::numbered(text, |name| self.service_number(name))?.parse()
    }

    /// When a signature is to be taken back, Unix seconds.
    pub fn signature_expiry(&self, text: &str) -> Option<u64> {
        self.records.lock().signature(text).and_then(|record| record.expires)
    }

    /// Signatures that are wanted, and whether they drop.
    pub fn pinned_signatures(&self) -> Vec<(Signature, bool)> {
        let records = self.records.lock().clone();
        let parsed = records.signatures().filter_map(|(text, enforced)| match self.signature_of(text) {
            Ok(signature) => Some((signature, enforced)),
            Err(error) => {
                warn!(text, %error, "a signature that was kept is not understood any more");
                None
            }
        });
        parsed.collect()
    }

    /// Deploys a signature as an operator wants it, for a time or for ever, in force and on disk; its number, and how it
    /// stands.
    pub fn pin_signature(
        &self,
        signature: Signature,
        enforced: bool,
        lifetime: Option<Duration>,
        detection: &Detection,
    ) -> Result<(usize, Deployed), Refusal> {
        let expires = lifetime.map(|lifetime| expiry(SystemTime::now(), lifetime)).transpose()?;
        let detection = detection.clone();
        self.transact(Pin { signature, enforced, expires, detection, pinned: None })?.ok_or_else(full)
    }

    /// Takes a signature back, out of force and off the disk, if it is there; says what it was.
    pub fn unpin_signature(&self, number: usize, detection: &Detection) -> Result<Deployed, Refusal> {
        // One that was found by itself is on no disk, and may go while nothing can be kept.
        let seen = detection.snapshot();
        let pinned = seen.signature(number).ok_or_else(|| no_such_number(number))?.pinned;
        if pinned {
            let detection = detection.clone();
            self.transact(Unpin { number, detection, removed: None })?.ok_or_else(|| no_such_number(number))
        } else {
            detection.remove(number)?.ok_or_else(|| no_such_number(number))
        }
    }
}

impl Filter {
    /// From now on signatures that come or go by themselves are deployed by this one, or taken back.
    pub fn attend(&self, detection: Detection) {
        // There is one detector.
        drop(self.detection.set(detection));
    }

    /// Deploys a signature as it was wanted before; before detection has begun that is done when it does.
    pub(super) fn redeploy(&self, text: &str, enforced: bool) -> Result<(), Refusal> {
        let Some(detection) = self.detection.get() else { return Ok(()) };
        let signature = self.signature_of(text).map_err(Refusal::invalid)?;
        detection.pin(signature, enforced)?.map(drop).ok_or_else(full)
    }

    /// Takes back a signature that an operator wanted.
    pub(super) fn retire(&self, text: &str) -> Result<(), Refusal> {
        let Some(detection) = self.detection.get() else { return Ok(()) };
        let seen = detection.snapshot();
        let is_it =
            |deployed: &Deployed| deployed.pinned && self.signature_in_words(&deployed.signature) == text;
        match seen.signatures.iter().find(|(_, deployed, _)| is_it(deployed)) {
            Some((number, ..)) => Ok(detection.remove(*number).map(drop)?),
            None => Ok(()),
        }
    }
}

/// Deploys a signature as an operator wants it.
struct Pin {
    signature: Signature,
    enforced: bool,
    expires: Option<u64>,
    detection: Detection,
    pinned: Option<(usize, Deployed)>,
}

impl Transaction for Pin {
    type Outcome = Option<(usize, Deployed)>;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let text = filter.signature_in_words(&self.signature);
        Ok(vec![Change::Signature { text, enforced: self.enforced, expires: self.expires }])
    }

    fn enforce(&mut self, _: &Filter) -> Result<(), Refusal> {
        self.pinned = Some(self.detection.pin(self.signature.clone(), self.enforced)?.ok_or_else(full)?);
        Ok(())
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> Self::Outcome {
        self.pinned
    }
}

/// Takes back a signature that an operator wanted.
struct Unpin {
    number: usize,
    detection: Detection,
    removed: Option<Deployed>,
}

impl Transaction for Unpin {
    type Outcome = Option<Deployed>;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let seen = self.detection.snapshot();
        let deployed = seen.signature(self.number).ok_or_else(|| no_such_number(self.number))?;
        Ok(vec![Change::ForgetSignature { text: filter.signature_in_words(&deployed.signature) }])
    }

    fn enforce(&mut self, _: &Filter) -> Result<(), Refusal> {
        self.removed = self.detection.remove(self.number)?;
        Ok(())
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> Self::Outcome {
        self.removed
    }
}

impl From<Ended> for Refusal {
    fn from(ended: Ended) -> Self {
        Self::Internal(ended.to_string())
    }
}

fn full() -> Refusal {
    Refusal::Full("there are 64 signatures already; drop one first".to_owned())
}

fn no_such_number(number: usize) -> Refusal {
    Refusal::NotFound(format!(
        "there is no signature {number}; `floodwall signature list` names those there are"
    ))
}
