//! The configuration file: as it is read at the start, and read again.
//!
//! What a trial of another configuration has been undone to is kept beside what the file says: a restart does not bring
//! the other one back, unless the file is changed or an operator has it read again.

use std::path::Path;

use tracing::{error, warn};

use super::{
    caller::Caller, filter::Filter, ledger::Transaction, policy_state::PolicyState, refusal::Refusal,
    rules::event_interval,
};
use floodwall_api::ReloadReport;
use floodwall_config::Config;
use floodwall_policy::difference;
use floodwall_store::Store;
use floodwall_store::records::Change;

impl Filter {
    /// Remembers where the configuration was read, to read it again; and whether an option of the run has what it does not
    /// name observed. What is to be used in place of what it says is brought into force.
    pub fn configured_from(&self, path: Option<&Path>, observe: bool) {
        let read = path.and_then(|path| Config::read_with_text(path).ok());
        let held = read
            .as_ref()
            .and_then(|(_, text)| self.records.lock().held_configuration(text).map(str::to_owned));
        {
            let mut policy_state = self.policy_state.lock();
            policy_state.observe_asked = observe;
            policy_state.source = path.map(Path::to_owned);
            if let Some((config, text)) = read {
                // What options said instead is no change of the file.
                policy_state.wanted_capacity = Some(config.capacity);
                policy_state.wanted_interfaces = Some(config.interfaces);
                policy_state.text = Some(text);
            }
        }
        if let Some(text) = held
            && let Err(refusal) = self.hold(&text)
        {
            error!(%refusal, "the configuration that was in force before one that nobody confirmed cannot be used");
        }
    }

    /// Reads the configuration again, and says what that changes; changes it, unless it is only to be said.
    pub fn reload(&self, only_say: bool) -> Result<ReloadReport, Refusal> {
        let Some(path) = self.policy_state.lock().source.clone() else {
            return Err(Refusal::Invalid(
                "no configuration file was named when the daemon was started".to_owned(),
            ));
        };
        let (config, text) =
            Config::read_with_text(&path).map_err(|error| Refusal::Invalid(format!("{error:#}")))?;
        let differences = self.differences(&config);
        if !only_say {
            config.policy.warnings().iter().for_each(|warning| warn!("{warning}"));
            // What is on trial, or was undone, is written down; else nothing of it is, and a state that cannot be written
            // is no obstacle.
            let use_it = Change::UseConfiguration { text: text.clone() };
            let is_kept = {
                let records = self.records.lock();
                records.has_held_configuration() || records.trials().undo_of(&use_it).is_some()
            };
            if is_kept || Caller::current().trial().is_some() {
                self.transact(Reload { config, text })?;
            } else {
                self.use_configuration(config, text, false)?;
            }
        }
        Ok(ReloadReport { path: path.display().to_string(), differences, applied: !only_say })
    }

    /// What another configuration would change, a line each.
    fn differences(&self, config: &Config) -> Vec<String> {
        let policy_state = self.policy_state.lock();
        let mut lines = difference(&policy_state.policy(), &policy_state.policy_of(&config.policy));
        if policy_state.wanted_capacity.as_ref().is_some_and(|wanted| *wanted != config.capacity) {
            lines.push(
                "~ max-prefixes, max-sources, max-flows: at the next start, unless its options say otherwise"
                    .to_owned(),
            );
        }
        if policy_state.wanted_interfaces.as_ref().is_some_and(|wanted| *wanted != config.interfaces) {
            lines.push(format!(
                "~ interfaces: {}, at the next start, unless its options say otherwise; `floodwall attach` and `detach` \
                 change them now",
                if config.interfaces.is_empty() { "none".to_owned() } else { config.interfaces.join(", ") }
            ));
        }
        let interval = event_interval(&self.tables, config.events_per_second);
        if interval != self.tables.settings[0].event_interval.load() {
            lines.push(format!("~ events: {}/s", config.events_per_second));
        }
        if config.lease != self.lease.length() {
            lines.push(format!("~ lease: {}", humantime::format_duration(config.lease)));
        }
        let observe = config.observe || policy_state.observe_asked;
        if observe != policy_state.situation().observe {
            lines.push(format!("~ observe: {observe}"));
        }
        lines
    }

    /// Brings into force what was before a configuration that nobody has confirmed.
    pub(super) fn hold(&self, text: &str) -> Result<(), Refusal> {
        let config = Config::parse(text).map_err(|fault| Refusal::Invalid(fault.to_string()))?;
        self.use_configuration(config, text.to_owned(), true)
    }

    fn use_configuration(&self, config: Config, text: String, is_held: bool) -> Result<(), Refusal> {
        let mut policy_state = self.policy_state.lock();
        policy_state.configure(&self.tables, config.policy, config.observe)?;
        (policy_state.text, policy_state.is_held) = (Some(text), is_held);
        self.tables.settings[0].event_interval.store(event_interval(&self.tables, config.events_per_second));
        self.lease.set_length(config.lease);
        Ok(())
    }
}

impl PolicyState {
    /// That the configuration in force is not the one in the file.
    pub(super) fn held_back(&self) -> Option<String> {
        let path = self.source.as_ref().filter(|_| self.is_held)?.display();
        Some(format!(
            "{path} is not in force, as nobody confirmed it: what was in force before is; change the file, or have it read \
             again by `floodwall reload`"
        ))
    }
}

/// Takes up what the file says, and writes down that it is used.
struct Reload {
    config: Config,
    text: String,
}

impl Transaction for Reload {
    type Outcome = ();

    fn take(&mut self, _: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        Ok(vec![Change::UseConfiguration { text: self.text.clone() }])
    }

    fn enforce(&mut self, filter: &Filter) -> Result<(), Refusal> {
        filter.use_configuration(self.config.clone(), self.text.clone(), false)
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) {}
}
