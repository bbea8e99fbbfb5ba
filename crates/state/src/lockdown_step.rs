//! Services that are closed and opened by themselves: steps of a lockdown, as whoever watches the service wants them.
//!
//! Each is a change like any other, so that a restart goes on where the daemon was. What an operator has said meanwhile
//! holds: a step of a lockdown that is not opened step by step any more is not taken.

use std::time::SystemTime;

use floodwall_store::{
    Store,
    records::{Change, LockdownRecord},
};
use floodwall_units::unix;

use super::{filter::Filter, ledger::Transaction, lockdown::share, refusal::Refusal};

/// A step of a lockdown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LockdownStep {
    /// The service is closed; it will be opened step by step.
    Close,
    /// This share of others gets in, per cent.
    Admit(f64),
    /// The service is open to all.
    Open,
}

impl Filter {
    /// Takes a step of a service's lockdown. Says whether it was taken: it is not, if an operator has said something else
    /// meanwhile, or has yet to confirm the lockdown.
    pub fn step_lockdown(&self, service: &str, step: LockdownStep) -> Result<bool, Refusal> {
        self.transact(Step { service: service.to_owned(), step, taken: None })
    }

    /// Closes a service that is being opened to all but known clients, at once: before that is on disk.
    pub fn shut(&self, service: &str) -> Result<bool, Refusal> {
        let record = self.records.lock().lockdowns().get(service).copied();
        if let Some(record) = record.filter(|record| record.reopening) {
            let closed = LockdownRecord { admitted: 0, ..record };
            let said = [(service.to_owned(), Some(closed.in_force()))];
            self.policy_state.lock().close(&self.tables, said)?;
        }
        self.step_lockdown(service, LockdownStep::Admit(0.0))
    }

    /// Whether an operator has yet to confirm what was said of a service's lockdown.
    pub fn lockdown_is_on_trial(&self, service: &str) -> bool {
        let open = Change::Open { service: service.to_owned() };
        self.records.lock().trials().undo_of(&open).is_some()
    }
}

struct Step {
    service: String,
    step: LockdownStep,
    /// How the service is closed then, or that it is not; not there, if the step is not taken.
    taken: Option<Option<LockdownRecord>>,
}

impl Step {
    /// What becomes of a lockdown.
    fn of(&self, now: Option<LockdownRecord>) -> Result<Option<Option<LockdownRecord>>, Refusal> {
        Ok(match (self.step, now) {
            (LockdownStep::Close, None) => Some(Some(LockdownRecord {
                since: unix::seconds(SystemTime::now()),
                by_itself: true,
                reopening: true,
                ..LockdownRecord::default()
            })),
            (LockdownStep::Admit(percent), Some(record)) if record.reopening => {
                Some(Some(LockdownRecord { admitted: share(percent)?, ..record }))
            }
            (LockdownStep::Open, Some(record)) if record.reopening => Some(None),
            _ => None,
        })
    }
}

impl Transaction for Step {
    type Outcome = bool;
    const BY_ITSELF: bool = true;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let service = self.service.clone();
        if filter.lockdown_is_on_trial(&service) {
            return Ok(Vec::new());
        }
        self.taken = self.of(filter.records.lock().lockdowns().get(&service).copied())?;
        Ok(match self.taken {
            Some(Some(lockdown)) => vec![Change::Close { service, lockdown }],
            Some(None) => vec![Change::Open { service }],
            None => Vec::new(),
        })
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        // Where it is not taken, what is known holds: see [`Filter::shut`].
        let record = match self.taken {
            Some(record) => record,
            None => filter.records.lock().lockdowns().get(&self.service).copied(),
        };
        let said = [(self.service.clone(), record.map(|record| record.in_force()))];
        filter.policy_state.lock().close(&filter.tables, said)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> bool {
        self.taken.is_some()
    }
}
