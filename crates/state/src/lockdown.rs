//! Lockdowns: operators close services to all but known clients, and open them again.

use std::time::{Duration, SystemTime};

use floodwall_common::{
    client::{self, Proof},
    source::{self, Key},
    tables::Tables as _,
    wire::{History, standing},
};

use super::{expiry::expiry, filter::Filter, ledger::Transaction, refusal::Refusal};
use floodwall_api::{LockdownReport, LockdownRequest, RecentSources};
use floodwall_common::prefix::Family;
use floodwall_policy::Service;
use floodwall_store::Store;
use floodwall_store::records::{Change, LockdownRecord};
use floodwall_units::unix;

/// How long a source counts as recent after its last packet, ticks of 16.8 ms: ten minutes.
const RECENT_TICKS: u32 = 36_000;

impl Filter {
    /// The closed services, sorted by name.
    pub fn lockdowns(&self) -> Vec<LockdownReport> {
        let records = self.records.lock();
        let report = |(service, record): (&String, &LockdownRecord)| LockdownReport {
            service: service.clone(),
            since: record.since,
            expires: record.expires,
            admitted_percent: percent(record.admitted),
            by_itself: record.by_itself,
            reopening: record.reopening,
            ..LockdownReport::default()
        };
        records.lockdowns().iter().map(report).collect()
    }

    /// Closes a service to all but known clients, or opens it again. When this returns, it holds from the next packet on and is
    /// on disk. Sources that were served before become known clients first.
    ///
    /// # Errors
    ///
    /// If there is no such service, it is not closed, or the change cannot be written.
    pub fn lock_down(&self, request: &LockdownRequest) -> Result<(), Refusal> {
        let admitted = share(request.admitted_percent)?;
        if request.closed {
            self.learn_clients();
        }
        let lifetime = request.seconds.map(Duration::from_secs);
        self.transact(LockDown {
            service: request.service.clone(),
            closed: request.closed.then_some(LockdownRecord {
                admitted,
                reopening: request.reopening,
                ..LockdownRecord::default()
            }),
            lifetime,
        })
    }

    /// Has a service that is closed be opened step by step, as far as it stands it.
    pub fn reopen(&self, service: &str) -> Result<(), Refusal> {
        self.transact(Reopen { service: service.to_owned(), closed: None })
    }

    /// Has a service be closed by itself once it is attacked and nothing else relieves it, or not.
    pub fn close_by_itself(&self, service: &str, automatic: bool) -> Result<(), Refusal> {
        self.transact(Automatic { service: service.to_owned(), automatic })
    }

    /// Services that are closed by themselves once they are attacked and nothing else relieves them, in order of name.
    pub fn closed_by_themselves(&self) -> Vec<String> {
        let said = self.records.lock().automatic().clone();
        let policy = self.policy_state.lock().policy();
        let automatic =
            |service: &&Service| said.get(&service.name).copied().unwrap_or(service.closes_by_itself);
        let mut names: Vec<_> =
            policy.services.iter().filter(automatic).map(|service| service.name.clone()).collect();
        names.sort();
        names
    }

    /// Makes recent sources known clients if they were served, unless they appeared only during an attack. Returns how many
    /// sources have completed a connection and were seen within ten minutes, and how many of them are known clients now.
    pub fn learn_clients(&self) -> RecentSources {
        let settings = &self.tables.settings[0];
        let now_ns = self.tables.clock();
        let mut recent = RecentSources::default();
        for way in self.tables.sources.iter().flat_map(|set| &set.ways) {
            let (key, history) = (Key(way.key.load()), History::unpack(way.history.load()));
            let has_connected = history.standing & (standing::PROVEN | standing::FRUITFUL) != 0;
            let is_whole = history.standing & standing::PART == 0;
            if key.0 == 0 || !has_connected || !is_whole || source::silence(history, now_ns) > RECENT_TICKS {
                continue;
            }
            let family = if history.standing & standing::IPV6 != 0 { Family::V6 } else { Family::V4 };
            let address = key.address(settings, family);
            let was_there = source::was_there_at(history.entered, settings.attacked_since.load());
            let served = history.standing & standing::FRUITFUL != 0;
            if served && (settings.attacked.load() == 0 || was_there) {
                // It fails only without the table, which exists together with the others.
                let _ = client::note(&*self.tables, settings, address, Proof::Served, now_ns);
            }
            recent.sources += 1;
            let known = client::is_known(&*self.tables, settings, address, now_ns);
            recent.known += u64::from(known == Some(true));
        }
        recent
    }
}

/// Refuses what is asked of a service that there is not.
fn check_service(filter: &Filter, service: &str) -> Result<(), Refusal> {
    let policy = filter.policy_state.lock().policy();
    if policy.service(service).is_some() {
        return Ok(());
    }
    let names: Vec<_> = policy.services.iter().map(|service| service.name.as_str()).collect();
    Err(Refusal::NotFound(format!("there is no service {service}; there are {}", names.join(", "))))
}

/// That a service is not closed.
fn not_closed(service: &str) -> Refusal {
    Refusal::NotFound(format!("{service} is not closed: `floodwall lockdown show` says what is"))
}

/// The transaction that closes or opens a service.
struct LockDown {
    service: String,
    closed: Option<LockdownRecord>,
    lifetime: Option<Duration>,
}

impl Transaction for LockDown {
    type Outcome = ();

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let service = self.service.clone();
        let Some(lockdown) = &mut self.closed else {
            if !filter.records.lock().lockdowns().contains_key(&service) {
                return Err(not_closed(&service));
            }
            return Ok(vec![Change::Open { service }]);
        };
        check_service(filter, &service)?;
        let now = SystemTime::now();
        lockdown.since = unix::seconds(now);
        lockdown.expires = self.lifetime.map(|lifetime| expiry(now, lifetime)).transpose()?;
        Ok(vec![Change::Close { service, lockdown: *lockdown }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let said = [(self.service.clone(), self.closed.map(|lockdown| lockdown.in_force()))];
        filter.policy_state.lock().close(&filter.tables, said)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) {}
}

/// Has a service be opened step by step.
struct Reopen {
    service: String,
    closed: Option<LockdownRecord>,
}

impl Transaction for Reopen {
    type Outcome = ();

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let service = self.service.clone();
        let record = filter.records.lock().lockdowns().get(&service).copied();
        let lockdown =
            LockdownRecord { reopening: true, admitted: 0, ..record.ok_or_else(|| not_closed(&service))? };
        self.closed = Some(lockdown);
        Ok(vec![Change::Close { service, lockdown }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let said = self.closed.map(|lockdown| (self.service.clone(), Some(lockdown.in_force())));
        filter.policy_state.lock().close(&filter.tables, said)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) {}
}

/// Has a service be closed by itself, or not.
struct Automatic {
    service: String,
    automatic: bool,
}

impl Transaction for Automatic {
    type Outcome = ();

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        check_service(filter, &self.service)?;
        Ok(vec![Change::Automatic { service: self.service.clone(), automatic: Some(self.automatic) }])
    }

    fn enforce(&mut self, _: &Filter) -> Result<(), Refusal> {
        Ok(())
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) {}
}

/// Converts a percentage to a fraction of 2³² − 1.
pub(super) fn share(percent: f64) -> Result<u32, Refusal> {
    if !(0.0..=100.0).contains(&percent) {
        return Err(Refusal::Invalid(format!(
            "a share of {percent} %: from 0 to 100 % can be let in on trial"
        )));
    }
    Ok((percent / 100.0 * f64::from(u32::MAX)).round() as u32)
}

pub(super) fn percent(share: u32) -> f64 {
    (f64::from(share) / f64::from(u32::MAX) * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_survive_conversion() {
        for told in [0.0, 0.5, 1.0, 5.0, 33.3333, 50.0, 100.0] {
            assert_eq!(percent(share(told).unwrap()), told);
        }
        for wrong in [-1.0, 100.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(share(wrong), Err(Refusal::Invalid(_))), "{wrong}");
        }
    }
}
