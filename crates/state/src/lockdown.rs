//! Services that are closed to all but known clients, as operators close and open them.

use std::time::{Duration, SystemTime};

use floodwall_common::{
    client::{self, Proof},
    source::{self, Key},
    tables::Tables as _,
    wire::{History, standing},
};

use super::{
    expiry::{expiry, unix_seconds},
    filter::Filter,
    ledger::Transaction,
    refusal::Refusal,
};
use floodwall_api::{LockdownReport, LockdownRequest, RecentSources};
use floodwall_common::prefix::Family;
use floodwall_store::Store;
use floodwall_store::records::{Change, LockdownRecord};

/// A source is here "lately" if it was seen within so many ticks of 16.8 ms: ten minutes.
const LATELY: u32 = 36_000;

impl Filter {
    /// The services that are closed, in order of name.
    pub fn lockdowns(&self) -> Vec<LockdownReport> {
        let records = self.records.lock();
        let report = |(service, record): (&String, &LockdownRecord)| LockdownReport {
            service: service.clone(),
            since: record.since,
            expires: record.expires,
            admitted_percent: percent(record.admitted),
        };
        records.lockdowns().iter().map(report).collect()
    }

    /// Closes a service to all but known clients, or opens it again; it holds from the next packet on, and is on disk, when this
    /// returns. Whoever was served before is known from now on.
    pub fn lock_down(&self, request: &LockdownRequest) -> Result<(), Refusal> {
        let admitted = share(request.admitted_percent)?;
        if request.closed {
            self.recent_sources();
        }
        let lifetime = request.seconds.map(Duration::from_secs);
        self.transact(LockDown {
            service: request.service.clone(),
            closed: request.closed,
            admitted,
            lifetime,
        })
    }

    /// Of the sources that have completed a connection and were seen in the last ten minutes, how many are known clients.
    /// Those that were served, and have not been attacking, are so from now on.
    pub fn recent_sources(&self) -> RecentSources {
        let settings = &self.tables.settings[0];
        let now_ns = self.tables.clock();
        let mut recent = RecentSources::default();
        for way in self.tables.sources.iter().flat_map(|set| &set.ways) {
            let (key, history) = (Key(way.key.load()), History::unpack(way.history.load()));
            let has_connected = history.standing & (standing::PROVEN | standing::FRUITFUL) != 0;
            let is_whole = history.standing & standing::PART == 0;
            if key.0 == 0 || !has_connected || !is_whole || source::silence(history, now_ns) > LATELY {
                continue;
            }
            let family = if history.standing & standing::IPV6 != 0 { Family::V6 } else { Family::V4 };
            let address = key.address(settings, family);
            let was_there = source::was_there_at(history.entered, settings.attacked_since.load());
            let served = history.standing & standing::FRUITFUL != 0;
            if served && (settings.attacked.load() == 0 || was_there) {
                // The table is there, as it was made with the others.
                let _ = client::note(&*self.tables, settings, address, Proof::Served, now_ns);
            }
            recent.sources += 1;
            let known = client::is_known(&*self.tables, settings, address, now_ns);
            recent.known += u64::from(known == Some(true));
        }
        recent
    }
}

/// Closes a service, or opens it.
struct LockDown {
    service: String,
    closed: bool,
    admitted: u32,
    lifetime: Option<Duration>,
}

impl Transaction for LockDown {
    type Outcome = ();

    fn take(&mut self, filter: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        let service = self.service.clone();
        if !self.closed {
            if !filter.records.lock().lockdowns().contains_key(&service) {
                return Err(Refusal::NotFound(format!(
                    "{service} is not closed: `floodwall lockdown show` says what is"
                )));
            }
            return Ok(vec![Change::Open { service }]);
        }
        let policy = filter.policy_state.lock().policy();
        if policy.service(&service).is_none() {
            let names: Vec<_> = policy.services.iter().map(|service| service.name.as_str()).collect();
            return Err(Refusal::NotFound(format!(
                "there is no service {service}; there are {}",
                names.join(", ")
            )));
        }
        let now = SystemTime::now();
        let expires = self.lifetime.map(|lifetime| expiry(now, lifetime)).transpose()?;
        Ok(vec![Change::Close { service, since: unix_seconds(now), expires, admitted: self.admitted }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        let said = [(self.service.clone(), self.closed.then_some(self.admitted))];
        filter.policy_state.lock().close(&filter.tables, said)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) {}
}

/// A share in 2⁻³², of one in per cent.
fn share(percent: f64) -> Result<u32, Refusal> {
    if !(0.0..=100.0).contains(&percent) {
        return Err(Refusal::Invalid(format!(
            "a share of {percent} %: from 0 to 100 % can be let in on trial"
        )));
    }
    Ok((percent / 100.0 * f64::from(u32::MAX)).round() as u32)
}

fn percent(share: u32) -> f64 {
    (f64::from(share) / f64::from(u32::MAX) * 1e6).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_survive_being_told() {
        for told in [0.0, 0.5, 1.0, 5.0, 33.3333, 50.0, 100.0] {
            assert_eq!(percent(share(told).unwrap()), told);
        }
        for wrong in [-1.0, 100.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(share(wrong), Err(Refusal::Invalid(_))), "{wrong}");
        }
    }
}
