//! What one target is told of what becomes of incidents: which of it, and under which name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use floodwall_api::Incident;

use super::{
    event::{Event, Filter},
    message::Message,
};

/// Incidents that are remembered to have been told of: more than ever go on at once.
const REMEMBERED: usize = 16;
/// Hosts of one incident that a command is called for.
const HOSTS: usize = 32;
/// A host that fewer of the sampled packets were for, percent, was hit by the way.
const LEAST_SHARE: u64 = 5;

/// Decides what one target is told.
#[derive(Debug)]
pub(crate) struct Route {
    filter: Filter,
    /// The receiver keeps what it is told: it hears of the beginning and of the end, whatever else it wants.
    is_kept: bool,
    is_by_host: bool,
    /// Incidents that it was told of, by key, with the hosts.
    told: BTreeMap<String, BTreeSet<IpAddr>>,
}

impl Route {
    pub(crate) fn new(filter: Filter, is_kept: bool, is_by_host: bool) -> Self {
        Self { filter, is_kept, is_by_host, told: BTreeMap::new() }
    }

    /// Goes on with an incident of which an earlier run has told.
    pub(crate) fn resume(&mut self, incident: &Arc<Incident>) -> Option<Message> {
        if !self.filter.takes(incident) {
            return None;
        }
        self.remember(incident);
        if self.is_by_host {
            let hosts = hosts(incident);
            self.told.insert(incident.key.clone(), hosts);
        }
        // Who forgets what is not repeated has to be told at once.
        (self.is_kept && !self.is_by_host).then(|| Message::new(Event::Changed, Arc::clone(incident)))
    }

    /// What it is told of this.
    pub(crate) fn tell(&mut self, event: Event, incident: &Arc<Incident>) -> Vec<Message> {
        if event == Event::Ended {
            return self.end(incident);
        }
        if !self.filter.takes(incident) {
            return Vec::new();
        }
        let is_first = !self.told.contains_key(&incident.key);
        if is_first {
            self.remember(incident);
        }
        if self.is_by_host {
            return self.new_hosts(incident);
        }
        let takes = |event: Event| self.filter.events.contains(&event);
        let event = match is_first {
            // It has begun for others before: to this one it begins now.
            _ if takes(event) => event,
            true if takes(Event::Began) || self.is_kept => Event::Began,
            _ => return Vec::new(),
        };
        vec![Message::new(event, Arc::clone(incident))]
    }

    /// Hosts that were not known to be attacked before. To be looked for now and then.
    pub(crate) fn look(&mut self, incident: &Arc<Incident>) -> Vec<Message> {
        if self.is_by_host && self.told.contains_key(&incident.key) {
            self.new_hosts(incident)
        } else {
            Vec::new()
        }
    }

    pub(crate) fn is_by_host(&self) -> bool {
        self.is_by_host
    }

    fn end(&mut self, incident: &Arc<Incident>) -> Vec<Message> {
        let Some(hosts) = self.told.remove(&incident.key) else { return Vec::new() };
        let message = Message::new(Event::Ended, Arc::clone(incident));
        if self.is_by_host {
            return hosts
                .into_iter()
                .map(|host| Message { address: Some(host), ..message.clone() })
                .collect();
        }
        if self.is_kept || self.filter.events.contains(&Event::Ended) { vec![message] } else { Vec::new() }
    }

    fn new_hosts(&mut self, incident: &Arc<Incident>) -> Vec<Message> {
        let Some(told) = self.told.get_mut(&incident.key) else { return Vec::new() };
        let room = HOSTS.saturating_sub(told.len());
        let new: Vec<_> =
            hosts(incident).into_iter().filter(|host| !told.contains(host)).take(room).collect();
        told.extend(&new);
        let message = Message::new(Event::Began, Arc::clone(incident));
        new.into_iter().map(|host| Message { address: Some(host), ..message.clone() }).collect()
    }

    fn remember(&mut self, incident: &Incident) {
        while self.told.len() >= REMEMBERED {
            self.told.pop_first();
        }
        self.told.insert(incident.key.clone(), BTreeSet::new());
    }
}

/// Hosts that most of the sampled packets were for that were dropped.
fn hosts(incident: &Incident) -> BTreeSet<IpAddr> {
    let all: u64 = incident.destinations.iter().map(|one| one.sampled).sum();
    let hit = incident.destinations.iter().filter(|one| one.sampled * 100 >= all * LEAST_SHARE);
    hit.filter_map(|one| {
        let (address, length) = one.prefix.split_once('/').unwrap_or((&one.prefix, ""));
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { "32" } else { "128" };
        // One that is cut already is no host.
        (length.is_empty() || length == whole).then_some(address)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use floodwall_api::{IncidentPrefix, IncidentSeverity};

    use super::*;
    use crate::sample;

    fn filter(events: &[Event], services: &[&str], severity: IncidentSeverity) -> Filter {
        let services = services.iter().map(|name| (*name).to_owned()).collect();
        Filter { events: events.to_vec(), services, severity }
    }

    fn told(messages: &[Message]) -> Vec<(Event, Option<IpAddr>)> {
        messages.iter().map(|message| (message.event, message.address)).collect()
    }

    #[test]
    fn who_wants_to_know_of_critical_ones_only_hears_of_them_from_when_they_are() {
        let events = [Event::Began, Event::Changed, Event::Ended];
        let mut route = Route::new(filter(&events, &[], IncidentSeverity::Critical), false, false);
        let warning = Arc::new(sample::incident(1_000_000));
        let critical =
            Arc::new(Incident { severity: IncidentSeverity::Critical, ..sample::incident(1_000_000) });
        assert!(route.tell(Event::Began, &warning).is_empty());
        assert!(route.tell(Event::Ended, &warning).is_empty(), "what was not told is not told to be over");
        assert_eq!(told(&route.tell(Event::NeedsHuman, &critical)), [(Event::Began, None)]);
        assert!(route.tell(Event::GoesOn, &critical).is_empty());
        assert_eq!(told(&route.tell(Event::Changed, &critical)), [(Event::Changed, None)]);
        assert_eq!(told(&route.tell(Event::Ended, &critical)), [(Event::Ended, None)]);
        assert!(route.tell(Event::Ended, &critical).is_empty(), "once");
    }

    #[test]
    fn services_choose_and_what_is_kept_is_always_ended() {
        let mut route =
            Route::new(filter(&[Event::NeedsHuman], &["web"], IncidentSeverity::Warning), true, false);
        let other = Arc::new(sample::incident(1_000_000));
        let mut web = sample::incident(1_000_000);
        web.services[0].service = "web".to_owned();
        let web = Arc::new(web);
        assert!(route.tell(Event::Began, &other).is_empty());
        assert_eq!(told(&route.tell(Event::Changed, &web)), [(Event::Began, None)]);
        assert!(route.tell(Event::Changed, &web).is_empty());
        assert_eq!(told(&route.tell(Event::Ended, &web)), [(Event::Ended, None)]);
    }

    #[test]
    fn a_command_of_fastnetmons_is_called_for_each_host_once_and_for_each_at_the_end() {
        let mut route =
            Route::new(filter(&[Event::Began, Event::Ended], &[], IncidentSeverity::Warning), true, true);
        let with = |hosts: &[(&str, u64)]| {
            let mut incident = sample::incident(1_000_000);
            incident.destinations = hosts
                .iter()
                .map(|(prefix, sampled)| IncidentPrefix { prefix: (*prefix).to_owned(), sampled: *sampled })
                .collect();
            Arc::new(incident)
        };
        assert!(route.tell(Event::Began, &with(&[])).is_empty(), "nobody knows yet whom it is for");
        let [first, second] =
            ["192.0.2.10", "2001:db8::1"].map(|text| text.parse::<IpAddr>().expect("an address"));
        let one = with(&[("192.0.2.10/32", 980), ("192.0.2.99/32", 20)]);
        assert_eq!(told(&route.look(&one)), [(Event::Began, Some(first))]);
        assert!(route.look(&one).is_empty() && route.tell(Event::Changed, &one).is_empty());
        let two = with(&[("192.0.2.10/32", 500), ("2001:db8::1/128", 500), ("198.51.100.0/24", 500)]);
        assert_eq!(told(&route.tell(Event::Changed, &two)), [(Event::Began, Some(second))]);
        assert_eq!(
            told(&route.tell(Event::Ended, &two)),
            [(Event::Ended, Some(first)), (Event::Ended, Some(second))]
        );
        // A carpet.
        let many: Vec<_> = (0..64).map(|last| (format!("192.0.2.{last}/32"), 10)).collect();
        let many: Vec<_> = many.iter().map(|(prefix, sampled)| (prefix.as_str(), *sampled)).collect();
        assert_eq!(route.tell(Event::Began, &with(&many[..20])).len(), 20);
        assert!(route.look(&with(&many[20..40])).len() <= HOSTS - 20);
    }

    #[test]
    fn an_incident_of_an_earlier_run_is_ended_and_said_anew_to_those_who_forget() {
        let incident = Arc::new(sample::incident(1_000_000));
        let mut chat = Route::new(filter(&Event::ALL, &[], IncidentSeverity::Warning), false, false);
        assert!(chat.resume(&incident).is_none());
        assert_eq!(told(&chat.tell(Event::Ended, &incident)), [(Event::Ended, None)]);
        let mut kept = Route::new(filter(&Event::ALL, &[], IncidentSeverity::Warning), true, false);
        assert_eq!(kept.resume(&incident).map(|message| message.event), Some(Event::Changed));
        let mut command = Route::new(filter(&Event::ALL, &[], IncidentSeverity::Warning), true, true);
        assert!(command.resume(&incident).is_none());
        assert_eq!(
            told(&command.tell(Event::Ended, &incident)),
            [(Event::Ended, Some(sample::ADDRESS.into()))]
        );
    }
}
