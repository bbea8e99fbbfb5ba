//! What is known of prefixes and imports beyond that they are listed.

use std::collections::{BTreeMap, BTreeSet};

use floodwall_api::ListName;
use floodwall_policy::{Override, Policy, RuleId, RuleMode};
use floodwall_tables::Prefix;

use super::{
    bans::BanBook,
    change::Change,
    lockdown::LockdownRecord,
    origin::{Origin, Origins},
    trial::TrialBook,
};

/// What was said when a prefix was added by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteRecord {
    /// When it was added, Unix seconds.
    pub since: u64,
    /// When it will be taken back, Unix seconds.
    pub expires: Option<u64>,
    /// Why.
    pub note: Option<String>,
}

/// What is known of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its name.
    pub name: String,
    /// When it was made, Unix seconds.
    pub since: u64,
    /// When it will be taken back, Unix seconds.
    pub expires: Option<u64>,
}

/// What was said of a signature that is wanted as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureRecord {
    /// Whether it drops.
    pub enforced: bool,
    /// When it will be taken back, Unix seconds.
    pub expires: Option<u64>,
}

/// What was said of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRecord {
    /// What is different from how it is configured.
    pub said: Override,
    /// When it will be taken back, Unix seconds.
    pub expires: Option<u64>,
}

/// A configuration file that is not to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HeldConfiguration {
    /// What the file says.
    refused: String,
    /// What is in place of it.
    text: String,
}

/// Something that is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expiring {
    Prefix(ListName, Prefix),
    Import(Origin),
    Rule(RuleId),
    Signature(String),
    Lockdown(String),
}

/// All that is known.
#[derive(Clone, Debug, Default)]
pub struct Records {
    notes: BTreeMap<(ListName, Prefix), NoteRecord>,
    imports: BTreeMap<Origin, ImportRecord>,
    /// What is to be taken back, after the time for it, Unix seconds.
    expiring: BTreeSet<(u64, Expiring)>,
    /// Prefixes that were taken off the blocklist although these imports hold them.
    withheld: BTreeMap<Prefix, Origins>,
    /// By text.
    signatures: BTreeMap<String, SignatureRecord>,
    /// Who is banned, and who was.
    pub bans: BanBook,
    overrides: BTreeMap<RuleId, RuleRecord>,
    /// Services that are closed to all but known clients.
    lockdowns: BTreeMap<String, LockdownRecord>,
    /// Whether services are closed by themselves, where something else was said of it than is configured.
    automatic: BTreeMap<String, bool>,
    held: Option<HeldConfiguration>,
    /// Changes that are undone unless somebody confirms them.
    trials: TrialBook,
    /// What an older version kept as limits per source, until it is [turned](Self::turn_limits) into that.
    older_limits: BTreeMap<RuleId, Override>,
}

impl Records {
    /// Takes note of a change.
    pub fn apply(&mut self, change: &Change) {
        self.trials.supersede(change);
        match change {
            Change::Add { list, prefix, since, expires, note } => {
                self.remove(*list, *prefix);
                self.expect(*expires, Expiring::Prefix(*list, *prefix));
                let record = NoteRecord { since: *since, expires: *expires, note: note.clone() };
                self.notes.insert((*list, *prefix), record);
            }
            Change::Remove { list, prefix, imports } => {
                self.remove(*list, *prefix);
                if !imports.is_empty() {
                    self.withheld.entry(*prefix).or_default().0.extend(&imports.0);
                }
            }
            Change::Import { origin, name, since, expires } => {
                self.forget(*origin);
                self.expect(*expires, Expiring::Import(*origin));
                let record = ImportRecord { name: name.clone(), since: *since, expires: *expires };
                self.imports.insert(*origin, record);
            }
            Change::Forget { origin } => self.forget(*origin),
            Change::Flush { list } => self.flush(*list),
            Change::Signature { text, enforced, expires } => {
                self.forget_signature(text);
                self.expect(*expires, Expiring::Signature(text.clone()));
                let record = SignatureRecord { enforced: *enforced, expires: *expires };
                self.signatures.insert(text.clone(), record);
            }
            Change::ForgetSignature { text } => self.forget_signature(text),
            Change::Ban { prefix, ban } => self.bans.enter(*prefix, ban.clone()),
            Change::Lift { prefix } => drop(self.bans.remove(*prefix)),
            Change::LiftAll => self.bans.clear(),
            Change::SetRule { service, rule, said, expires } => {
                let id = RuleId::new(service, rule);
                self.reset_rule(&id);
                self.expect(*expires, Expiring::Rule(id.clone()));
                self.overrides.insert(id, RuleRecord { said: said.clone(), expires: *expires });
            }
            Change::ResetRule { service, rule } => {
                let id = RuleId::new(service, rule);
                self.reset_rule(&id);
                self.older_limits.remove(&id);
            }
            Change::Return { prefix, imports } => {
                if let Some(withheld) = self.withheld.get_mut(prefix) {
                    withheld.0.retain(|origin| !imports.0.contains(origin));
                    if withheld.is_empty() {
                        self.withheld.remove(prefix);
                    }
                }
            }
            Change::Close { service, lockdown } => {
                self.open(service);
                self.expect(lockdown.expires, Expiring::Lockdown(service.clone()));
                self.lockdowns.insert(service.clone(), *lockdown);
            }
            Change::Open { service } => self.open(service),
            Change::Automatic { service, automatic: Some(automatic) } => {
                self.automatic.insert(service.clone(), *automatic);
            }
            Change::Automatic { service, automatic: None } => drop(self.automatic.remove(service)),
            Change::HoldConfiguration { refused, text } => {
                self.held = Some(HeldConfiguration { refused: refused.clone(), text: text.clone() });
            }
            Change::UseConfiguration { .. } => self.held = None,
            Change::Trial(trial) => self.trials.enter(trial.clone()),
            Change::TrialOver { number } => self.trials.end(*number),
            Change::Limit { limits } => self.older_limits = limits.as_said().into(),
        }
    }

    /// The changes that lead from nothing to here: a snapshot.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let imports = self.imports.iter().map(|(origin, record)| Change::Import {
            origin: *origin,
            name: record.name.clone(),
            since: record.since,
            expires: record.expires,
        });
        let list = ListName::Block;
        let withheld = self.withheld.iter();
        let withheld = withheld.map(move |(prefix, imports)| Change::Remove {
            list,
            prefix: *prefix,
            imports: imports.clone(),
        });
        let notes = self.notes.iter().map(|((list, prefix), record)| Change::Add {
            list: *list,
            prefix: *prefix,
            since: record.since,
            expires: record.expires,
            note: record.note.clone(),
        });
        let signatures = self.signatures.iter().map(|(text, record)| Change::Signature {
            text: text.clone(),
            enforced: record.enforced,
            expires: record.expires,
        });
        let bans = self.bans.all().map(|(prefix, ban)| Change::Ban { prefix, ban: ban.clone() });
        // Nobody has said yet what is configured.
        let rules = self.said(&Policy::default()).into_iter().map(|(RuleId { service, rule }, record)| {
            Change::SetRule { service, rule, said: record.said, expires: record.expires }
        });
        let closed = self
            .lockdowns
            .iter()
            .map(|(service, lockdown)| Change::Close { service: service.clone(), lockdown: *lockdown });
        let automatic = self.automatic.iter().map(|(service, automatic)| Change::Automatic {
            service: service.clone(),
            automatic: Some(*automatic),
        });
        let closed = closed.chain(automatic);
        let lists = imports.chain(withheld).chain(notes);
        // The last: what comes after a trial takes away what it would undo.
        let trials = self.trials.all().cloned().map(Change::Trial);
        let held = self
            .held
            .clone()
            .map(|HeldConfiguration { refused, text }| Change::HoldConfiguration { refused, text });
        lists.chain(signatures).chain(bans).chain(rules).chain(closed).chain(held).chain(trials)
    }

    /// Whether something is used in place of what the configuration file says, or did.
    pub fn has_held_configuration(&self) -> bool {
        self.held.is_some()
    }

    /// What is used in place of a configuration file that says this, if something is.
    pub fn held_configuration(&self, file: &str) -> Option<&str> {
        self.held.as_ref().filter(|held| held.refused == file).map(|held| held.text.as_str())
    }

    /// Changes that are undone unless somebody confirms them.
    pub fn trials(&self) -> &TrialBook {
        &self.trials
    }

    /// What was said of a prefix that was added by hand.
    pub fn note(&self, list: ListName, prefix: Prefix) -> Option<&NoteRecord> {
        self.notes.get(&(list, prefix))
    }

    /// Prefixes that were added by hand.
    pub fn noted(&self) -> impl Iterator<Item = (ListName, Prefix)> {
        self.notes.keys().copied()
    }

    /// An import.
    pub fn import(&self, origin: Origin) -> Option<&ImportRecord> {
        self.imports.get(&origin)
    }

    /// All imports.
    pub fn imports(&self) -> impl Iterator<Item = (Origin, &ImportRecord)> {
        self.imports.iter().map(|(origin, record)| (*origin, record))
    }

    /// Whether a prefix is to stay away although this import holds it.
    pub fn is_withheld(&self, origin: Origin, prefix: Prefix) -> bool {
        self.withheld.get(&prefix).is_some_and(|imports| imports.0.contains(&origin))
    }

    /// The import with this name.
    pub fn origin_of(&self, name: &str) -> Option<Origin> {
        self.imports.iter().find(|(_, record)| record.name == name).map(|(origin, _)| *origin)
    }

    /// A number for a new import, if there is one left.
    pub fn free_origin(&self) -> Option<Origin> {
        (1..=Origin::MOST).filter_map(Origin::import).find(|origin| !self.imports.contains_key(origin))
    }

    /// Signatures that are wanted as they are, and whether they drop.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, bool)> {
        self.signatures.iter().map(|(text, record)| (text.as_str(), record.enforced))
    }

    /// What was said of a signature that is wanted.
    pub fn signature(&self, text: &str) -> Option<SignatureRecord> {
        self.signatures.get(text).copied()
    }

    /// When the next thing is to be taken back, Unix seconds.
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// The changes that take back what has expired by `now`.
    pub fn expired(&self, now: u64) -> Vec<Change> {
        self.expiring
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, what)| match what {
                Expiring::Prefix(list, prefix) => {
                    Change::Remove { list: *list, prefix: *prefix, imports: Origins::default() }
                }
                Expiring::Signature(text) => Change::ForgetSignature { text: text.clone() },
                Expiring::Import(origin) => Change::Forget { origin: *origin },
                Expiring::Lockdown(service) => Change::Open { service: service.clone() },
                Expiring::Rule(RuleId { service, rule }) => {
                    Change::ResetRule { service: service.clone(), rule: rule.clone() }
                }
            })
            .collect()
    }

    /// Services that are closed to all but known clients, by name.
    pub fn lockdowns(&self) -> &BTreeMap<String, LockdownRecord> {
        &self.lockdowns
    }

    /// Whether services are closed by themselves, where something else was said of it than is configured.
    pub fn automatic(&self) -> &BTreeMap<String, bool> {
        &self.automatic
    }

    /// What was said of rules.
    pub fn overrides(&self) -> &BTreeMap<RuleId, RuleRecord> {
        &self.overrides
    }

    /// Has what an older version kept as limits per source be said of rules. It wrote down both limits whenever one was
    /// set: one that is as configured is nothing that was said.
    pub fn turn_limits(&mut self, configured: &Policy) {
        self.overrides = self.said(configured);
        self.older_limits.clear();
    }

    fn said(&self, configured: &Policy) -> BTreeMap<RuleId, RuleRecord> {
        let mut all = self.overrides.clone();
        for (id, limit) in &self.older_limits {
            if configured.rule(id).map(|rule| rule.rate) == limit.rate {
                continue;
            }
            let new = || RuleRecord { said: limit.clone(), expires: None };
            let RuleRecord { said, expires } = all.remove(id).unwrap_or_else(new);
            // Whatever was said of the rule itself was said of it as the limits left it.
            let gone = limit.rate.is_none() && said.rate.is_none();
            let said = limit.clone().then(said);
            let said = if gone { Override { mode: Some(RuleMode::Off), ..said } } else { said };
            all.insert(id.clone(), RuleRecord { said, expires });
        }
        all
    }

    /// Something is to be taken back at that time, if there is one.
    fn expect(&mut self, at: Option<u64>, what: Expiring) {
        self.expiring.extend(at.map(|at| (at, what)));
    }

    /// Something that was to be taken back at that time is gone.
    fn expect_no_more(&mut self, at: Option<u64>, what: Expiring) {
        if let Some(at) = at {
            self.expiring.remove(&(at, what));
        }
    }

    fn forget_signature(&mut self, text: &str) {
        if let Some(record) = self.signatures.remove(text) {
            self.expect_no_more(record.expires, Expiring::Signature(text.to_owned()));
        }
    }

    fn open(&mut self, service: &str) {
        if let Some(record) = self.lockdowns.remove(service) {
            self.expect_no_more(record.expires, Expiring::Lockdown(service.to_owned()));
        }
    }

    fn reset_rule(&mut self, id: &RuleId) {
        if let Some(record) = self.overrides.remove(id) {
            self.expect_no_more(record.expires, Expiring::Rule(id.clone()));
        }
    }

    fn remove(&mut self, list: ListName, prefix: Prefix) {
        if let Some(record) = self.notes.remove(&(list, prefix)) {
            self.expect_no_more(record.expires, Expiring::Prefix(list, prefix));
        }
    }

    fn forget(&mut self, origin: Origin) {
        if let Some(record) = self.imports.remove(&origin) {
            self.expect_no_more(record.expires, Expiring::Import(origin));
        }
        self.withheld.retain(|_, imports| {
            imports.0.remove(&origin);
            !imports.is_empty()
        });
    }

    fn flush(&mut self, list: ListName) {
        self.notes.retain(|(of, _), _| *of != list);
        self.expiring.retain(|(_, what)| !matches!(what, Expiring::Prefix(of, _) if *of == list));
        if list == ListName::Block {
            self.imports.clear();
            self.withheld.clear();
            self.bans.clear();
            self.expiring.retain(|(_, what)| !matches!(what, Expiring::Import(_)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use floodwall_policy::Rate;

    fn read(lines: &[&str]) -> Records {
        let mut records = Records::default();
        lines.iter().for_each(|line| records.apply(&serde_json::from_str(line).expect("a change")));
        records
    }

    /// What is said of rules, in JSON.
    fn said(records: &Records) -> Vec<String> {
        let said = records.overrides().iter();
        said.map(|(id, record)| format!("{id} {}", serde_json::to_string(&record.said).expect("JSON")))
            .collect()
    }

    const OLDER: &str = r#"{"change":"limit","limits":{"packets":{"rate":20000,"burst":40000},"syn":{"rate":50,"burst":60}}}"#;
    const SYN: &str = r#"default/source-syn {"per":"source","of":"syn","rate":{"rate":50,"burst":60}}"#;

    #[test]
    fn limits_of_an_older_version_become_what_is_said_of_rules() {
        let turned_for = |lines: &[&str], configured: &Policy| {
            let mut records = read(lines);
            records.turn_limits(configured);
            said(&records)
        };
        let turned = |lines: &[&str]| turned_for(lines, &Policy::default());
        assert_eq!(turned(&[OLDER]), [SYN], "a limit that is as configured is nothing that was said");
        let packets =
            r#"default/source-packets {"per":"source","of":"packets","rate":{"rate":20000,"burst":40000}}"#;
        let mut configured = Policy::default();
        for rule in &mut configured.services[0].rules {
            match rule.name.as_str() {
                "source-packets" => rule.rate = Rate { rate: 3, burst: 3 },
                "source-syn" => rule.rate = Rate { rate: 50, burst: 60 },
                _ => {}
            }
        }
        assert_eq!(turned_for(&[OLDER], &configured), [packets]);
        let off = r#"{"change":"limit","limits":{"packets":null,"syn":{"rate":100,"burst":200}}}"#;
        assert_eq!(
            turned(&[OLDER, off]),
            [r#"default/source-packets {"per":"source","of":"packets","mode":"off"}"#],
            "the last line holds"
        );
        let rule = r#"{"change":"set-rule","service":"default","rule":"source-syn","per":"source","of":"syn","mode":"monitor"}"#;
        for lines in [[OLDER, rule], [rule, OLDER]] {
            let both = r#"default/source-syn {"per":"source","of":"syn","rate":{"rate":50,"burst":60},"mode":"monitor"}"#;
            assert_eq!(turned(&lines), [both]);
        }
        let reset = r#"{"change":"reset-rule","service":"default","rule":"source-syn"}"#;
        assert_eq!(turned(&[OLDER, rule, reset]), [""; 0]);
    }

    #[test]
    fn a_configuration_is_held_until_the_file_is_used() {
        let hold = r#"{"change":"hold-configuration","refused":"old","text":"new"}"#;
        assert!(!read(&[]).has_held_configuration());
        let held = read(&[hold]);
        assert_eq!((held.has_held_configuration(), held.held_configuration("old")), (true, Some("new")));
        assert_eq!(held.held_configuration("another"), None);
        assert!(!read(&[hold, r#"{"change":"use-configuration","text":"old"}"#]).has_held_configuration());
    }

    #[test]
    fn limits_of_an_older_version_are_not_written_as_such_again() {
        let lines: Vec<_> = read(&[OLDER])
            .changes()
            .map(|change| serde_json::to_string(&change).expect("it can be written"))
            .collect();
        assert_eq!(lines.len(), 1);
        let mut records = read(&[&lines[0]]);
        records.turn_limits(&Policy::default());
        assert_eq!(said(&records), [SYN]);
        serde_json::to_string(&serde_json::from_str::<Change>(OLDER).expect("it is read")).unwrap_err();
    }
}
