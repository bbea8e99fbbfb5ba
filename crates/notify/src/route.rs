//! Decides which events of which incidents become messages to one target.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use floodwall_api::Incident;
use floodwall_incident::IncidentEvent;

use super::{filter::Filter, message::Message};

/// Open incidents that are remembered: more than there ever are at once.
const MAX_INCIDENTS: usize = 16;
/// Most attacked hosts of one incident for which a per-host target is notified.
const MAX_HOSTS: usize = 32;
/// Least share of the sampled packets with which a host counts as attacked, percent.
const LEAST_SHARE: u64 = 5;

/// Decides what one target is sent.
#[derive(Debug)]
pub(crate) struct Route {
    filter: Filter,
    /// The receiver keeps an incident open until it is told of the end, so it is sent the beginning and the end regardless of
    /// the filter.
    keeps_state: bool,
    is_per_host: bool,
    /// The incidents that the target has been notified of, by key, with the hosts.
    told: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Route {
    pub(crate) fn new(filter: Filter, keeps_state: bool, is_per_host: bool) -> Self {
        Self { filter, keeps_state, is_per_host, told: BTreeMap::new() }
    }

    /// Takes over an open incident of which an earlier run of the daemon has notified the target.
    pub(crate) fn resume(&mut self, incident: &Arc<Incident>) -> Option<Message> {
        if !self.filter.matches(incident) {
            return None;
        }
        self.remember(incident);
        if self.is_per_host {
            let hosts = hosts(incident);
            self.told.insert(incident.key.clone(), hosts);
        }
        // Alertmanager needs a repetition soon, as its alert may be about to expire.
        (self.keeps_state && !self.is_per_host)
            .then(|| Message::new(IncidentEvent::Changed, Arc::clone(incident)))
    }

    /// The messages that an event makes.
    pub(crate) fn tell(&mut self, event: IncidentEvent, incident: &Arc<Incident>) -> Vec<Message> {
        if event == IncidentEvent::Ended {
            return self.end(incident);
        }
        if !self.filter.matches(incident) {
            return Vec::new();
        }
        let is_first = !self.told.contains_key(&incident.key);
        if is_first {
            self.remember(incident);
        }
        if self.is_per_host {
            return self.new_hosts(incident);
        }
        let wants = |event: IncidentEvent| self.filter.events.contains(&event);
        let event = match is_first {
            _ if wants(event) => event,
            // The incident has begun earlier, but only now matches the filter.
            true if wants(IncidentEvent::Began) || self.keeps_state => IncidentEvent::Began,
            _ => return Vec::new(),
        };
        vec![Message::new(event, Arc::clone(incident))]
    }

    /// The messages for hosts that were not known to be attacked before.
    pub(crate) fn update(&mut self, incident: &Arc<Incident>) -> Vec<Message> {
        if self.is_per_host && self.told.contains_key(&incident.key) {
            self.new_hosts(incident)
        } else {
            Vec::new()
        }
    }

    pub(crate) fn is_per_host(&self) -> bool {
        self.is_per_host
    }

    fn end(&mut self, incident: &Arc<Incident>) -> Vec<Message> {
        let Some(hosts) = self.told.remove(&incident.key) else { return Vec::new() };
        let message = Message::new(IncidentEvent::Ended, Arc::clone(incident));
        if self.is_per_host {
            return hosts
                .into_iter()
                .map(|host| Message { address: Some(host), ..message.clone() })
                .collect();
        }
        if self.keeps_state || self.filter.events.contains(&IncidentEvent::Ended) {
            vec![message]
        } else {
            Vec::new()
        }
    }

    fn new_hosts(&mut self, incident: &Arc<Incident>) -> Vec<Message> {
        let Some(told) = self.told.get_mut(&incident.key) else { return Vec::new() };
        let room = MAX_HOSTS.saturating_sub(told.len());
        let new: Vec<_> =
            hosts(incident).into_iter().filter(|host| !told.contains(host)).take(room).collect();
        told.extend(&new);
        let message = Message::new(IncidentEvent::Began, Arc::clone(incident));
        new.into_iter().map(|host| Message { address: Some(host), ..message.clone() }).collect()
    }

    fn remember(&mut self, incident: &Incident) {
        while self.told.len() >= MAX_INCIDENTS {
            self.told.pop_first();
        }
        self.told.insert(incident.key.clone(), BTreeSet::new());
    }
}

/// The attacked hosts, by their share of the sampled packets that were dropped.
fn hosts(incident: &Incident) -> BTreeSet<IpAddr> {
    let all: u64 = incident.destinations.iter().map(|one| one.sampled).sum();
    let hit = incident.destinations.iter().filter(|one| one.sampled * 100 >= all * LEAST_SHARE);
    hit.filter_map(|one| {
        let (address, length) = one.prefix.split_once('/').unwrap_or((&one.prefix, ""));
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { "32" } else { "128" };
        // A shorter prefix stands for more than one host.
        (length.is_empty() || length == whole).then_some(address)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use floodwall_api::{IncidentPrefix, IncidentSeverity};

    use super::*;
    use crate::sample;

    fn filter(events: &[IncidentEvent], services: &[&str], severity: IncidentSeverity) -> Filter {
        let services = services.iter().map(|name| (*name).to_owned()).collect();
        Filter { events: events.to_vec(), services, severity }
    }

    fn told(messages: &[Message]) -> Vec<(IncidentEvent, Option<IpAddr>)> {
        messages.iter().map(|message| (message.event, message.address)).collect()
    }

    #[test]
    fn a_filter_by_severity_begins_to_notify_when_the_incident_becomes_critical() {
        let events = [IncidentEvent::Began, IncidentEvent::Changed, IncidentEvent::Ended];
        let mut route = Route::new(filter(&events, &[], IncidentSeverity::Critical), false, false);
        let warning = Arc::new(sample::incident(1_000_000));
        let critical =
            Arc::new(Incident { severity: IncidentSeverity::Critical, ..sample::incident(1_000_000) });
        assert!(route.tell(IncidentEvent::Began, &warning).is_empty());
        assert!(
            route.tell(IncidentEvent::Ended, &warning).is_empty(),
            "there was no message of its beginning"
        );
        assert_eq!(told(&route.tell(IncidentEvent::NeedsHuman, &critical)), [(IncidentEvent::Began, None)]);
        assert!(route.tell(IncidentEvent::GoesOn, &critical).is_empty());
        assert_eq!(told(&route.tell(IncidentEvent::Changed, &critical)), [(IncidentEvent::Changed, None)]);
        assert_eq!(told(&route.tell(IncidentEvent::Ended, &critical)), [(IncidentEvent::Ended, None)]);
        assert!(route.tell(IncidentEvent::Ended, &critical).is_empty(), "once");
    }

    #[test]
    fn a_filter_by_service_never_leaves_out_the_end_where_the_receiver_keeps_state() {
        let mut route = Route::new(
            filter(&[IncidentEvent::NeedsHuman], &["web"], IncidentSeverity::Warning),
            true,
            false,
        );
        let other = Arc::new(sample::incident(1_000_000));
        let mut web = sample::incident(1_000_000);
        web.services[0].service = "web".to_owned();
        let web = Arc::new(web);
        assert!(route.tell(IncidentEvent::Began, &other).is_empty());
        assert_eq!(told(&route.tell(IncidentEvent::Changed, &web)), [(IncidentEvent::Began, None)]);
        assert!(route.tell(IncidentEvent::Changed, &web).is_empty());
        assert_eq!(told(&route.tell(IncidentEvent::Ended, &web)), [(IncidentEvent::Ended, None)]);
    }

    #[test]
    fn a_command_of_fastnetmons_is_called_for_each_host_once_and_for_each_at_the_end() {
        let mut route = Route::new(
            filter(&[IncidentEvent::Began, IncidentEvent::Ended], &[], IncidentSeverity::Warning),
            true,
            true,
        );
        let with = |hosts: &[(&str, u64)]| {
            let mut incident = sample::incident(1_000_000);
            incident.destinations = hosts
                .iter()
                .map(|(prefix, sampled)| IncidentPrefix { prefix: (*prefix).to_owned(), sampled: *sampled })
                .collect();
            Arc::new(incident)
        };
        assert!(route.tell(IncidentEvent::Began, &with(&[])).is_empty(), "no attacked host is known yet");
        let [first, second] =
            ["192.0.2.10", "2001:db8::1"].map(|text| text.parse::<IpAddr>().expect("an address"));
        let one = with(&[("192.0.2.10/32", 980), ("192.0.2.99/32", 20)]);
        assert_eq!(told(&route.update(&one)), [(IncidentEvent::Began, Some(first))]);
        assert!(route.update(&one).is_empty() && route.tell(IncidentEvent::Changed, &one).is_empty());
        let two = with(&[("192.0.2.10/32", 500), ("2001:db8::1/128", 500), ("198.51.100.0/24", 500)]);
        assert_eq!(told(&route.tell(IncidentEvent::Changed, &two)), [(IncidentEvent::Began, Some(second))]);
        assert_eq!(
            told(&route.tell(IncidentEvent::Ended, &two)),
            [(IncidentEvent::Ended, Some(first)), (IncidentEvent::Ended, Some(second))]
        );
        // Carpet bombing: many hosts of one prefix.
        let many: Vec<_> = (0..64).map(|last| (format!("192.0.2.{last}/32"), 10)).collect();
        let many: Vec<_> = many.iter().map(|(prefix, sampled)| (prefix.as_str(), *sampled)).collect();
        assert_eq!(route.tell(IncidentEvent::Began, &with(&many[..20])).len(), 20);
        assert!(route.update(&with(&many[20..40])).len() <= MAX_HOSTS - 20);
    }

    #[test]
    fn an_incident_of_an_earlier_run_is_ended_and_repeated_where_alerts_expire() {
        let incident = Arc::new(sample::incident(1_000_000));
        let mut chat = Route::new(filter(&IncidentEvent::ALL, &[], IncidentSeverity::Warning), false, false);
        assert!(chat.resume(&incident).is_none());
        assert_eq!(told(&chat.tell(IncidentEvent::Ended, &incident)), [(IncidentEvent::Ended, None)]);
        let mut kept = Route::new(filter(&IncidentEvent::ALL, &[], IncidentSeverity::Warning), true, false);
        assert_eq!(kept.resume(&incident).map(|message| message.event), Some(IncidentEvent::Changed));
        let mut command = Route::new(filter(&IncidentEvent::ALL, &[], IncidentSeverity::Warning), true, true);
        assert!(command.resume(&incident).is_none());
        assert_eq!(
            told(&command.tell(IncidentEvent::Ended, &incident)),
            [(IncidentEvent::Ended, Some(sample::ADDRESS.into()))]
        );
    }
}
