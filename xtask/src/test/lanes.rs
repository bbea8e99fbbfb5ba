//! Running test programs: one alone, or several side by side.

use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

use super::part::Part;
use super::tally::Tally;

/// Runs a test program, and shows what it says as it says it.
///
/// # Errors
/// Those of [`Part::run`].
pub(super) fn alone(part: Part) -> Result<Tally> {
    println!("\n── {}", part.name);
    part.run(&mut io::stdout().lock())
}

/// Runs test programs, as many at a time as there are lanes, and counts them in their order. What one says is shown at its
/// end, so that it stays together.
///
/// # Errors
/// Those of [`Part::run`], after all have come to their end.
pub(super) fn side_by_side(parts: Vec<Part>, lanes: usize) -> Result<Vec<Tally>> {
    if lanes < 2 || parts.len() < 2 {
        return parts.into_iter().map(alone).collect();
    }
    let queue = Mutex::new(parts.into_iter().enumerate());
    let lane = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((place, part)) = next else { return done };
            done.push((place, shown_at_its_end(part)));
        }
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("a lane does not panic")).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, tally)| tally).collect()
}

fn shown_at_its_end(part: Part) -> Result<Tally> {
    println!("── {} is running", part.name);
    let mut said = format!("\n── {}\n", part.name).into_bytes();
    let tally = part.run(&mut said);
    io::stdout().lock().write_all(&said).context("passing on what tests say")?;
    tally
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn programs_that_run_side_by_side_are_counted_in_their_order() {
        let scratch = tempfile::tempdir().unwrap();
        // Each waits for the next one to have begun: one after the other, the first would wait for ever.
        let parts = ["a", "b", "c"].map(|name| {
            let mut command = Command::new("sh");
            let next = if name == "a" { "b" } else { "c" };
            let script = format!("touch {name}; until [ -e {next} ]; do sleep 0.01; done; [ {name} != b ]");
            command.current_dir(scratch.path()).args(["-c", &script]);
            Part { name: name.to_owned(), command, skips: scratch.path().join(format!("{name}.skips")) }
        });
        let tallies = side_by_side(parts.into(), 2).unwrap();
        let counted: Vec<_> =
            tallies.iter().map(|tally| (tally.name.as_str(), tally.passed, tally.failed)).collect();
        assert_eq!(counted, [("a", 1, 0), ("b", 0, 1), ("c", 1, 0)]);
    }
}
