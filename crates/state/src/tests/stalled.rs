//! A disk that does not answer: changes wait for it, and nothing else does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, blocked, filter, prefix};
use crate::{Caller, Filter, Refusal, carry_out, ledger::Transaction};
use floodwall_api::ListName;
use floodwall_detect::Action;
use floodwall_store::Store;
use floodwall_store::records::Change;

/// A change whose write takes until it is let go, and which cannot be put in force then, if so wanted.
struct Slow {
    begun: Sender<()>,
    go_on: Receiver<()>,
    change: Change,
    fails: bool,
}

impl Transaction for Slow {
    type Outcome = ();

    fn take(&mut self, _: &Filter, _: Option<&Store>) -> Result<Vec<Change>, Refusal> {
        Ok(vec![self.change.clone()])
    }

    fn write(&mut self, store: &mut Store, changes: &[Change]) -> anyhow::Result<()> {
        self.begun.send(()).expect("the test waits");
        self.go_on.recv().expect("the test lets it go on");
        store.append(changes)
    }

    fn enforce(&mut self, _: &Filter) -> Result<(), Refusal> {
        if self.fails { Err(Refusal::Full("no room".to_owned())) } else { Ok(()) }
    }

    fn finish(self, _: &Filter, _: Option<&mut Store>) {}
}

fn slow(fails: bool) -> (Slow, Receiver<()>, Sender<()>) {
    let ((begun, waits), (lets_go, go_on)) = (mpsc::channel(), mpsc::channel());
    let change = Change::Signature { text: "udp sport=7 len=28".to_owned(), enforced: true, expires: None };
    (Slow { begun, go_on, change, fails }, waits, lets_go)
}

#[test]
fn while_the_disk_does_not_answer_all_but_changes_goes_on() {
    let (filter, _directory) = filter();
    filter.add(ListName::Block, &[prefix("203.0.113.0/24")], None, None, None).expect("added");
    let (slow, waits, lets_go) = slow(false);
    let changing = Arc::clone(&filter);
    let first = thread::spawn(move || changing.transact(slow));
    waits.recv_timeout(PATIENCE).expect("the write has begun");
    let adding = Arc::clone(&filter);
    let second = thread::spawn(move || {
        adding.add(ListName::Block, &[prefix("192.0.2.0/24")], None, None, None).map(drop)
    });

    let asked = Instant::now();
    assert_eq!(filter.status().block.ipv4, 1);
    assert!(filter.test([203, 0, 113, 7].into()).decided_by.is_some());
    assert_eq!(blocked(&filter), ["203.0.113.0/24"], "what waits is not in force");
    assert_eq!(filter.bans(None, 10).total, 0);
    assert!(filter.bypass(Some(Duration::from_secs(60))).expect("at all times").is_some());
    assert!(filter.bypass(None).expect("at all times").is_none());
    carry_out(filter.tables(), vec![Action::Attacked { service: 3, attacked: true }], || ());
    assert_eq!(filter.tables().settings[0].attacked.load(), 1 << 3, "detection goes on");
    assert!(asked.elapsed() < PATIENCE, "something waited for the disk");
    while filter.problems().is_empty() {
        assert!(asked.elapsed() < PATIENCE, "nobody is told that the disk does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(filter.problems()[0].contains("THE DISK DOES NOT ANSWER"), "{:?}", filter.problems());
    assert!(!first.is_finished() && !second.is_finished());

    lets_go.send(()).expect("it waits");
    first.join().expect("no panic").expect("made");
    second.join().expect("no panic").expect("made");
    assert_eq!(blocked(&filter), ["192.0.2.0/24", "203.0.113.0/24"]);
    assert_eq!(filter.problems(), [""; 0]);
}

#[test]
fn a_change_whose_asker_has_gone_before_it_was_begun_is_not_made() {
    let (filter, directory) = filter();
    let (slow, waits, lets_go) = slow(false);
    let changing = Arc::clone(&filter);
    // The asker of this one goes as well, once it was begun.
    let begun = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&begun);
    let first = thread::spawn(move || {
        Caller::gone_if(move || gone.load(Ordering::Relaxed)).asks(|| changing.transact(slow))
    });
    waits.recv_timeout(PATIENCE).expect("the write has begun");
    begun.store(true, Ordering::Relaxed);
    let add = |text: &'static str, caller: Caller| {
        let adding = Arc::clone(&filter);
        thread::spawn(move || {
            caller.asks(|| adding.add(ListName::Block, &[prefix(text)], None, None, None).map(drop))
        })
    };
    let abandoned = add("192.0.2.0/24", Caller::gone_if(|| true));
    let waiting = add("198.51.100.0/24", Caller::gone_if(|| false));
    lets_go.send(()).expect("it waits");
    first.join().expect("no panic").expect("what was begun is made");
    abandoned.join().expect("no panic").expect_err("nobody waits for it");
    waiting.join().expect("no panic").expect("made");
    assert_eq!(blocked(&filter), ["198.51.100.0/24"]);
    drop(filter);
    assert_eq!(blocked(&super::open(directory.path())), ["198.51.100.0/24"]);
}

#[test]
fn a_state_directory_that_is_removed_is_told_and_takes_no_more_changes() {
    let (filter, directory) = filter();
    filter.add(ListName::Block, &[prefix("203.0.113.0/24")], None, None, None).expect("added");
    let elsewhere = directory.path().with_extension("elsewhere");
    std::fs::rename(directory.path(), &elsewhere).expect("it is moved");
    let refused = filter.add(ListName::Block, &[prefix("192.0.2.0/24")], None, None, None);
    assert!(matches!(refused, Err(Refusal::Internal(_))), "{refused:?}");
    assert_eq!(blocked(&filter), ["203.0.113.0/24"]);
    let since = Instant::now();
    let told = |filter: &Filter| filter.problems().iter().any(|told| told.contains("CANNOT BE WRITTEN"));
    assert!(told(&filter), "{:?}", filter.problems());
    std::fs::rename(&elsewhere, directory.path()).expect("it is put back");
    while told(&filter) {
        assert!(since.elapsed() < PATIENCE, "it is not noticed that it is back");
        thread::sleep(Duration::from_millis(50));
    }
    std::fs::rename(directory.path(), &elsewhere).expect("it is moved");
    while !told(&filter) {
        assert!(since.elapsed() < 2 * PATIENCE, "nobody looks unless something is to be changed");
        thread::sleep(Duration::from_millis(50));
    }
    std::fs::rename(&elsewhere, directory.path()).expect("it is put back");
}

#[test]
fn what_cannot_be_put_in_force_is_taken_off_the_disk_again() {
    let (filter, directory) = filter();
    filter.add(ListName::Block, &[prefix("203.0.113.0/24")], None, None, None).expect("added");
    let (slow, _waits, lets_go) = slow(true);
    lets_go.send(()).expect("it will be read");
    assert!(matches!(filter.transact(slow), Err(Refusal::Full(_))));
    assert!(filter.pinned_signatures().is_empty(), "it is known nevertheless");
    // What is written goes on where it was.
    filter.add(ListName::Block, &[prefix("192.0.2.0/24")], None, None, None).expect("added");
    drop(filter);
    let filter = super::open(directory.path());
    assert_eq!(blocked(&filter), ["192.0.2.0/24", "203.0.113.0/24"]);
    assert_eq!(filter.problems(), [""; 0]);
    assert!(filter.pinned_signatures().is_empty(), "it is on disk");
}

#[test]
fn prefixes_of_which_one_finds_no_room_leave_nothing_behind_in_force_or_on_disk() {
    let (filter, directory) = filter();
    // One more than there is room for.
    let many: Vec<_> = (0..10_001_u32).map(|n| prefix(&format!("10.{}.{}.0/24", n >> 8, n & 0xff))).collect();
    let refused = filter.add(ListName::Block, &many, None, None, None);
    assert!(matches!(refused, Err(Refusal::Full(_))), "{refused:?}");
    assert_eq!((filter.status().block.ipv4, blocked(&filter).len()), (0, 0));
    let options = super::ImportOptions {
        name: "list".to_owned(),
        skip_bad: false,
        replace: false,
        lifetime: None,
        lifelines: None,
    };
    let text: String = many.iter().map(|prefix| format!("{prefix}\n")).collect();
    let refused = filter.import(text.as_bytes(), &options, &mut |_| ());
    assert!(matches!(refused, Err(Refusal::Full(_))), "{refused:?}");
    super::import(&filter, "198.51.100.1\n");
    drop(filter);
    let filter = super::open(directory.path());
    assert_eq!((blocked(&filter), filter.problems()), (vec!["198.51.100.1/32".to_owned()], Vec::new()));
}
