//! Frames, tables and clocks to both engines: a difference ends the run, and is printed as a fixture.
#![no_main]

use std::sync::{Mutex, OnceLock};

use floodwall_tests::{experiment::Experiment, parity::Both};
use libfuzzer_sys::fuzz_target;

static BOTH: OnceLock<Mutex<Both>> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let both = BOTH.get_or_init(|| Mutex::new(engines()));
    let mut both = both.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut experiment = Experiment::from_bytes(bytes);
    if let Err(difference) = both.run(&experiment) {
        experiment.about = format!("{difference:#}");
        let again = match engines().run(&experiment) {
            Ok(()) => "It does not come again on fresh tables: what was before has to do with it.",
            Err(_) => "It comes again on fresh tables.",
        };
        eprintln!(
            "\nThe engines differ. {again} As a fixture, for tests/fixtures/parity/NAME.txt:\n\n{experiment}"
        );
        panic!("the engines differ: {difference:#}");
    }
});

fn engines() -> Both {
    Both::new().unwrap_or_else(|error| panic!("the engines cannot be had: {error:#}"))
}
