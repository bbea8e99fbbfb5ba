//! Exclusive locks on files (flock(2)): one daemon at a time uses a state directory.

use std::{
    fs::{File, TryLockError},
    thread,
    time::{Duration, Instant},
};

/// How long to wait for a lock. A daemon that was killed keeps its locks until its memory is freed, which may be a gigabyte.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Locks a file or directory for as long as the result is open, and waits briefly for another process to release it.
///
/// # Errors
///
/// If another process keeps the lock.
pub fn claim(file: File) -> Result<File, TryLockError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
}

/// As [`claim`], without waiting.
///
/// # Errors
///
/// If another process has the lock.
pub(super) fn claim_at_once(file: File) -> Result<File, TryLockError> {
    file.try_lock().map(|()| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_released_in_time_is_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let open = || File::open(directory.path()).expect("it is there");
        let first = claim(open()).expect("nobody holds it");
        let releasing = thread::spawn(move || {
            thread::sleep(PAUSE * 3);
            drop(first);
        });
        let _second = claim(open()).expect("it is released");
        releasing.join().expect("no panic");
        assert!(matches!(claim(open()), Err(TryLockError::WouldBlock)));
    }
}
