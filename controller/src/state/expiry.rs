//! What is listed for a time, and taken back when that is over.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::{
    change::{Change, Origin},
    filter::Filter,
    refusal::Refusal,
};
use crate::tables::prefixes::TableError;

impl Filter {
    /// When something is to be taken back next.
    pub fn next_expiry(&self) -> Option<SystemTime> {
        let at = self.books.lock().records.next_expiry()?;
        Some(UNIX_EPOCH + Duration::from_secs(at))
    }

    /// Takes back what has expired; returns how many prefixes and imports.
    pub fn expire(&self, now: SystemTime) -> Result<u64, Refusal> {
        let _bulk = self.bulk.lock();
        let mut books = self.books.lock();
        let (imports, mut changes): (Vec<_>, Vec<_>) = books
            .records
            .expired(unix_seconds(now))
            .into_iter()
            .partition(|change| matches!(change, Change::Forget { .. }));
        // A prefix that an import wants, too, stays listed on its account.
        let mut expired = changes.len() as u64;
        changes.retain(|change| {
            let Change::Remove { list, prefix, .. } = change else { return true };
            match self.table.lock().leave((*list).into(), *prefix, Origin::HAND.bit()) {
                Ok(_) | Err(TableError::NotThere { .. }) => true,
                Err(error) => {
                    warn!(%prefix, %error, "an expired prefix is still in force; trying again");
                    false
                }
            }
        });
        books.note(&changes)?;
        if changes.iter().any(|change| matches!(change, Change::ResetRule { .. })) {
            self.regime.lock().hear(&self.tables, &books.records)?;
        }
        drop(books);
        for import in imports {
            if let Change::Forget { origin } = import {
                self.books.lock().note(&[import])?;
                self.withdraw(origin)?;
                expired += 1;
            }
        }
        Ok(expired)
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

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
