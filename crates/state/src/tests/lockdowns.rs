//! Services that are closed, and opened again.

use std::time::Duration;

use floodwall_api::{LockdownReport, LockdownRequest};
use floodwall_common::wire::Lockdown;

use super::{filter, open};
use crate::{Filter, LockdownStep, Refusal, Terms};

const SERVICE: &str = "default";

fn close(filter: &Filter, reopening: bool) {
    let request = LockdownRequest {
        service: SERVICE.to_owned(),
        closed: true,
        reopening,
        ..LockdownRequest::default()
    };
    filter.lock_down(&request).expect("closed");
}

/// As packets are judged by it.
fn in_force(filter: &Filter) -> Lockdown {
    Lockdown::unpack(filter.tables.services[0].lockdown.load())
}

fn report(filter: &Filter) -> Option<LockdownReport> {
    filter.lockdowns().into_iter().next()
}

fn step(filter: &Filter, step: LockdownStep) -> bool {
    filter.step_lockdown(SERVICE, step).expect("it can be written")
}

#[test]
fn a_lockdown_goes_from_step_to_step_and_is_over_after_the_last() {
    let (filter, directory) = filter();
    assert!(!step(&filter, LockdownStep::Admit(1.0)), "it is open");
    close(&filter, true);
    assert!(step(&filter, LockdownStep::Admit(20.0)));
    assert_eq!(in_force(&filter).admitted, u32::MAX / 5);
    let before = report(&filter).expect("it is closed");
    assert_eq!((before.admitted_percent, before.reopening, before.by_itself), (20.0, true, false));
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(report(&filter), Some(before), "a restart goes on there");
    assert!(filter.shut(SERVICE).expect("it can be written"));
    assert_eq!(in_force(&filter), Lockdown { by_operator: true, by_itself: false, admitted: 0 });
    assert!(step(&filter, LockdownStep::Open));
    assert_eq!((report(&filter), in_force(&filter).pack()), (None, 0));
}

#[test]
fn one_that_began_by_itself_is_said_to_have_and_an_operators_stays_as_it_was_said() {
    let (filter, _directory) = filter();
    assert!(step(&filter, LockdownStep::Close));
    assert_eq!(in_force(&filter), Lockdown { by_operator: false, by_itself: true, admitted: 0 });
    assert!(report(&filter).is_some_and(|closed| closed.by_itself && closed.reopening));
    close(&filter, false);
    for taken in [LockdownStep::Close, LockdownStep::Admit(1.0), LockdownStep::Open] {
        assert!(!step(&filter, taken), "{taken:?}");
    }
    assert!(!filter.shut(SERVICE).expect("nothing is done"));
    assert_eq!(in_force(&filter), Lockdown { by_operator: true, by_itself: false, admitted: 0 });
    filter.reopen(SERVICE).expect("it is closed");
    assert!(step(&filter, LockdownStep::Admit(1.0)), "once it is asked for");
}

#[test]
fn what_is_not_closed_cannot_be_reopened() {
    let (filter, _directory) = filter();
    let refused = filter.reopen(SERVICE).unwrap_err();
    assert!(
        matches!(&refused, Refusal::NotFound(text) if text.contains("default is not closed")),
        "{refused}"
    );
}

#[test]
fn no_step_is_taken_that_would_keep_what_is_not_confirmed() {
    let (filter, _directory) = filter();
    let terms = Terms { within: Duration::from_secs(60), command: "lockdown on".to_owned() };
    let ((), trial) = filter.on_trial(Some(terms), || close(&filter, true));
    let number = trial.expect("it is on trial").number;
    assert!(filter.lockdown_is_on_trial(SERVICE));
    assert!(!step(&filter, LockdownStep::Admit(1.0)));
    filter.confirm(Some(number)).expect("it waits");
    assert!(step(&filter, LockdownStep::Admit(1.0)));
}

#[test]
fn who_is_closed_by_itself_is_said_by_operators() {
    let (filter, directory) = filter();
    assert!(filter.closed_by_themselves().is_empty(), "nobody, unless it is said");
    filter.close_by_itself(SERVICE, true).expect("there is such a service");
    drop(filter);
    let filter = open(directory.path());
    assert_eq!(filter.closed_by_themselves(), [SERVICE]);
    filter.close_by_itself(SERVICE, false).expect("there is such a service");
    assert!(filter.closed_by_themselves().is_empty());
    let refused = filter.close_by_itself("nonsense", true).unwrap_err();
    assert!(refused.to_string().contains("there are default"), "{refused}");
}
