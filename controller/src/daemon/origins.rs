//! Reloads the origin databases when their files change, and updates the lists that are made from them: after a reload, and
//! when an attack begins or ends.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use floodwall_origin::Origins;
use tracing::{info, warn};

use super::{
    periodically::{blocking, every},
    protection::Protection,
};
use crate::{
    event::{AttackEvent, Bus, Event, Heard, What},
    origin_lists::{self, Wanted},
    server::Dataplane as _,
    state::Filter,
};

/// How often the files are checked for changes.
const REFRESH: Duration = Duration::from_secs(10);

/// Runs until the bus is closed.
pub(super) async fn follow(origins: Arc<Origins>, filter: Arc<Filter>, host: Arc<Protection>, bus: Bus) {
    let mut happens = bus.subscribe();
    let mut tick = every(REFRESH);
    let mut attacked = BTreeSet::new();
    // An earlier run may have left lists in force that are for the time of an attack only.
    let mut is_first = true;
    let mut told = Vec::new();
    loop {
        let follows_attack = tokio::select! {
            heard = happens.next() => match heard {
                Some(Heard::Event(Event { what: What::Attack(event), .. })) => {
                    let before = attacked.is_empty();
                    match event {
                        AttackEvent::Began { service, .. } => drop(attacked.insert(service)),
                        AttackEvent::Ended { service, .. } => drop(attacked.remove(&service)),
                        AttackEvent::NothingFound { .. } | AttackEvent::Noted { .. } => {}
                    }
                    if before == attacked.is_empty() {
                        continue;
                    }
                    true
                }
                Some(_) => continue,
                None => return,
            },
            _ = tick.tick() => false,
        };
        let (databases, filter, lifelines) = (Arc::clone(&origins), Arc::clone(&filter), host.lifelines());
        let is_attacked = !attacked.is_empty();
        let only_of_attacks = follows_attack || std::mem::take(&mut is_first);
        let work = move || {
            let has_changed = !follows_attack && databases.refresh();
            let which = |wanted: &Wanted| has_changed || (only_of_attacks && wanted.only_while_attacked);
            let failed = origin_lists::follow(&filter, &databases, &lifelines, is_attacked, which);
            (has_changed, failed, databases.problems())
        };
        let outcome = blocking("following the databases of origins failed", work).await;
        let Some((has_changed, failed, problems)) = outcome else { return };
        if has_changed {
            info!("the databases of origins are read");
        }
        for (list, refusal) in failed {
            warn!(list, %refusal, "a list could not be brought up to the database of origins, and stays as it is");
        }
        let new = problems.iter().filter(|problem| !told.contains(*problem));
        new.for_each(|problem| warn!("{problem}"));
        told = problems;
    }
}
