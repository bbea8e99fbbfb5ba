//! Changes that are on trial: in force until they are undone, unless somebody confirms them before.
//!
//! A trial is written in the same batch as the change that it is of, and so is known after a restart if that change is.
//! What undoes it are changes like any other; they are written in one batch with the word that the trial is over, and so
//! are made once. What is changed by somebody else meanwhile is theirs, and is not undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::Change;

/// A change that waits for somebody to confirm it. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number.
    pub number: u64,
    /// When the change was made.
    pub since: u64,
    /// When it is undone.
    pub until: u64,
    /// The command, in words.
    pub command: String,
    /// What undoes it, in this order.
    pub undo: Vec<Undo>,
}

/// What undoes a part of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "undo")]
pub enum Undo {
    /// A change of the state.
    Change {
        /// The change.
        #[serde(flatten)]
        change: Box<Change>,
    },
    /// The filter is put on an interface.
    Attach {
        /// Its name.
        interface: String,
    },
    /// The filter is taken off an interface.
    Detach {
        /// Its name.
        interface: String,
    },
}

impl From<Change> for Undo {
    fn from(change: Change) -> Self {
        Self::Change { change: Box::new(change) }
    }
}

/// The trials that are under way, by number.
#[derive(Clone, Debug, Default)]
pub struct TrialBook {
    trials: BTreeMap<u64, Trial>,
    /// The highest number that was given.
    last: u64,
}

impl TrialBook {
    /// Takes note of a trial.
    pub fn enter(&mut self, trial: Trial) {
        self.last = self.last.max(trial.number);
        self.trials.insert(trial.number, trial);
    }

    /// A trial is over, whichever way.
    pub fn end(&mut self, number: u64) {
        self.trials.remove(&number);
    }

    /// A number that no trial under way has.
    pub fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Those under way, in the order in which they were begun.
    pub fn all(&self) -> impl Iterator<Item = &Trial> {
        self.trials.values()
    }

    /// One of them.
    pub fn get(&self, number: u64) -> Option<&Trial> {
        self.trials.get(&number)
    }

    /// When the next one is undone, Unix seconds.
    pub fn next_end(&self) -> Option<u64> {
        self.trials.values().map(|trial| trial.until).min()
    }

    /// What a trial would undo of the same thing that `change` is about. A trial of a thing that is on trial already
    /// takes that over: what was there before both was the last that somebody had confirmed.
    pub fn undo_of(&self, change: &Change) -> Option<Undo> {
        let about = change.about()?;
        let undoes = |undo: &&Undo| matches!(undo, Undo::Change { change } if change.about().is_some_and(|other| other == about));
        self.trials.values().flat_map(|trial| &trial.undo).find(undoes).cloned()
    }

    /// Somebody has changed something: no trial undoes that any more.
    pub(super) fn supersede(&mut self, change: &Change) {
        if self.trials.is_empty() {
            return;
        }
        let is_gone = |undo: &Undo| match (undo, change) {
            (Undo::Change { change: undo }, Change::Flush { list }) => undo.is_of_list(*list),
            (Undo::Change { change: undo }, _) => match (undo.about(), change.about()) {
                (Some(undo), Some(change)) => undo == change,
                _ => false,
            },
            (Undo::Attach { .. } | Undo::Detach { .. }, _) => false,
        };
        for trial in self.trials.values_mut() {
            trial.undo.retain(|undo| !is_gone(undo));
        }
    }
}

#[cfg(test)]
mod tests {
    use floodwall_api::ListName;

    use super::*;
    use crate::records::{Origin, Records};

    fn add(text: &str) -> Change {
        let prefix = text.parse().expect("a prefix");
        Change::Add { list: ListName::Block, prefix, since: 1, expires: None, note: None }
    }

    fn remove(text: &str) -> Change {
        let prefix = text.parse().expect("a prefix");
        Change::Remove { list: ListName::Block, prefix, imports: Default::default() }
    }

    fn trial(number: u64, undo: Vec<Change>) -> Change {
        let undo = undo.into_iter().map(Undo::from).collect();
        Change::Trial(Trial { number, since: 1, until: 61, command: "block add".to_owned(), undo })
    }

    fn left(records: &Records) -> Vec<usize> {
        records.trials().all().map(|trial| trial.undo.len()).collect()
    }

    #[test]
    fn a_trial_is_written_and_read_as_it_is() {
        let forget = Change::Forget { origin: Origin::import(7).expect("a number") };
        let whole = trial(3, vec![remove("192.0.2.0/24"), forget]);
        let text = serde_json::to_string(&whole).expect("JSON");
        assert_eq!(serde_json::from_str::<Change>(&text).expect("a change"), whole, "{text}");
        let mut records = Records::default();
        records.apply(&whole);
        assert_eq!(records.changes().collect::<Vec<_>>(), [whole], "a copy of all has it");
        assert_eq!((records.trials().next_end(), records.trials().next_number()), (Some(61), 4));
        records.apply(&Change::TrialOver { number: 3 });
        assert_eq!((left(&records), records.trials().next_number()), (vec![], 4));
    }

    #[test]
    fn what_somebody_else_changes_meanwhile_is_not_undone() {
        let mut records = Records::default();
        records.apply(&add("192.0.2.0/24"));
        records.apply(&trial(1, vec![remove("192.0.2.0/24"), remove("198.51.100.0/24")]));
        records.apply(&add("203.0.113.0/24"));
        assert_eq!(left(&records), [2], "another prefix");
        records.apply(&add("192.0.2.0/24"));
        assert_eq!(left(&records), [1]);
        assert_eq!(records.trials().undo_of(&add("192.0.2.0/24")), None);
        assert_eq!(records.trials().undo_of(&add("198.51.100.0/24")), Some(remove("198.51.100.0/24").into()));
        records.apply(&Change::Flush { list: ListName::Block });
        assert_eq!(left(&records), [0]);
    }
}
