//! The state as a whole, over tables in memory and a store in a directory of its own.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::Filter;
use crate::{
    api::ListName,
    config::Config,
    store::Store,
    tables::{Capacity, Prefix, SharedTables},
};

/// How long something may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

fn filter() -> (Arc<Filter>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config { capacity: Capacity { prefixes: 10_000, sources: 1_024 }, ..Config::default() };
    let tables = Arc::new(SharedTables::in_memory(&config.capacity).expect("memory"));
    let (store, records) = Store::open(directory.path()).expect("an empty store");
    (Arc::new(Filter::open(tables, store, records, &config).expect("an empty state")), directory)
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
