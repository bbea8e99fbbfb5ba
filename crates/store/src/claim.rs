//! Files that one daemon at a time holds.

use std::{
    fs::File,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// A daemon that was killed lets go of its files only when its memory is given back, a gigabyte of it perhaps.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Claims a file (or directory) for as long as the result lives.
///
/// # Errors
///
/// If another process keeps holding it.
pub fn claim(mut file: File) -> Result<Flock<File>, Errno> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        file = match claim_or_give_back(file) {
            Err((file, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file,
            claimed => return claimed.map_err(|(_, error)| error),
        };
        thread::sleep(PAUSE);
    }
}

/// As [`claim`], for whoever can do without it, and so does not wait for a daemon to let go.
///
/// # Errors
///
/// If another process holds it.
pub(super) fn claim_at_once(file: File) -> Result<Flock<File>, Errno> {
    claim_or_give_back(file).map_err(|(_, error)| error)
}

fn claim_or_give_back(file: File) -> Result<Flock<File>, (File, Errno)> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_is_let_go_of_is_waited_for_and_another_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let open = || File::open(directory.path()).expect("it is there");
        let first = claim(open()).expect("nobody holds it");
        let letting_go = thread::spawn(move || {
            thread::sleep(PAUSE * 3);
            drop(first);
        });
        let _second = claim(open()).expect("it is let go of");
        letting_go.join().expect("no panic");
        assert_eq!(claim(open()).err(), Some(Errno::EWOULDBLOCK));
    }
}
