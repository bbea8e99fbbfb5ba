//! Changes that nobody has confirmed in time are undone.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tracing::{error, info, warn};

use super::{
    periodically::{blocking, every},
    protection::Protection,
    steady_clock::Steady,
};
use crate::{
    records::{Trial, Undo},
    server::{Audit, Dataplane as _},
    state::{Filter, Refusal},
};

/// How late a change may be undone.
const TICK: Duration = Duration::from_millis(50);
/// Pause after something went wrong.
const PAUSE: Duration = Duration::from_secs(5);

/// Undoes what was to be confirmed while no daemon ran; to be told of once that can be. Interfaces come later.
pub(super) fn undo_overdue(filter: &Filter) -> Vec<Trial> {
    let overdue = filter.overdue_trials(SystemTime::now());
    let of_state = overdue.into_iter().filter(|trial| !trial.undo.iter().any(is_of_interfaces));
    of_state.filter(|trial| undone(trial, filter.undo_trial(trial.number)).unwrap_or(false)).collect()
}

/// Writes down that changes were undone.
pub(super) fn write_down(audit: &Audit, trials: &[Trial]) {
    for Trial { number, command, .. } in trials {
        audit.note("undo", format!("{command} (change {number})"), "done: it was not confirmed in time");
    }
}

/// Undoes each change whose time to be confirmed is over, for ever.
pub(super) async fn run(filter: Arc<Filter>, protection: Arc<Protection>, audit: Audit) {
    let mut tick = every(TICK);
    let mut clock = Steady::default();
    loop {
        tick.tick().await;
        let now = clock.now();
        if filter.next_trial_end().is_none_or(|at| now < at) {
            continue;
        }
        let (filter, protection, audit) = (Arc::clone(&filter), Arc::clone(&protection), audit.clone());
        let work = move || {
            let mut all = true;
            for trial in filter.overdue_trials(now) {
                trial.undo.iter().for_each(|undo| undo_interface(&protection, undo));
                match undone(&trial, filter.undo_trial(trial.number)) {
                    Some(true) => write_down(&audit, &[trial]),
                    // Somebody has confirmed it at this very moment.
                    Some(false) => {}
                    None => all = false,
                }
            }
            all
        };
        if blocking("the task that undoes what was not confirmed failed", work).await == Some(false) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn is_of_interfaces(undo: &Undo) -> bool {
    matches!(undo, Undo::Attach { .. } | Undo::Detach { .. })
}

/// Puts the filter back on an interface, or takes it off again. To do it twice does no harm.
fn undo_interface(protection: &Protection, undo: &Undo) {
    let outcome = match undo {
        Undo::Attach { interface } => protection.attach(interface).map(drop),
        Undo::Detach { interface } => {
            let others = protection.interfaces().into_iter().any(|other| !other.is_called(interface));
            if others {
                protection.detach(interface).map(drop)
            } else {
                // The daemon would end with it.
                Err(anyhow::anyhow!("{interface} is the only interface that is left"))
            }
        }
        Undo::Change { .. } => return,
    };
    if let Err(error) = outcome {
        warn!(error = format!("{error:#}"), "what became of an interface was not confirmed, and stays");
    }
}

/// Whether it was there to be undone; `None` if that has failed.
fn undone(trial: &Trial, outcome: Result<bool, Refusal>) -> Option<bool> {
    let Trial { number, command, .. } = trial;
    match outcome {
        Ok(was_there) => {
            if was_there {
                info!(number, command, "not confirmed in time, and undone");
            }
            Some(was_there)
        }
        Err(refusal) => {
            error!(number, command, %refusal, "what was not confirmed in time could not be undone; trying again");
            None
        }
    }
}
