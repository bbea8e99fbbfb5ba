//! The state as a whole, over tables in memory and a store in a directory of its own.

mod bans;
mod changes;
mod configuration;
mod damaged;
mod imports;
mod limits;
mod lockdowns;
mod rules;
mod signatures;
mod stalled;
mod trials;
mod why;

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{Filter, ImportOptions};
use floodwall_api::{InForce, ListName};
use floodwall_config::Config;
use floodwall_event::Bus;
use floodwall_policy::{HostFacts, Policy, RuleId};
use floodwall_store::{Kept, Opened, Store};
use floodwall_tables::{Capacity, Prefix, SharedTables};

/// How long something may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

fn filter() -> (Arc<Filter>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    (open(directory.path()), directory)
}

/// What a start with this state directory brings into force.
fn open(directory: &Path) -> Arc<Filter> {
    open_as(directory, false)
}

fn open_as(directory: &Path, accept: bool) -> Arc<Filter> {
    let config =
        Config { capacity: Capacity { prefixes: 10_000, sources: 1_024, flows: 1_024 }, ..Config::default() };
    let tables = Arc::new(SharedTables::in_memory(&config.capacity).expect("memory"));
    let opened = Store::open(directory, accept).expect("a directory that can be used");
    Filter::open(tables, opened, &config, Bus::default()).expect("a state that fits")
}

/// Writes a state as versions before there was a database had it.
fn write_older(directory: &Path, changes: &[&str], lists: &[(u16, &str)]) {
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).expect("it is written");
    write("snapshot.jsonl", "{\"version\":1,\"journal\":1}\n");
    write("journal-1.jsonl", &changes.iter().map(|change| format!("{change}\n")).collect::<String>());
    lists.iter().for_each(|(number, text)| write(&format!("import-{number}.list"), text));
}

fn import(filter: &Filter, text: &str) {
    let options = ImportOptions {
        name: "list".to_owned(),
        skip_bad: false,
        replace: false,
        lifetime: None,
        lifelines: None,
    };
    filter.import(text.as_bytes(), &options, &mut |_| ()).expect("a sound list");
}

fn blocked(filter: &Filter) -> Vec<String> {
    filter.page(ListName::Block, None, 100).entries.into_iter().map(|entry| entry.prefix).collect()
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

#[test]
fn questions_and_changes_at_the_same_time_do_not_stop_each_other() {
    let (filter, _directory) = filter();
    let (done, finished) = mpsc::channel();
    let work: [fn(&Filter); 4] = [
        |filter| {
            let prefix = [prefix("203.0.113.0/24")];
            filter.add(ListName::Block, &prefix, None, None, None).expect("added");
            filter.remove(ListName::Block, &prefix).expect("removed");
        },
        |filter| assert!(filter.status().block.ipv4 <= 1),
        |filter| assert!(filter.page(ListName::Block, None, 10).total <= 1),
        |filter| assert!(filter.test([203, 0, 113, 7].into()).covering.len() <= 1),
    ];
    for step in work {
        let (filter, done) = (Arc::clone(&filter), done.clone());
        thread::spawn(move || {
            (0..300).for_each(|_| step(&filter));
            done.send(()).expect("the test waits");
        });
    }
    for _ in work {
        finished.recv_timeout(PATIENCE).expect("one waits for another for ever");
    }
}

#[test]
fn what_was_taken_off_an_import_stays_off_until_it_is_imported_again() {
    let (filter, directory) = filter();
    import(&filter, "198.51.100.1\n198.51.100.2\n");
    filter.remove(ListName::Block, &[prefix("198.51.100.1/32")]).expect("removed");
    drop(filter);
    let Opened { kept: Kept::OnDisk(mut store), records, .. } =
        Store::open(directory.path(), false).expect("a directory that can be used")
    else {
        panic!("the state is sound");
    };
    store.snapshot(&records).expect("a snapshot");
    drop(store);
    let filter = open(directory.path());
    assert_eq!(blocked(&filter), ["198.51.100.2/32"], "after a restart");
    import(&filter, "198.51.100.3\n");
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(blocked(&filter), ["198.51.100.2/32", "198.51.100.3/32"], "the import has got another prefix");
    import(&filter, "198.51.100.1\n");
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(blocked(&filter), ["198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32"]);
}

#[test]
fn the_policy_is_told_as_it_holds() {
    let (filter, _directory) = filter();
    let text = "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\nports = [80, \"8000-8099\"]\n\
                destinations = [\"192.0.2.0/24\"]\nprobe = \"tcp://192.0.2.10:80\"\n\
                [[service.rule]]\nname = \"source-syn\"\nrate = 7\nceiling = { bans-per-minute = 1 }\n\
                [[service.rule]]\nper = \"source\"\nof = \"bytes\"\nrate = \"1 MB/s\"\nwhen = \"probe over 500ms\"\n\
                [[service.rule]]\nper = \"source\"\nof = \"rst\"\nrate = 5\nwhen = \"softirq over 80%\"";
    let policy = Config::parse(text).expect("valid").policy;
    filter.policy_state.lock().configure(&filter.tables, policy.clone(), false).expect("it fits");
    let told = || {
        let json = serde_json::to_string(&filter.in_force().expect("JSON")).expect("JSON");
        let told = serde_json::from_str::<InForce>(&json).expect("the same");
        assert_eq!(told.capacity.prefixes, filter.capacity.prefixes);
        assert_eq!(told.capacity.sources, filter.capacity.sources);
        serde_json::from_value::<Policy>(told.policy).expect("a policy")
    };
    assert_eq!(told(), policy, "nothing is lost on the way");

    let [beyond, active, waits] =
        ["source-syn", "source-bytes", "source-rst"].map(|rule| RuleId::new("web", rule));
    filter.look(HostFacts::default(), [active.clone()].into()).expect("it fits");
    filter.count_bans(&[(beyond.clone(), false), (beyond.clone(), false)], 1);
    let told = told();
    assert!(told.rule(&beyond).expect("there").monitor);
    assert_eq!(told.rule(&active).expect("there").when, None);
    assert_eq!(told.rule(&waits), policy.rule(&waits));
}
