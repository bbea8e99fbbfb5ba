//! What is listed or said for a time, and taken back when that is over: prefixes, imports, signatures, lockdowns and words about
//! rules. Bans end in [`bans`](super::bans).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::{
    filter::{Filter, list_of},
    ledger::Transaction,
    refusal::Refusal,
};
use floodwall_api::ListName;
use floodwall_event::What;
use floodwall_policy::RuleId;
use floodwall_store::Store;
use floodwall_store::records::{Change, Origin};
use floodwall_units::unix;

impl Filter {
    /// When something is to be taken back next.
    pub fn next_expiry(&self) -> Option<SystemTime> {
        let at = self.records.lock().next_expiry()?;
        Some(UNIX_EPOCH + Duration::from_secs(at))
    }

    /// Takes back what has expired; returns how many.
    pub fn expire(&self, now: SystemTime) -> Result<u64, Refusal> {
        self.transact(Expire { now, changes: Vec::new() })
    }
}

/// Takes back what has expired.
struct Expire {
    now: SystemTime,
    changes: Vec<Change>,
}

impl Transaction for Expire {
    type Outcome = u64;
    const BY_ITSELF: bool = true;

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        self.changes = filter.records.lock().expired(unix::seconds(self.now));
        Ok(self.changes.clone())
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let (mut rules, mut opened) = (Vec::new(), Vec::new());
        for change in &self.changes {
            match change {
                // A prefix that an import wants, too, stays listed on its account.
                Change::Remove { list, prefix, .. } => {
                    let manual = filter.owned_by(Origin::Manual);
                    match filter.unlist_one(list_of(*list), *prefix, manual) {
                        Ok(_) | Err(Refusal::NotFound(_)) => {}
                        Err(error) => {
                            warn!(%prefix, %error, "has expired and is still in force; the next start takes it back");
                        }
                    }
                }
                Change::Forget { origin } => drop(filter.withdraw(*origin)?),
                Change::ForgetSignature { text } => {
                    if let Err(error) = filter.retire(text) {
                        warn!(text, %error, "has expired and is still in force; the next start takes it back");
                    }
                }
                Change::Open { service } => opened.push((service.clone(), None)),
                Change::ResetRule { service, rule } => rules.push((RuleId::new(service, rule), None)),
                _ => {}
            }
        }
        if !rules.is_empty() {
            filter.policy_state.lock().say(&filter.tables, rules)?;
        }
        if !opened.is_empty() {
            filter.policy_state.lock().close(&filter.tables, opened)?;
        }
        Ok(())
    }

    fn tell(&self) -> Option<What> {
        let of_list = |name: ListName| {
            let expired = |change: &&Change| match change {
                Change::Remove { list, .. } => *list == name,
                Change::Forget { .. } => name == ListName::Block,
                _ => false,
            };
            self.changes.iter().filter(expired).count() as u64
        };
        // Most often it is the blocklist; what both have lost is told of that.
        let (block, allow) = (of_list(ListName::Block), of_list(ListName::Allow));
        let name = if block > 0 { ListName::Block } else { ListName::Allow };
        let removed = block + allow;
        let what = What::List { list: name.name(), added: 0, removed, account: "expiry".to_owned() };
        (removed > 0).then_some(what)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) -> u64 {
        self.changes.len() as u64
    }
}

/// The end of a lifetime that starts now, rounded up to a second.
pub(super) fn expiry(now: SystemTime, lifetime: Duration) -> Result<u64, Refusal> {
    let far = || Refusal::Invalid("that is too far ahead".to_owned());
    if lifetime.is_zero() {
        return Err(Refusal::Invalid("a lifetime of nothing: name a time, or none for ever".to_owned()));
    }
    let at = now.checked_add(lifetime).ok_or_else(far)?.duration_since(UNIX_EPOCH).map_err(|_| far())?;
    Ok(at.as_secs() + u64::from(at.subsec_nanos() > 0))
}
