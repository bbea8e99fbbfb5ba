//! Changes on trial: in force at once, and undone at their time unless somebody confirms them.
//!
//! What undoes a change is worked out when it is taken, and written in the same batch: so it is on disk before the change
//! is in force, and a start after the time is over undoes what a daemon that was killed has left. What undoes it is written in
//! one batch with the word that the trial is over, and is therefore done once. When a trial is over is looked at by the daemon
//! (`daemon/undo_unconfirmed.rs`), which also undoes what is no matter of the state: whether an interface is protected.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tracing::warn;

use super::{
    expiry::expiry,
    filter::{Filter, grace, list_of},
    ledger::Transaction,
    refusal::Refusal,
};
use floodwall_api::{ListName, TrialReport};
use floodwall_event::What;
use floodwall_policy::RuleId;
use floodwall_store::Store;
use floodwall_store::records::{Change, Origin, Origins, Records, RuleRecord, SignatureRecord, Trial, Undo};
use floodwall_tables::{
    Prefix,
    prefixes::{self, List},
};
use floodwall_units::unix;

/// Longest time in which a change may be confirmed.
pub const LONGEST_TRIAL: Duration = Duration::from_secs(86_400);

/// What a change on trial is held to.
#[derive(Clone, Debug)]
pub struct Terms {
    /// It is undone after so long.
    pub within: Duration,
    /// What was asked for, in the words of the command line.
    pub command: String,
}

/// A trial that whoever asks for a change asks for with it.
#[derive(Debug)]
pub(super) struct Wanted {
    terms: Terms,
    begun: Mutex<Option<Trial>>,
}

impl Wanted {
    /// Adds the trial to changes that have been taken, and are about to be written.
    pub(super) fn join(&self, filter: &Filter, changes: &mut Vec<Change>) -> Result<Trial, Refusal> {
        let trial = {
            let records = filter.records.lock();
            trial(&self.terms, &records, undo_of(filter, &records, changes)?)?
        };
        changes.push(Change::Trial(trial.clone()));
        Ok(trial)
    }

    /// The change is in force.
    pub(super) fn has_begun(&self, trial: Trial) {
        *self.begun.lock() = Some(trial);
    }
}

impl Filter {
    /// Makes the changes that `work` asks for, on trial if there are terms for that; says which trial has begun.
    pub fn on_trial<T>(&self, terms: Option<Terms>, work: impl FnOnce() -> T) -> (T, Option<TrialReport>) {
        let Some(terms) = terms else { return (work(), None) };
        let wanted = Arc::new(Wanted { terms, begun: Mutex::new(None) });
        let outcome = super::Caller::current().on_trial(Arc::clone(&wanted)).asks(work);
        let begun = wanted.begun.lock().as_ref().map(report);
        (outcome, begun)
    }

    /// Begins the trial of a change that is not one of the state, before it is made: what undoes it is on disk then.
    pub fn begin_trial(&self, terms: Terms, undo: Vec<Undo>) -> Result<TrialReport, Refusal> {
        Ok(report(&self.transact(Begin { terms, undo, begun: None })?))
    }

    /// What was on trial stays: one change, or all of them. Returns which.
    pub fn confirm(&self, number: Option<u64>) -> Result<Vec<TrialReport>, Refusal> {
        self.transact(Confirm { number, confirmed: Vec::new() })
    }

    /// Changes that wait for somebody to confirm them.
    pub fn trials(&self) -> Vec<TrialReport> {
        self.records.lock().trials().all().map(report).collect()
    }

    /// When the next trial is over.
    pub fn next_trial_end(&self) -> Option<SystemTime> {
        let at = self.records.lock().trials().next_end()?;
        Some(UNIX_EPOCH + Duration::from_secs(at))
    }

    /// Trials whose time is over.
    pub fn overdue_trials(&self, now: SystemTime) -> Vec<Trial> {
        let now = unix::seconds(now);
        self.records.lock().trials().all().filter(|trial| trial.until <= now).cloned().collect()
    }

    /// Undoes what a trial has changed of the state, unless it is over already; says whether it was not.
    pub fn undo_trial(&self, number: u64) -> Result<bool, Refusal> {
        self.transact(UndoTrial { number, trial: None })
    }

    /// Brings into force what undoes a change. What cannot be is told, and is as it should be at the next start.
    fn enforce_undo(&self, trial: &Trial) {
        let mut rules = Vec::new();
        for undo in &trial.undo {
            let Undo::Change { change } = undo else { continue };
            let outcome = match &**change {
                Change::Add { list, prefix, .. } => self.want(list_of(*list), *prefix, Origin::Manual),
                Change::Remove { list, prefix, .. } => {
                    self.unlist_one(list_of(*list), *prefix, self.owned_by(Origin::Manual))
                }
                Change::Return { prefix, imports } => self.give_back(*prefix, imports),
                Change::Ban { prefix, ban } => self.want(List::Block, *prefix, ban.origin),
                Change::Forget { origin } => self.withdraw(*origin).map(drop),
                Change::Signature { text, enforced, .. } => self.redeploy(text, *enforced),
                Change::ForgetSignature { text } => self.retire(text),
                Change::HoldConfiguration { text, .. } => self.hold(text),
                Change::SetRule { service, rule, said, .. } => {
                    rules.push((RuleId::new(service, rule), Some(said.clone())));
                    Ok(())
                }
                Change::ResetRule { service, rule } => {
                    rules.push((RuleId::new(service, rule), None));
                    Ok(())
                }
                Change::Close { service, lockdown } => {
                    let said = [(service.clone(), Some(lockdown.in_force()))];
                    self.policy_state.lock().close(&self.tables, said)
                }
                Change::Open { service } => {
                    self.policy_state.lock().close(&self.tables, [(service.clone(), None)])
                }
                _ => Ok(()),
            };
            told(&trial.command, outcome);
        }
        if !rules.is_empty() {
            told(&trial.command, self.policy_state.lock().say(&self.tables, rules));
        }
    }

    /// Lists a prefix for somebody, whether it is listed for others or not.
    fn want(&self, list: List, prefix: Prefix, origin: Origin) -> Result<(), Refusal> {
        let owner = self.owned_by(origin);
        prefixes::change(&self.table, grace, |table| match table.get(list, prefix) {
            Some(_) => table.join(list, prefix, owner),
            None => table.insert(list, prefix, owner),
        })
    }

    /// Lists a prefix for the imports that want it and are still there.
    fn give_back(&self, prefix: Prefix, imports: &Origins) -> Result<(), Refusal> {
        let there: Vec<_> = {
            let records = self.records.lock();
            imports.0.iter().copied().filter(|origin| records.import(*origin).is_some()).collect()
        };
        there.into_iter().try_for_each(|origin| self.want(List::Block, prefix, origin))
    }
}

/// That something could not be undone right now.
fn told(command: &str, outcome: Result<(), Refusal>) {
    match outcome {
        Ok(()) | Err(Refusal::NotFound(_)) => {}
        Err(refusal) => warn!(
            command,
            %refusal,
            "a part of a change that was not confirmed is still in force; the next start undoes it"
        ),
    }
}

fn trial(terms: &Terms, records: &Records, undo: Vec<Undo>) -> Result<Trial, Refusal> {
    if terms.within > LONGEST_TRIAL {
        return Err(Refusal::Invalid("a change is to be confirmed within a day at most".to_owned()));
    }
    let now = SystemTime::now();
    Ok(Trial {
        number: records.trials().next_number(),
        since: unix::seconds(now),
        until: expiry(now, terms.within)?,
        command: terms.command.clone(),
        undo,
    })
}

fn report(trial: &Trial) -> TrialReport {
    let Trial { number, since, until, command, .. } = trial;
    TrialReport { number: *number, since: *since, until: *until, command: command.clone() }
}

/// What undoes changes that are about to be made, the last first.
fn undo_of(filter: &Filter, records: &Records, changes: &[Change]) -> Result<Vec<Undo>, Refusal> {
    let mut undo = Vec::new();
    for change in changes.iter().rev() {
        // Of what is on trial already, what was there before that is what somebody has last agreed to.
        match records.trials().undo_of(change) {
            Some(earlier) => undo.push(of_now(earlier, change)),
            None => undo.extend(inverse(filter, records, change)?.map(Undo::from)),
        }
        if let Change::Remove { prefix, imports, .. } = change
            && !imports.is_empty()
        {
            undo.push(Change::Return { prefix: *prefix, imports: imports.clone() }.into());
        }
    }
    Ok(undo)
}

/// What an earlier trial would undo, for a later change of the same thing.
fn of_now(earlier: Undo, change: &Change) -> Undo {
    match (earlier, change) {
        (Undo::Change { change: earlier }, Change::UseConfiguration { text: now }) => match *earlier {
            Change::HoldConfiguration { text, .. } => {
                Change::HoldConfiguration { refused: now.clone(), text }.into()
            }
            other => other.into(),
        },
        (earlier, _) => earlier,
    }
}

/// The change that leads back from `change` to what is known now; `None` if nothing is changed by it.
fn inverse(filter: &Filter, records: &Records, change: &Change) -> Result<Option<Change>, Refusal> {
    let noted = |list: ListName, prefix: Prefix| {
        records.note(list, prefix).map(|note| Change::Add {
            list,
            prefix,
            since: note.since,
            expires: note.expires,
            note: note.note.clone(),
        })
    };
    Ok(match change {
        Change::Add { list, prefix, .. } => Some(noted(*list, *prefix).unwrap_or_else(|| Change::Remove {
            list: *list,
            prefix: *prefix,
            imports: Origins::default(),
        })),
        Change::Remove { list, prefix, .. } => noted(*list, *prefix),
        Change::Lift { prefix } => {
            records.bans.in_force(*prefix).map(|ban| Change::Ban { prefix: *prefix, ban: ban.clone() })
        }
        Change::Import { origin, name, .. } => match records.import(*origin) {
            None => Some(Change::Forget { origin: *origin }),
            Some(_) => {
                return Err(Refusal::Invalid(format!(
                    "only a new import can be tried, and there is one called {name} already: name it otherwise \
                     (--name), confirm that, and flush {name} then"
                )));
            }
        },
        Change::Signature { text, .. } | Change::ForgetSignature { text } => {
            Some(match records.signature(text) {
                Some(SignatureRecord { enforced, expires }) => {
                    Change::Signature { text: text.clone(), enforced, expires }
                }
                None => Change::ForgetSignature { text: text.clone() },
            })
        }
        Change::SetRule { service, rule, .. } | Change::ResetRule { service, rule } => {
            let (service, rule) = (service.clone(), rule.clone());
            Some(match records.overrides().get(&RuleId::new(&service, &rule)) {
                Some(RuleRecord { said, expires }) => {
                    Change::SetRule { service, rule, said: said.clone(), expires: *expires }
                }
                None => Change::ResetRule { service, rule },
            })
        }
        Change::Close { service, .. } | Change::Open { service } => {
            let service = service.clone();
            Some(match records.lockdowns().get(&service) {
                Some(&lockdown) => Change::Close { service, lockdown },
                None => Change::Open { service },
            })
        }
        Change::Automatic { service, .. } => Some(Change::Automatic {
            service: service.clone(),
            automatic: records.automatic().get(service).copied(),
        }),
        Change::UseConfiguration { text } => {
            let before = filter.policy_state.lock().text.clone();
            before.map(|before| Change::HoldConfiguration { refused: text.clone(), text: before })
        }
        Change::Trial(_) | Change::TrialOver { .. } => None,
        Change::HoldConfiguration { .. }
        | Change::Return { .. }
        | Change::Forget { .. }
        | Change::Flush { .. }
        | Change::Ban { .. }
        | Change::LiftAll
        | Change::Limit { .. } => {
            return Err(Refusal::Invalid("this change cannot be tried".to_owned()));
        }
    })
}

/// Begins the trial of what is no change of the state.
struct Begin {
    terms: Terms,
    undo: Vec<Undo>,
    begun: Option<Trial>,
}

impl Transaction for Begin {
    type Outcome = Trial;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let trial = trial(&self.terms, &filter.records.lock(), std::mem::take(&mut self.undo))?;
        self.begun = Some(trial.clone());
        Ok(vec![Change::Trial(trial)])
    }

    fn enforce(&mut self, _: &Filter) -> Result<(), Refusal> {
        Ok(())
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> Trial {
        let Self { terms, undo, begun } = self;
        begun.unwrap_or(Trial { number: 0, since: 0, until: 0, command: terms.command, undo })
    }
}

/// Has what was on trial stay.
struct Confirm {
    number: Option<u64>,
    confirmed: Vec<TrialReport>,
}

impl Transaction for Confirm {
    type Outcome = Vec<TrialReport>;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let records = filter.records.lock();
        let waiting = records.trials().all();
        let those = waiting.filter(|trial| self.number.is_none_or(|number| trial.number == number));
        self.confirmed = those.map(report).collect();
        if self.confirmed.is_empty() {
            return Err(Refusal::NotFound(match self.number {
                None => "nothing waits to be confirmed; what was not confirmed in time is undone".to_owned(),
                Some(number) => format!(
                    "no change {number} waits to be confirmed: `floodwall status` shows those that do, and what was not \
                     confirmed in time is undone"
                ),
            }));
        }
        Ok(self.confirmed.iter().map(|trial| Change::TrialOver { number: trial.number }).collect())
    }

    fn enforce(&mut self, _: &Filter) -> Result<(), Refusal> {
        Ok(())
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> Self::Outcome {
        self.confirmed
    }
}

/// Undoes what was not confirmed.
struct UndoTrial {
    number: u64,
    trial: Option<Trial>,
}

impl Transaction for UndoTrial {
    type Outcome = bool;
    const BY_ITSELF: bool = true;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        self.trial = filter.records.lock().trials().get(self.number).cloned();
        let Some(trial) = &self.trial else { return Ok(Vec::new()) };
        let changes = trial.undo.iter().filter_map(|undo| match undo {
            Undo::Change { change } => Some((**change).clone()),
            Undo::Attach { .. } | Undo::Detach { .. } => None,
        });
        Ok(changes.chain([Change::TrialOver { number: self.number }]).collect())
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        if let Some(trial) = &self.trial {
            filter.enforce_undo(trial);
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let Trial { number, command, .. } = self.trial.as_ref()?;
        let text = format!("change {number} (`{command}`) was not confirmed in time, and is undone");
        Some(What::Health { text, loud: true })
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> bool {
        self.trial.is_some()
    }
}
